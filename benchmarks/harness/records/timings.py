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
        found.measurements.append(
            {
                **record,
                "threads": threads(record),
                "measurement": number,
                "file": file,
                "machine": machine,
                "commit": commit,
            }
        )
        found.samples += [{"measurement": number, "step_s": sample} for sample in samples]
