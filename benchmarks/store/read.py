"""The files under results/, read into tidy tables.

results/README.md describes the files. A file or line that can't be read becomes a `Problem` that names it;
the rest is read nevertheless, as a run may be interrupted, or still be writing, at any moment.
"""

from pathlib import Path

from benchmarks.store.found import Found
from benchmarks.store.readers import asv, conformance, parity, timings
from benchmarks.store.readers import runs as curves
from benchmarks.store.schema import SCHEMA
from benchmarks.store.tables import (
    CASE,
    CONFORMANCE_COLUMNS,
    COSTS,
    CRITERION_COLUMNS,
    DEVIATIONS,
    ENVIRONMENT_COLUMNS,
    FINAL_COLUMNS,
    FINAL_FIGURES,
    MEASUREMENT_COLUMNS,
    PARITY_COLUMNS,
    POINT_COLUMNS,
    POINT_FIGURES,
    RUN_COLUMNS,
    SAMPLE_COLUMNS,
    SAMPLES,
    STATUSES,
    TRACKED,
    Problem,
    Records,
    frame,
)

__all__ = [
    "CASE",
    "CONFORMANCE_COLUMNS",
    "COSTS",
    "CRITERION_COLUMNS",
    "DEVIATIONS",
    "ENVIRONMENT_COLUMNS",
    "FINAL_COLUMNS",
    "FINAL_FIGURES",
    "MEASUREMENT_COLUMNS",
    "PARITY_COLUMNS",
    "POINT_COLUMNS",
    "POINT_FIGURES",
    "RUN_COLUMNS",
    "SAMPLES",
    "SAMPLE_COLUMNS",
    "SCHEMA",
    "STATUSES",
    "TRACKED",
    "Problem",
    "Records",
    "read",
]


def read(results_dir: Path | str) -> Records:
    """Read all records under a results folder.

    Args:
        results_dir: holds curves/, timings/, parity/, conformance/, fallback/ and asv/; each may be missing.
    """
    results_dir = Path(results_dir)
    found = Found()
    for reader in (curves, timings, parity, conformance, asv):
        reader.read(results_dir, found)
    return Records(
        runs=frame(found.runs, RUN_COLUMNS),
        points=frame(found.points, POINT_COLUMNS),
        criteria=frame(found.criteria, CRITERION_COLUMNS),
        finals=frame(found.finals, FINAL_COLUMNS),
        measurements=frame(found.measurements, MEASUREMENT_COLUMNS),
        samples=frame(found.samples, SAMPLE_COLUMNS),
        parity=frame(found.parity, PARITY_COLUMNS),
        conformance=frame(found.conformance, CONFORMANCE_COLUMNS),
        fallbacks=frame(found.fallbacks, MEASUREMENT_COLUMNS),
        environments=frame(list(found.environments.values()), ENVIRONMENT_COLUMNS),
        problems=found.problems,
    )
