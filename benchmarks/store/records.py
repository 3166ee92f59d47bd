"""The files under results/, read into tidy tables.

results/README.md describes the files. A file or line that can't be read becomes an `Unreadable` that names
it; the rest is read nevertheless, as a run may be interrupted, or still be writing, at any moment.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.store import schema
from benchmarks.store.readers import agreement, as_recorded, asv, copies, runs, timings
from benchmarks.store.readers.rows import Rows, Unreadable


@dataclass(frozen=True)
class Records:
    """All records of one results folder; empty tables have their columns nevertheless.

    `fallbacks` has the columns of `measurements`, of backends that were told to use their own loop: apart, so
    that no comparison mixes the two. `libraries` has them, too, of runs that libraries were measured in,
    beside backends at the same sizes. Rows of `samples` belong to any of these.
    """

    runs: pd.DataFrame
    points: pd.DataFrame
    criteria: pd.DataFrame
    finals: pd.DataFrame
    kept: pd.DataFrame
    alignments: pd.DataFrame
    measurements: pd.DataFrame
    samples: pd.DataFrame
    parity: pd.DataFrame
    conformance: pd.DataFrame
    fallbacks: pd.DataFrame
    ladder: pd.DataFrame
    libraries: pd.DataFrame
    library_parity: pd.DataFrame
    power: pd.DataFrame
    environments: pd.DataFrame
    unreadable: list[Unreadable]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to report."""
        tables = (self.points, self.measurements, self.parity, self.conformance, self.ladder)
        tables = (*tables, self.libraries, self.library_parity, self.power)
        return all(table.empty for table in tables)


def read(results_dir: Path | str) -> Records:
    """Read all records under a results folder.

    Args:
        results_dir: holds curves/, timings/, libraries/, parity/, conformance/, fallback/, ladder/, power/
            and asv/; each may be missing.
    """
    results_dir = Path(results_dir)
    rows = Rows()
    for reader in (runs, timings, agreement, as_recorded, asv):
        reader.read(results_dir, rows)
    copies.leave_out(rows)
    return Records(
        runs=_frame(rows.runs, schema.RUN_COLUMNS),
        points=_frame(rows.points, schema.POINT_COLUMNS),
        criteria=_frame(rows.criteria, schema.CRITERION_COLUMNS),
        finals=_frame(rows.finals, schema.FINAL_COLUMNS),
        kept=_frame(rows.kept, schema.KEPT_COLUMNS),
        alignments=_frame(rows.alignments, schema.ALIGNMENT_COLUMNS),
        measurements=_frame(rows.measurements, schema.MEASUREMENT_COLUMNS),
        samples=_frame(rows.samples, schema.SAMPLE_COLUMNS),
        parity=_frame(rows.parity, schema.PARITY_COLUMNS),
        conformance=_frame(rows.conformance, schema.CONFORMANCE_COLUMNS),
        fallbacks=_frame(rows.fallbacks, schema.MEASUREMENT_COLUMNS),
        ladder=_frame(rows.ladder, schema.LADDER_COLUMNS),
        libraries=_frame(rows.libraries, schema.LIBRARY_COLUMNS),
        library_parity=_frame(rows.library_parity, schema.LIBRARY_PARITY_COLUMNS),
        power=_frame(rows.power, schema.POWER_COLUMNS),
        environments=_frame(list(rows.environments.values()), schema.ENVIRONMENT_COLUMNS),
        unreadable=rows.unreadable,
    )


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """The rows with these columns; a null count stays null, a null number becomes NaN."""
    found = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns)
    for name in columns:
        if name in schema.COUNTS:
            found[name] = found[name].astype("Int64")
        elif name in schema.NUMBERS:
            found[name] = found[name].astype(float)
    return found
