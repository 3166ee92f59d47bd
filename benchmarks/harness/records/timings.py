"""Interleaved measurements: timings/RUN.jsonl."""

from pathlib import Path

from benchmarks.harness.records import lines
from benchmarks.harness.records.found import Found, files, threads


def read(results_dir: Path, found: Found) -> None:
    """Read all of them."""
    for path in files(results_dir / "timings", "timings", ".jsonl", found):
        _read(path, f"timings/{path.name}", found)


def _read(path: Path, file: str, found: Found) -> None:
    for record in lines.read(path, file, lines.TIMING_KINDS, found):
        number = len(found.measurements)
        samples = record.get("step_s") or []
        if record["status"] == "ok" and not samples and record.get("peak_bytes") is None:
            found.problem(file, "holds a measurement that is ok but has no figure; left out")
            continue
        machine, commit = found.environment(record["environment"], "timing")
        events = record.get("event_s") or [None] * len(samples)
        if len(events) != len(samples):
            found.problem(file, "holds a measurement whose two clocks have not as many samples; left out")
            continue
        floor = record.get("roofline") or {}
        seconds = floor.get("floor_s")
        found.measurements.append(
            {
                **record,
                "floor_s": seconds if isinstance(seconds, int | float) else None,
                "floor_by": str(floor["bound"]) if "bound" in floor else None,
                "threads": threads(record),
                "measurement": number,
                "file": file,
                "machine": machine,
                "commit": commit,
            }
        )
        found.samples += [
            {"measurement": number, "step_s": wall_s, "event_s": event_s}
            for wall_s, event_s in zip(samples, events, strict=True)
        ]
