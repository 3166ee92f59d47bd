"""What `gpu-check` found, in one table and a few verdicts."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.define.cases import BATCH
from benchmarks.define.gpu_plan import ORDER, STEP, Item
from benchmarks.judge.agreement import computes_as_numpy, deviates

LEAST_RATIO = 20.0
MOST_MS = {("eprop_symmetric", "adjoint"): 3.0, ("bptt", "adjoint"): 5.0}
"""Milliseconds that the fastest backend may take for a step of the published size."""


@dataclass(frozen=True)
class Verdict:
    """`passed` is None where there is no figure to judge by."""

    what: str
    target: str
    found: str
    passed: bool | None


Record = Mapping[str, Any]


@dataclass
class Found:
    """All that a check found so far.

    Attributes:
        compared: records of conformance.
        published: records of parity, on the card.
        measured: each planned process with its record.
        left_out: what there was no time for, in words.
    """

    compared: list[Record] = field(default_factory=list)
    published: list[Record] = field(default_factory=list)
    measured: list[tuple[Item, Record]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def verdicts(found: Found) -> list[Verdict]:
    """Conformance, the time of steps, and how many times as fast as its own loop each backend is."""
    told = [
        _all("conformance", [computes_as_numpy(record) for record in _ran(found.compared)]),
        _all("published numbers", [not deviates(record) for record in _ran(found.published)]),
    ]
    rows = [row for row in table(found.measured) if row["part"] == STEP]
    for (rule, mode), most in MOST_MS.items():
        here = [row for row in rows if (row["rule"], row["mode"], row["batch"]) == (rule, mode, BATCH)]
        times = {row["backend"]: row["step_ms"] for row in here if row["step_ms"] is not None}
        name = min(times, key=lambda backend: times[backend], default=None)
        text = "not measured" if name is None else f"{times[name]:.3g} ms ({name})"
        passed = None if name is None else times[name] <= most
        told.append(Verdict(f"{rule} {mode}", f"<= {most:g} ms", text, passed))
    for row in rows:
        if row["fallback_ms"] is not None and row["step_ms"] is not None:
            what = f"{row['backend']} {row['rule']} {row['mode']} against its own loop"
            if row["same_engine"]:
                told.append(Verdict(what, f">= {LEAST_RATIO:g}x", "both ran the same engine", None))
                continue
            ratio = row["fallback_ms"] / row["step_ms"]
            told.append(Verdict(what, f">= {LEAST_RATIO:g}x", f"{ratio:.3g}x", ratio >= LEAST_RATIO))
    return told


def _ran(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["status"] != "unavailable"]


def _all(what: str, held: Sequence[bool]) -> Verdict:
    return Verdict(what, "all cases", f"{sum(held)} of {len(held)}", all(held) if held else None)


@dataclass(frozen=True)
class Tally:
    """Of one part of a check: how many passed and failed, and how many can't run here."""

    part: str
    passed: int
    failed: int
    unavailable: int


def tallies(found: Found) -> list[Tally]:
    """One for each part in the order of the plan, of those that came to anything."""
    of_parts: dict[str, list[str]] = {}
    for record in found.compared:
        outcome = "passed" if computes_as_numpy(record) else record["status"].replace("ok", "failed")
        of_parts.setdefault(f"conformance, {record['size']}", []).append(outcome)
    for record in found.published:
        outcome = "passed" if not deviates(record) else "failed"
        outcome = "unavailable" if record["status"] == "unavailable" else outcome
        of_parts.setdefault("published numbers", []).append(outcome)
    for item, record in found.measured:
        of_parts.setdefault(item.part, []).append(record["status"].replace("ok", "passed"))
    names = [_part(step, what) for step, what in ORDER]
    return [
        Tally(part, *(outcomes.count(name) for name in ("passed", "failed", "unavailable")))
        for part, outcomes in sorted(of_parts.items(), key=lambda one: names.index(one[0]))
    ]


def _part(step: str, what: str) -> str:
    return {"compare": f"conformance, {what}", "measure": what}.get(step, step)


def table(measured: Sequence[tuple[Item, Record]]) -> list[dict[str, Any]]:
    """One row per case: medians, and the backend's own loop beside it where that was measured."""
    loops = {_key(item): record for item, record in measured if item.fallback and _ok(record)}
    rows = []
    for item, record in measured:
        if item.fallback:
            continue
        loop = loops.get(_key(item)) if item.part == STEP else None
        floor = (record.get("roofline") or {}).get("floor_s")
        step_ms = _median_ms(record, "step_s")
        rows.append(
            {
                "part": item.part,
                **{name: record[name] for name in ("backend", "rule", "mode", "batch", "n_rec", "status")},
                "reason": record.get("reason"),
                "engine": record.get("engine"),
                "step_ms": step_ms,
                "event_ms": _median_ms(record, "event_s"),
                "load_ms": _scaled(record.get("load_s"), 1e3),
                "unload_ms": _scaled(record.get("unload_s"), 1e3),
                "device_peak_mib": _scaled(record.get("device_peak_bytes"), 2.0**-20),
                "floor_ms": _scaled(floor, 1e3),
                "floor_by": (record.get("roofline") or {}).get("bound"),
                "over_floor": None if floor is None or step_ms is None else step_ms / (1e3 * floor),
                "fallback_ms": None if loop is None else _median_ms(loop, "step_s"),
                "same_engine": loop is not None and loop.get("engine") == record.get("engine"),
            }
        )
    return rows


def exit_status(found: Found) -> int:
    """1 where anything is wrong or misses its target; what there was no time for is not wrong."""
    failed = any(record["status"] == "failed" for _, record in found.measured)
    return 1 if failed or any(verdict.passed is False for verdict in verdicts(found)) else 0


def is_wrong(record: Record) -> bool:
    """Whether a record of conformance is of a case that fails or deviates."""
    return record["status"] != "unavailable" and not computes_as_numpy(record)


def _key(item: Item) -> tuple[str, str, str]:
    return item.case.backend, item.case.rule, item.case.mode


def _ok(record: Record) -> bool:
    return record["status"] == "ok"


def _median_ms(record: Record, name: str) -> float | None:
    return 1e3 * statistics.median(record[name]) if record.get(name) else None


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
