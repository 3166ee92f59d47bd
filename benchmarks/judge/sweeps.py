"""Sweeps out of the records: which runs turned which hyperparameters, what is lacking, and their command."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import implementations as impl
from benchmarks.define.hyperparameters import HYPERPARAMETERS
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS
from benchmarks.judge.hyperparameters import FRESH, published, value
from benchmarks.store.records import Records
from implementations.rules import ordered

_SAME = ["task", "backend", "mode", "dtype", "device"]


def turned(task: str, settings: Mapping[str, Any], batch: int) -> dict[str, float] | None:
    """Hyperparameter -> value, of those that are not as published; None for a run that differs in more."""
    free = tuple(HYPERPARAMETERS)
    if not published(task, settings, batch, free):
        return None
    found = {}
    for name in HYPERPARAMETERS:
        others = tuple(other for other in free if other != name)
        if not published(task, settings, batch, others):
            found[name] = value(settings, batch, name)
    numbers = all(isinstance(at, int | float) for at in found.values())
    return found if numbers else None


def usual(task: str, name: str) -> Any:
    """The published value of a hyperparameter; None where the task does not have it."""
    problem = PROBLEMS[task]
    if name == "batch":
        return problem.recipe.batch
    if name == "learning_rate":
        return problem.recipe.learning_rate
    if HYPERPARAMETERS[name].part == "optimizer":
        return getattr(impl.Adam(), name)
    return getattr(getattr(problem, HYPERPARAMETERS[name].part), name, None)


def members(records: Records, task: str, names: tuple[str, ...], like: pd.DataFrame) -> pd.DataFrame:
    """The runs of a task, judged or not, that differ from the published setting by `names` alone.

    Args:
        like: rows whose backend, mode, dtype and device they have.

    Columns: those of `records.runs`; turned, of the function `turned`.
    """
    rows = records.runs[(records.runs["system"] == SYSTEM) & (records.runs["task"] == task)]
    rows = rows.merge(like[_SAME].drop_duplicates(), on=_SAME)
    found = _turned(rows)
    return found[np.array([all(name in names for name in row) for row in found["turned"]], bool)]


def _turned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that differ from the published setting by hyperparameters alone, with the column `turned`."""
    rows = rows[rows["task"].isin(list(PROBLEMS))]
    kinds = rows.drop_duplicates("experiment")
    of = {
        str(row["experiment"]): turned(row["task"], row["settings"], row["batch"])
        for row in kinds[["experiment", "task", "settings", "batch"]].to_dict("records")
    }
    rows = rows.assign(turned=rows["experiment"].map(of))
    return rows[rows["turned"].notna()]


@dataclass(frozen=True)
class Sweep:
    """One call of `sweep` that makes all of some runs: one hyperparameter at a time, all rules at all seeds.

    Attributes:
        values: hyperparameter -> its values other than published, ascending.
        seeds: ascending, without a gap.
        command: None, where it is not recorded.
    """

    task: str
    backend: str
    mode: str
    dtype: str
    device: str
    threads: str
    rules: tuple[str, ...]
    values: dict[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    command: str | None

    @property
    def settings(self) -> list[tuple[str | None, float | None]]:
        """(hyperparameter, value) of all settings; (None, None) is the published one."""
        return [(None, None), *((name, at) for name, values in self.values.items() for at in values)]


def planned(runs: pd.DataFrame, rules: tuple[str, ...] = ()) -> list[tuple[Sweep, pd.DataFrame]]:
    """The sweeps that rows are of, each with all rows of its seeds that turn one hyperparameter or none.

    A sweep is what one command turned on a cluster. Its published setting may have been trained by any other.

    Args:
        runs: rows of `records.runs`.
        rules: that belong to sweeps too, though none of these has them.
    """
    rows = _turned(runs[(runs["system"] == SYSTEM) & (runs["seed"] < FRESH)])
    rows = rows[np.array([len(row) < 2 for row in rows["turned"]], bool)]
    found = []
    for names, part in rows.groupby([*_SAME, "threads"], sort=False):
        same: dict[str, Any] = dict(zip([*_SAME, "threads"], names, strict=True))
        turning = part[part["turned"].map(bool) & part["timing"].notna()]
        nowhere = set(rules) - set(turning["rule"])
        for command, own in turning.groupby("command", dropna=False, sort=False):
            values: dict[str, set[float]] = {}
            for row in own["turned"]:
                for name, at in row.items():
                    values.setdefault(name, set()).add(at)
            for seeds in _without_gaps(sorted({int(seed) for seed in own["seed"]})):
                sweep = Sweep(
                    **same,
                    rules=ordered({*own["rule"], *nowhere}),
                    values={name: tuple(sorted(values[name])) for name in HYPERPARAMETERS if name in values},
                    seeds=seeds,
                    command=None if pd.isna(command) else str(command),
                )
                found.append((sweep, part[part["seed"].isin(seeds)]))
    return found


def lacking(sweep: Sweep, rows: pd.DataFrame) -> pd.DataFrame:
    """What of a sweep has no end in the records, a row per rule and setting.

    Columns: rule; turned, {} at the published setting, else name -> value; seeds, a tuple.
    """
    ended = rows[rows["end"].notna()]
    there = {
        (row["rule"], *_setting(row), int(row["seed"]))
        for row in ended[["rule", "turned", "seed"]].to_dict("records")
    }
    found = []
    for name, at in sweep.settings:
        for rule in sweep.rules:
            seeds = tuple(seed for seed in sweep.seeds if (rule, name, at, seed) not in there)
            if seeds:
                found.append({"rule": rule, "turned": {} if name is None else {name: at}, "seeds": seeds})
    return pd.DataFrame(found, columns=["rule", "turned", "seeds"])


def _setting(row: Mapping[Hashable, Any]) -> tuple[str | None, float | None]:
    return next(iter(row["turned"].items()), (None, None))


def _without_gaps(seeds: list[int]) -> list[tuple[int, ...]]:
    breaks = np.flatnonzero(np.diff(seeds) > 1) + 1
    return [tuple(int(seed) for seed in part) for part in np.split(np.array(seeds), breaks)]
