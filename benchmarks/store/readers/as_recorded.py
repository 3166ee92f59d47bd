"""Records that tables have as they are: ladder/RUN.jsonl, gradients by hops; power/RUN.jsonl, of gates."""

from pathlib import Path

from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable
from benchmarks.store.schema import HOPS_KINDS, POWER_KINDS


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    for folder, kinds, table in (("ladder", HOPS_KINDS, rows.ladder), ("power", POWER_KINDS, rows.power)):
        for path in files(results_dir / folder, folder, ".jsonl", rows):
            file = printable(f"{folder}/{path.name}")
            for record in json_lines.read(path, file, kinds, rows):
                machine, commit = rows.environment(record["environment"], folder)
                table.append({**record, "file": file, "machine": machine, "commit": commit})
