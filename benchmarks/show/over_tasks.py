"""Rules over all tasks in two tables, as the page and README.md have them."""

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import learning, over_tasks
from benchmarks.judge.over_tasks import Told
from benchmarks.show.names import Names, task_title
from benchmarks.show.sentences import points

Rows = tuple[list[str], list[list[str]]]
"""Headings, and cells."""


def of_ends(parts: list[pd.DataFrame], tests: list[pd.DataFrame], names: Names) -> Rows:
    """A row per task, a column per rule: the interquartile mean of the final figure and its interval.

    Arguments as of `judge.over_tasks.matrix`.
    """
    table = over_tasks.matrix(parts, tests)
    shown = list(dict.fromkeys(table["rule"]))
    rows = []
    for task, of_task in table.groupby("task", sort=False):
        metric = METRICS[learning.measure(str(task))]
        by_rule = of_task.set_index("rule").to_dict("index")
        cells = [f"{task_title(str(task))}: {metric.heading}"]
        for rule in shown:
            figures = [by_rule.get(rule, {}).get(name) for name in ("iqm", "iqm_low", "iqm_high")]
            middle, low, high = map(metric.format, figures)
            cells.append(f"{middle} ({low} – {high})" if rule in by_rule else "–")
        rows.append(cells)
    return ["task", *map(names.look.title, shown)], rows


def of_pairs(pairs: list[Told], names: Names) -> Rows:
    """A row per pair of rules: on which tasks either ends better, and by how much; which tell nothing."""
    headings = ["first", "second", "first is better on (by)", "second is better on (by)"]
    headings += ["not told apart on (would be seen 9 times of 10)"]
    rows = [
        [
            *(names.look.title(rule) for rule in (pair.first, pair.second)),
            *(_listed(tasks) for tasks in (pair.first_on, pair.second_on, pair.open_on)),
        ]
        for pair in pairs
    ]
    return headings, rows


def _listed(tasks: dict[str, float]) -> str:
    return "; ".join(f"{task_title(task)} ({_difference(task, by)})" for task, by in tasks.items()) or "–"


def _difference(task: str, by: float) -> str:
    metric = METRICS[learning.measure(task)]
    return f"{metric.format(by)} {points(metric)}".strip()
