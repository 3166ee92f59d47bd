"""The tables as files for other programs, one file per table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.store.files import check_writable, replaced
from benchmarks.store.records import Records
from benchmarks.store.schema import COUNTS, NUMBERS


def write(records: Records, out_dir: Path, form: Literal["csv", "parquet"]) -> Iterator[tuple[Path, int]]:
    """Write every table; yields each file and its number of rows.

    Lists and objects (settings, versions, accelerators) become JSON texts, so that both formats hold the
    same. Columns keep their names, units included; a null is an empty cell in CSV and a null in Parquet.

    Raises:
        CannotWrite: an older file of that name stays what it was.
    """
    found = {out_dir / f"{name}.{form}": table for name, table in tables(records).items()}
    for path in found:
        check_writable(path)
    for path, table in found.items():
        with replaced(path) as temporary:
            if form == "csv":
                table.to_csv(temporary, index=False)
            else:
                table.to_parquet(temporary, index=False)
        yield path, len(table)


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """Name -> table, flat: every cell is a number, a text, a truth value or null."""
    found = {
        "runs": records.runs,
        "points": records.points,
        "criteria": records.criteria,
        "finals": records.finals,
        "kept": records.kept,
        "alignments": records.alignments,
        "measurements": records.measurements,
        "samples": records.samples,
        "parity": records.parity,
        "conformance": records.conformance,
        "fallbacks": records.fallbacks,
        "ladder": records.ladder,
        "libraries": records.libraries,
        "library_parity": records.library_parity,
        "power": records.power,
        "environments": records.environments,
        "problems": pd.DataFrame([vars(file) for file in records.unreadable], columns=["file", "what"]),
    }
    return {name: _flat(table) for name, table in found.items()}


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """With the same type of every column, whatever the rows hold."""
    table = table.copy()
    for name in table.columns:
        if name == "dirty":
            table[name] = table[name].astype("boolean")
        elif name not in COUNTS and name not in NUMBERS:
            table[name] = table[name].map(_text).astype("string")
    return table


def _text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return None if value is None or pd.isna(value) else str(value)
