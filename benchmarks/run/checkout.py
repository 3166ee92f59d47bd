"""This checkout, as git sees it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MEASURED = ("implementations", "pyproject.toml", "constraints.txt")
"""What a wheel is made of."""

_BUILT = ("README.md", "LICENSE")
"""What its pyproject.toml names besides."""

_TIMEOUT_S = 20.0
_FETCHED_S = 600.0  # of a partial clone, whose git fetches what it lacks


class GitFailed(Exception):
    """Git does not answer; the text is what git says, or why it can't be asked."""


def without_git_variables() -> dict[str, str]:
    """The environment for whatever may call git: this process's own, without what ties git to a repository.

    Git sets GIT_DIR, GIT_INDEX_FILE and others for its hooks, `rebase --exec` and linked worktrees. A child
    that inherits them works on the user's repository and index, whatever folder it runs in.
    """
    tied = _tied_to_a_repository()
    return {name: value for name, value in os.environ.items() if name not in tied}


@cache
def _tied_to_a_repository() -> frozenset[str]:
    """Names of variables, as this git lists them; none where there is no git."""
    try:
        return frozenset(_output(["rev-parse", "--local-env-vars"], _no_variables_of_git()).split())
    except GitFailed:
        return frozenset()


def _no_variables_of_git() -> dict[str, str]:
    """One that is malformed would end git before it lists them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def ask(*arguments: str) -> str:
    """What git prints in this checkout.

    Raises:
        GitFailed: it fails, hangs or isn't there.
    """
    return _output(arguments, without_git_variables())


def git(*arguments: str) -> str | None:
    """What git prints in this checkout; None where it fails or hangs."""
    try:
        return ask(*arguments)
    except GitFailed:
        return None


def unusable() -> str | None:
    """Why git can't tell of this checkout, to go on a sentence with; None where it can."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return "needs git and a clone of the repository"
    try:
        ask("rev-parse", "--git-dir")
    except GitFailed as error:
        return f"git says: {error}"
    return None


def uncommitted() -> list[str]:
    """Files of what is measured whose changes are in no commit.

    Raises:
        GitFailed: git can't say.
    """
    return [line[3:] for line in ask("status", "--porcelain", "--", *MEASURED).splitlines()]


def archive(commit: str) -> bytes:
    """What a wheel of a commit is made of, as a tar file.

    Raises:
        GitFailed: git can't, as of a partial clone that has no way to what it lacks.
    """
    paths = [path for path in (*MEASURED, *_BUILT) if git("cat-file", "-e", f"{commit}:{path}") is not None]
    return _run(["archive", "--format=tar", commit, "--", *paths], without_git_variables(), _FETCHED_S)


def changed(base: str, head: str) -> list[str]:
    """Files of what is measured that differ between two commits.

    Raises:
        GitFailed: git can't say.
    """
    return ask("diff", "--name-only", "--no-renames", base, head, "--", *MEASURED).splitlines()


def _output(arguments: list[str] | tuple[str, ...], environment: Mapping[str, str]) -> str:
    return _run(arguments, environment, _TIMEOUT_S).decode(errors="replace").strip("\n")


def _run(arguments: list[str] | tuple[str, ...], environment: Mapping[str, str], timeout_s: float) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, env=environment, capture_output=True, timeout=timeout_s
        )
    except OSError as error:
        raise GitFailed(f"git can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} took longer than {timeout_s:g} s") from error
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip()
        raise GitFailed(told or f"git {arguments[0]} failed with status {done.returncode}")
    return done.stdout
