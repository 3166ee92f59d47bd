"""Interleaved measurements: timings/, of backends told to use their own loop fallback/, and libraries/."""

from pathlib import Path
from typing import Any

from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable, threads
from benchmarks.store.schema import DEVIATIONS, LIBRARY_KINDS, TIMING_KINDS, number

_FLOORS = ("memory", "arithmetic", "latency")
_MOVING = ("sm_mhz", "memory_mhz", "temperature_c", "power_w")


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    for folder, table, kinds in (
        ("timings", rows.measurements, TIMING_KINDS),
        ("fallback", rows.fallbacks, TIMING_KINDS),
        ("libraries", rows.libraries, LIBRARY_KINDS),
    ):
        for path in files(results_dir / folder, folder, ".jsonl", rows):
            _read(path, printable(f"{folder}/{path.name}"), rows, table, kinds)


def _read(path: Path, file: str, rows: Rows, table: list[dict[str, Any]], kinds: json_lines.Kinds) -> None:
    for record in json_lines.read(path, file, kinds, rows):
        if record["kind"] == "parity":
            _parity(record, file, rows)
            continue
        place = rows.next_measurement
        samples = record.get("step_s") or []
        if record["status"] == "ok" and not samples and record.get("peak_bytes") is None:
            rows.leave_out(file, "holds a measurement that is ok but has no figure; left out")
            continue
        machine, commit = rows.environment(record["environment"], "timing")
        events = record.get("event_s") or [None] * len(samples)
        if len(events) != len(samples):
            rows.leave_out(file, "holds a measurement whose two clocks have not as many samples; left out")
            continue
        table.append(
            {
                **record,
                **_roofline(record.get("roofline") or {}),
                **_clocks(record.get("clocks") or {}),
                "threads": threads(record),
                "measurement": place,
                "file": file,
                "machine": machine,
                "commit": commit,
            }
        )
        rows.samples += [
            {"measurement": place, "step_s": wall_s, "event_s": event_s}
            for wall_s, event_s in zip(samples, events, strict=True)
        ]


def _parity(record: dict[str, Any], file: str, rows: Rows) -> None:
    """A gradient of a library."""
    figures = {name: number(record.get(name)) for name in (*DEVIATIONS, "bound", "cosine", "training")}
    if record["status"] == "ok" and any(figures[name] is None for name in DEVIATIONS):
        rows.leave_out(file, "holds a comparison that is ok but lacks a deviation; left out")
        return
    machine, commit = rows.environment(record["environment"], "libraries")
    rows.library_parity.append({**record, **figures, "file": file, "machine": machine, "commit": commit})


def _roofline(roofline: dict[str, Any]) -> dict[str, Any]:
    """Counts and floors of a step."""
    floors = roofline.get("floors_s")
    floors = floors if isinstance(floors, dict) else {}
    texts = {"floor_by": roofline.get("bound"), "no_floor": roofline.get("no_floor")}
    return {
        "operations": number(roofline.get("operations")),
        "moved_bytes": number(roofline.get("bytes")),
        "floor_s": number(roofline.get("floor_s")),
        **{f"{name}_floor_s": number(floors.get(name)) for name in _FLOORS},
        **{name: None if text is None else str(text) for name, text in texts.items()},
    }


def _clocks(clocks: dict[str, Any]) -> dict[str, Any]:
    """What the card said after the samples, and its clock before them."""
    before, after = (clocks.get(when) for when in ("before", "after"))
    before, after = (part if isinstance(part, dict) else {} for part in (before, after))
    throttle = after.get("throttle")
    return {
        "sm_before_mhz": number(before.get("sm_mhz")),
        **{name: number(after.get(name)) for name in _MOVING},
        "throttle": throttle if isinstance(throttle, str) else None,
    }
