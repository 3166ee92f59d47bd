"""How good the gates are: power/RUN.jsonl."""

from pathlib import Path

from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable
from benchmarks.store.schema import POWER_KINDS


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    for path in files(results_dir / "power", "power", ".jsonl", rows):
        file = printable(f"power/{path.name}")
        for record in json_lines.read(path, file, POWER_KINDS, rows):
            machine, commit = rows.environment(record["environment"], "power")
            rows.power.append({**record, "file": file, "machine": machine, "commit": commit})
