"""The workflows: actions by major version, no more rights than needed, no secrets, commands that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.__main__ import main

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_tests_a_gate_a_site_and_libraries():
    assert [path.stem for path in WORKFLOWS] == ["benchmarks", "libraries", "regressions", "tests"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_asks_for_little(path: Path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    rights = [job["permissions"] for job in workflow["jobs"].values() if "permissions" in job]
    assert rights in ([], [{"pages": "write", "id-token": "write"}])
    assert "secrets." not in path.read_text()
    assert "pull_request_target" not in path.read_text()
    assert all("timeout-minutes" in job for job in workflow["jobs"].values() if len(job["steps"]) > 1)
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w/-]+@v\d+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_exists(path: Path):
    for step in steps(yaml.safe_load(path.read_text())):
        for line in step.get("run", "").splitlines():
            words = line.split()
            if words[0] == "make":
                subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)
            else:
                assert words[:3] == [".venv/bin/python", "-m", "benchmarks"]
                assert words[3] in main.list_commands(None)  # type: ignore[attr-defined]
