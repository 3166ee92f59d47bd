"""What backends compute against what they should: parity/RUN.jsonl and conformance/RUN.jsonl."""

from pathlib import Path
from typing import Any

from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable
from benchmarks.store.schema import CONFORMANCE_KINDS, DEVIATIONS, PARITY_KINDS, number


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    _read(results_dir, "parity", PARITY_KINDS, rows, rows.parity)
    _read(results_dir, "conformance", CONFORMANCE_KINDS, rows, rows.conformance)


def _read(
    results_dir: Path, folder: str, kinds: json_lines.Kinds, rows: Rows, table: list[dict[str, Any]]
) -> None:
    for path in files(results_dir / folder, folder, ".jsonl", rows):
        file = printable(f"{folder}/{path.name}")
        for record in json_lines.read(path, file, kinds, rows):
            # of what was not compared, `loss` of a random problem names the loss that would have been
            figures = {name: number(record.get(name)) for name in DEVIATIONS}
            if record["status"] == "ok" and any(value is None for value in figures.values()):
                rows.leave_out(file, "holds a comparison that is ok but lacks a deviation; left out")
                continue
            machine, commit = rows.environment(record["environment"], folder)
            size = record.get("size") or "odd"  # of records from before there were several
            table.append(
                {**record, **figures, "size": size, "file": file, "machine": machine, "commit": commit}
            )
