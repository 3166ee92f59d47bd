"""Cases that are compared in a fresh process, so that a backend that breaks leaves the others alone.

The process is `python -m MODULE`, whose `main` calls `answer`: a list of cases comes in as JSON, and a line
goes out for each as it is compared.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeVar

import numpy as np

_ROOT = Path(__file__).resolve().parents[2]

C = TypeVar("C", bound=NamedTuple)


def outcomes(module: str, wanted: Sequence[C], timeout_s: float, late: str) -> dict[C, dict[str, Any]]:
    """What each case gave; "failed" on any error, that of its process included.

    Args:
        module: that is run.
        wanted: the cases.
        timeout_s: seconds that they have together.
        late: the reason of those that had not enough.
    """
    ended = "ended before it printed this case"
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(wanted),
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        output, errors = done.stdout, done.stderr.strip().splitlines()
        if done.returncode != 0:
            ended = errors[-1] if errors else f"ended with exit status {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        ended = late
    by_fields = {tuple(case): case for case in wanted}
    found = {case: _failed(ended) for case in wanted}
    for line in output.splitlines():
        if line.startswith('{"case": '):  # a backend may print lines of its own
            record = json.loads(line)
            found[by_fields[tuple(record.pop("case"))]] = record
    return found


def answer(case: Callable[..., C], compare: Callable[[C], dict[str, Any]], stream: TextIO) -> None:
    """Compare the cases in `stream`, a list of their fields; print a line for each as it is compared."""
    for wanted in (case(*fields) for fields in json.load(stream)):
        try:
            outcome = {"status": "ok", "reason": None, **compare(wanted)}
        except Exception as error:
            outcome = _failed(f"{type(error).__name__}: {error}")
        print(json.dumps({"case": wanted, **outcome}), flush=True)


def deviation(found: Any, expected: Any) -> float:
    """The largest absolute difference over the largest absolute value expected.

    Raises:
        ValueError: the shapes differ.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise ValueError(f"shape {found.shape} where {expected.shape} is expected")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(found - expected).max() / scale)


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason}
