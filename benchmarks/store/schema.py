"""Records in JSON Lines: each line valid by itself, checked field by field."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.store.found import Found, count
from benchmarks.store.tables import COSTS, DEVIATIONS, FINAL_FIGURES, LOGGED, POINT_FIGURES, STATUSES

SCHEMA = 1

# What a field may hold; "?" marks those that may be null or missing.
_RUN = {
    **dict.fromkeys(("system", "task", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"threads": "count?", "seed": "count", "batch": "count", "settings": "object"},
}
_SESSION = {"started": "text", "step": "count", "environment": "object", "sweep": "object?"}
_POINT = {"step": "count", "train_s": "number", **dict.fromkeys((*POINT_FIGURES, *LOGGED), "number?")}
_CRITERION = {"step": "count", "train_s": "number", "validation_error": "number?", "test_error": "number?"}
_FINAL = {"step": "count", "trials": "count", **dict.fromkeys(FINAL_FIGURES, "number?")}
_END = {"step": "count", "reason": "text"}
_MEASUREMENT = {
    **dict.fromkeys(("run", "started", "system", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"round": "count", "threads": "count?", "batch": "count", "n_steps": "count", "n_rec": "count"},
    **{"status": "text", "reason": "text?", "step_s": "samples?", "environment": "object"},
    **{"engine": "text?", "input_sets": "count?", "event_s": "samples?", "roofline": "object?"},
    "clocks": "object?",
    **dict.fromkeys(COSTS, "number?"),
}
_PARITY = {
    **dict.fromkeys(("run", "started", "backend", "rule", "mode", "dtype", "device", "status"), "text"),
    **{"reason": "text?", "environment": "object"},
    **dict.fromkeys(DEVIATIONS, "number?"),
}
_CONFORMANCE = {
    **dict.fromkeys(("run", "started", "backend", "rule", "mode", "dtype", "device", "status"), "text"),
    **{"seed": "count", "reason": "text?", "engine": "text?", "environment": "object"},
}
CURVE_KINDS = {
    **{"run": _RUN, "session": _SESSION, "point": _POINT, "criterion": _CRITERION, "final": _FINAL},
    "end": _END,
}
TIMING_KINDS = {"measurement": _MEASUREMENT}
PARITY_KINDS = {"parity": _PARITY}
CONFORMANCE_KINDS = {"conformance": _CONFORMANCE}

# Kinds that say which version of this format they are written in.
_VERSIONED = ("run", "measurement", "parity", "conformance")

Kinds = Mapping[str, Mapping[str, str]]


class _Invalid(Exception):
    """A line that is no record; the text says why."""


def read(path: Path, file: str, kinds: Kinds, found: Found) -> Iterator[dict[str, Any]]:
    """The valid records of one file; every other line becomes a problem.

    Args:
        path: the file.
        file: how a problem names it.
        kinds: kind of record -> its fields -> what they may hold.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        found.problem(file, f"can't be read: {error.strerror}")
        return
    if not raw.strip():
        found.problem(file, "empty")
        return
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _record(line, kinds)
        except _Invalid as error:
            # Records end with a newline, so a broken line without one was cut off while being written.
            cut = number == len(lines)
            found.problem(file, f"line {number} {'is cut off' if cut else error}; left out")


def _record(line: bytes, kinds: Kinds) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of too many digits
        raise _Invalid("is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        raise _Invalid('has no "kind"')
    kind = record["kind"]
    if kind not in kinds:
        raise _Invalid(f"is of the kind {kind[:40]!r}, which does not belong here")
    if kind in _VERSIONED and record.get("schema") != SCHEMA:
        raise _Invalid(f"has schema {record.get('schema')!r}; this version reads {SCHEMA}")
    for name, holds in kinds[kind].items():
        value = record.get(name)
        if value is None and holds.endswith("?"):
            continue
        if not _holds(value, holds.rstrip("?")):
            state = "missing" if name not in record else "not a " + holds.rstrip("?")
            raise _Invalid(f"has a {kind} whose {name} is {state}")
    if "status" in kinds[kind] and record["status"] not in STATUSES:
        raise _Invalid(f"has the status {record['status'][:40]!r}; it may be {', '.join(STATUSES)}")
    return record


def _holds(value: Any, holds: str) -> bool:
    if holds == "text":
        return isinstance(value, str)
    if holds == "count":
        return count(value) is not None
    if holds == "number":
        # A diverged run writes NaN or Infinity, which are floats too.
        return isinstance(value, float) or _holds(value, "count")
    if holds == "samples":
        return isinstance(value, list) and all(is_duration(sample) for sample in value)
    return isinstance(value, dict)


def is_duration(value: Any) -> bool:
    """Whether a value can be the seconds that something took."""
    return _holds(value, "number") and math.isfinite(value) and value > 0.0
