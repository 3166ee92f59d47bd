"""Rules over several tasks: how each ends, who is told apart from whom, and scores that compare."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.define.problem import PROBLEMS
from benchmarks.judge import learning, statistics
from benchmarks.judge.statistics import SIGNIFICANT
from implementations import rules


def matrix(parts: list[pd.DataFrame], tests: list[pd.DataFrame]) -> pd.DataFrame:
    """A row per task and rule.

    Args:
        parts: of `learning.main`, drawn: the runs of a comparison per task.
        tests: of `learning.between`, of each of them.

    Columns: task, rule, seeds; iqm, iqm_low, iqm_high, of the final figure; beats, told apart from it by Holm
    and worse; half_step, half_s and met, until the criterion, of `learning.over_seeds`.
    """
    found = []
    for runs, of_runs in zip(parts, tests, strict=True):
        task = str(runs["task"].iloc[0])
        ends = learning.over_seeds(runs, ["rule"], "final").set_index("rule")
        higher = _higher(task)
        for rule in rules.ordered(ends.index):
            row: Any = ends.loc[rule]
            kept = ("iqm", "iqm_low", "iqm_high", "half_step", "half_s")
            found.append(
                {
                    **{"task": task, "rule": rule, "beats": _beaten(of_runs, rule, higher)},
                    **{name: row[name] for name in kept},
                    **{name: int(row[name]) for name in ("seeds", "met")},  # of a row of floats
                }
            )
    return pd.DataFrame(found)


def scores(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of a comparison with their `score`: 0 for what guesses, 1 for what makes no error.

    One minus the error of the task's measure over that of guessing: of a share of right answers that is what
    n outputs leave, of a normalised squared error 1. NaN where the package has no such task.
    """
    task = str(runs["task"].iloc[0])
    if task not in PROBLEMS:
        return runs.assign(score=np.nan)
    measure = PROBLEMS[task].task.measure
    guessing = 1.0
    if measure.column == "test_accuracy":
        n_out = (runs["settings"].iloc[0].get("network") or {}).get("n_out")
        guessing = 1.0 - 1.0 / n_out if isinstance(n_out, int) and n_out > 1 else 1.0
    return runs.assign(score=1.0 - (measure.best - runs["final"]).abs() / guessing)


def overall(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """A row per rule that all tasks have: its score over all of them.

    Columns: rule; tasks, runs; iqm, low, high: interquartile mean of the scores and its interval, by a
    bootstrap that draws seeds within tasks; improves: the mean over tasks of the probability that a run of
    the rule scores higher than one of the rule that has the best interquartile mean, NaN for that one.
    """
    scored = [scores(runs).dropna(subset="score") for runs in parts]
    scored = [runs for runs in scored if len(runs)]
    shared = set.intersection(*({*runs["rule"]} for runs in scored)) if scored else set()
    by_rule = {
        rule: [runs.loc[runs["rule"] == rule, "score"].to_numpy(float) for runs in scored]
        for rule in rules.ordered(shared)
    }
    if not by_rule:
        return pd.DataFrame()
    middle = {rule: float(statistics.iqm(np.concatenate(tasks))) for rule, tasks in by_rule.items()}
    best = max(middle, key=lambda rule: middle[rule])
    found = []
    for rule, tasks in by_rule.items():
        low, high = statistics.iqm_interval(tasks)
        chances = [statistics.improvement(one, two) for one, two in zip(tasks, by_rule[best], strict=True)]
        found.append(
            {
                **{"rule": rule, "tasks": len(tasks), "runs": sum(map(len, tasks))},
                **{"iqm": middle[rule], "low": low, "high": high},
                "improves": float("nan") if rule == best else float(np.mean(chances)),
            }
        )
    return pd.DataFrame(found)


@dataclass(frozen=True)
class Told:
    """What all tasks together say of a pair of rules.

    Attributes:
        first, second: of the pair.
        first_on, second_on: task -> by how much the one that ends better there does, where the pair is told
            apart (Holm's method over the pairs of a task); in the unit of the task's measure, > 0.
        open_on: task -> the difference that would have been told 9 times of 10, where it is not.
    """

    first: str
    second: str
    first_on: dict[str, float]
    second_on: dict[str, float]
    open_on: dict[str, float]


def told(parts: list[pd.DataFrame], tests: list[pd.DataFrame]) -> list[Told]:
    """Every pair of rules that some task compares; arguments as of `matrix`."""
    found: dict[tuple[str, str], Told] = {}
    for runs, of_runs in zip(parts, tests, strict=True):
        task = str(runs["task"].iloc[0])
        higher = _higher(task)
        for row in of_runs.to_dict("records"):
            pair = str(row["first"]), str(row["second"])
            one = found.setdefault(pair, Told(*pair, {}, {}, {}))
            better = _better(row, higher)
            if better is None:
                one.open_on[task] = float(row["detectable"])
            else:
                on = one.first_on if better == one.first else one.second_on
                on[task] = abs(float(row["difference"]))
    return list(found.values())


def _beaten(tests: pd.DataFrame, rule: str, higher: bool) -> tuple[str, ...]:
    """The rules that end worse than one, after Holm."""
    rows = tests.to_dict("records")
    beaten = [row for row in rows if _better(row, higher) == rule]
    return tuple(str(row["second"] if row["first"] == rule else row["first"]) for row in beaten)


def _better(row: Mapping[Hashable, Any], higher: bool) -> str | None:
    """The rule of a row of `learning.between` that ends better; None where the two are not told apart."""
    if row["adjusted"] >= SIGNIFICANT:
        return None
    return str(row["first"] if (row["difference"] > 0) == higher else row["second"])


def _higher(task: str) -> bool:
    return task not in PROBLEMS or PROBLEMS[task].task.measure.higher_is_better
