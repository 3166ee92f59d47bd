"""Fresh random problems on a device against NumPy: conformance/RUN.jsonl."""

from pathlib import Path

from benchmarks.store import schema as lines
from benchmarks.store.found import Found, files, number
from benchmarks.store.tables import DEVIATIONS


def read(results_dir: Path, found: Found) -> None:
    """Read all of them."""
    for path in files(results_dir / "conformance", "conformance", ".jsonl", found):
        _read(path, f"conformance/{path.name}", found)


def _read(path: Path, file: str, found: Found) -> None:
    for record in lines.read(path, file, lines.CONFORMANCE_KINDS, found):
        # of what was not compared, `loss` names the loss that would have been
        figures = {name: number(record.get(name)) for name in DEVIATIONS}
        if record["status"] == "ok" and any(value is None for value in figures.values()):
            found.problem(file, "holds a comparison that is ok but lacks a deviation; left out")
            continue
        machine, commit = found.environment(record["environment"], "conformance")
        found.conformance.append({**record, **figures, "file": file, "machine": machine, "commit": commit})
