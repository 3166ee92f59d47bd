"""Seconds of training runs that shared a machine: steps, each as long as in equal runs that had it alone.

A sweep on all cores is the quickest way to many seeds, and its seconds compare with nothing. Runs that differ
in their seed alone do the same work, so that few of them, trained alone, tell what a step of all takes.
"""

from dataclasses import replace

import pandas as pd

from benchmarks.judge.learning import SEEDS
from benchmarks.store.records import Records

FEWEST = 3
"""Runs that have to have had the machine alone: of fewer, a median is as good as the worst of them."""

ESTIMATED = "estimated"
"""`timing` of the others then, in place of "shared"."""


def timed(records: Records) -> Records:
    """Records in which `train_s` of runs on shared workers is estimated, where `FEWEST` like them were timed.

    Like them are those that differ in their seed alone. An estimate is the number of training steps times the
    median, over the timed runs, of seconds per training step. Runs that have one get `timing` `ESTIMATED`.
    """
    runs = records.runs
    alone = runs["timing"].ne("shared") & (runs["last_step"] > 0)
    each = (runs["train_s"].astype(float) / runs["last_step"].astype(float)).where(alone)
    like = each.groupby([runs[name] for name in SEEDS], dropna=False)
    step_s = like.transform("median").where(like.transform("count") >= FEWEST)
    estimated = runs["timing"].eq("shared") & step_s.notna()
    of_file = dict(zip(runs.loc[estimated, "file"], step_s[estimated], strict=True))

    def filled(table: pd.DataFrame, steps: str) -> pd.DataFrame:
        seconds = table["file"].map(of_file).astype(float) * table[steps].astype(float)
        return table.assign(train_s=table["train_s"].astype(float).fillna(seconds))

    return replace(
        records,
        runs=filled(runs, "last_step").assign(timing=runs["timing"].mask(estimated, ESTIMATED)),
        points=filled(records.points, "step"),
        criteria=filled(records.criteria, "step"),
    )
