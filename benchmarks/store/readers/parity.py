"""Deviations from the oracle: parity/RUN.jsonl."""

from pathlib import Path

from benchmarks.store import schema as lines
from benchmarks.store.found import Found, files
from benchmarks.store.tables import DEVIATIONS


def read(results_dir: Path, found: Found) -> None:
    """Read all of them."""
    for path in files(results_dir / "parity", "parity", ".jsonl", found):
        _read(path, f"parity/{path.name}", found)


def _read(path: Path, file: str, found: Found) -> None:
    for record in lines.read(path, file, lines.PARITY_KINDS, found):
        if record["status"] == "ok" and any(record.get(name) is None for name in DEVIATIONS):
            found.problem(file, "holds a comparison that is ok but lacks a deviation; left out")
            continue
        machine, commit = found.environment(record["environment"], "parity")
        found.parity.append({**record, "file": file, "machine": machine, "commit": commit})
