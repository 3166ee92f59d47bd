"""Interleaved measurements, each in a fresh process, appended to results/timings/RUN.jsonl as they come."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.define.cases import Case
from benchmarks.run.available import unavailable
from benchmarks.store.append import RunFile
from benchmarks.store.environment import environment

_ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 900.0


def measure_all(cases: Sequence[Case], rounds: int, results: Path) -> Iterator[dict[str, Any]]:
    """Measure all cases, `rounds` times over, each time in the opposite order; yields each record.

    Interleaving lets what else the machine does fall on all cases alike. Memory repeats to a percent, so
    memory cases are measured in the first round only. Every record is on disk before it is yielded.
    """
    file = RunFile(results / "timings")
    for number in range(rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            if number > 0 and (case.memory or unavailable(case) is not None):
                continue
            named = {"kind": "measurement", "round": number, **case.record()}
            yield file.append({**named, **in_fresh_process(case)})


def count(cases: Sequence[Case], rounds: int) -> int:
    """How many records `measure_all` yields."""
    return sum(1 if case.memory or unavailable(case) is not None else rounds for case in cases)


def in_fresh_process(
    case: Case, *, timeout_s: float = TIMEOUT_S, switches: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What was measured, or why nothing was: "unavailable" if it can't run here, "failed" on any error.

    `switches` are environment variables of the process.
    """
    if unavailable(case) is not None:
        return {"status": "unavailable", "reason": unavailable(case), "environment": environment()}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.run.measure"],
            input=pickle.dumps(case).hex(),
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **(switches or {})},
        )
    except subprocess.TimeoutExpired:
        return _failed(f"took longer than {timeout_s:g} s")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return _failed(lines[-1] if lines else f"ended with exit status {done.returncode}")
    try:
        return {"status": "ok", "reason": None, **json.loads(done.stdout.splitlines()[-1])}
    except (ValueError, IndexError):
        return _failed("printed no record")


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason, "environment": environment()}
