"""Verdicts on what benchmarks measure by themselves, once on each side: memory, errors."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

import pandas as pd

from benchmarks.define.gate import Thresholds
from benchmarks.judge import gate
from benchmarks.store.asv_files import COLUMNS


def judge(records: Iterable[Mapping[str, Any]], thresholds: Thresholds) -> pd.DataFrame:
    """`judge.gate.COLUMNS`, a row for each case.

    Args:
        records: of `run.pairs.track`.
        thresholds: what counts as a change.
    """
    sides: dict[str, list[dict[str, Any]]] = {"base": [], "head": []}
    for record in records:
        samples = record.get("samples", [])
        value = median(samples) if samples else None
        row = {name: record[name] for name in COLUMNS if name in record}
        sides[record["arm"]].append({**row, "samples": samples, "value": value})
    base, head = (pd.DataFrame(rows, columns=COLUMNS) for rows in sides.values())
    return gate.judge(base, head, thresholds)
