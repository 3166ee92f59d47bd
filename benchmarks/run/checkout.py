"""This checkout, as git sees it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MEASURED = ("implementations", "pyproject.toml", "constraints.txt")
"""What a wheel is made of."""


def git(*arguments: str) -> str | None:
    """What git prints in this checkout; None where it fails or hangs."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None


def uncommitted() -> list[str]:
    """Files of what is measured whose changes are in no commit."""
    return [line[3:] for line in (git("status", "--porcelain", "--", *MEASURED) or "").splitlines()]
