"""Gradients by hops beside BPTT's: ladder/RUN.jsonl."""

from pathlib import Path

from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable
from benchmarks.store.schema import HOPS_KINDS


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    for path in files(results_dir / "ladder", "ladder", ".jsonl", rows):
        file = printable(f"ladder/{path.name}")
        for record in json_lines.read(path, file, HOPS_KINDS, rows):
            machine, commit = rows.environment(record["environment"], "ladder")
            rows.ladder.append({**record, "file": file, "machine": machine, "commit": commit})
