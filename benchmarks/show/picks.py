"""What to pick for speed, memory and accuracy: computed from the records, and no more than they show."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.define.metrics import METRICS, Metric, significant
from benchmarks.define.problem import SYSTEM
from benchmarks.show.sections.section import Pick

Titles = Mapping[str, str]

_ENOUGH = 8  # samples whose quartiles mean something
SIGNIFICANT = 0.05  # adjusted p of a pair of rules that is told apart
_FLAT = 0.05  # growth of memory over a whole sweep, as a share, that is not told from none


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the system whose backends are compared: others are no candidates."""
    return rows[rows["system"] == SYSTEM]


def speed(rows: pd.DataFrame, titles: Titles, where: str) -> list[Pick]:
    """The fastest backend for each rule, and by how much the next is slower.

    Args:
        rows: of `summary.costs`, one run and workload, one system, with `label`.
        titles: rule -> title.
        where: the conditions, as a sentence.
    """
    rows = rows[rows["median_s"].notna()]
    if rows.empty:
        return []
    # Modes give the same gradients, so a backend stands for the faster of its modes.
    best = {
        str(rule): part.loc[part.groupby("label", observed=True)["median_s"].idxmin()].sort_values("median_s")
        for rule, part in rows.groupby("rule", sort=False)
    }
    winners = list(dict.fromkeys(str(part["label"].iloc[0]) for part in best.values()))
    parts = []
    for rule, part in best.items():
        notes = [str(part["label"].iloc[0])] if len(winners) > 1 else []
        notes += [_next(part)] if len(part) > 1 else []
        text = f"{titles.get(rule, rule)} {METRICS['step_s'].quantity(part['median_s'].iloc[0])}"
        parts.append(text + f" ({'; '.join(notes)})" * bool(notes))
    alone = " (the only one measured)" if rows["label"].nunique() == 1 else ""
    return [
        Pick("Speed", " or ".join(winners) + alone, f"Median per training step: {'; '.join(parts)}.", where)
    ]


def _next(best: pd.DataFrame) -> str:
    """The second of several, and how far behind it is."""
    first, second = best.iloc[0], best.iloc[1]
    # Quartiles of a few samples say little: then all of them.
    few = min(first["samples"], second["samples"]) < _ENOUGH
    low, high = ("min_s", "max_s") if few else ("q25_s", "q75_s")
    if second[low] <= first[high]:
        return f"{second['label']} is within the spread"
    return f"next {second['label']}, ×{significant(second['median_s'] / first['median_s'], 2)}"


def memory(rows: pd.DataFrame, grown: pd.DataFrame, titles: Titles, where: str) -> list[Pick]:
    """The case with the least peak memory, and what a longer trial adds to it.

    Args:
        rows: of `summary.costs`, one run and workload, one system, with `label`.
        grown: of `summary.growth`; may be empty.
        titles: rule -> title.
        where: the conditions, as a sentence.
    """
    rows = rows[rows["peak_bytes"].notna()].sort_values("peak_bytes")
    if rows.empty:
        return []
    least, most = rows.iloc[0], rows.iloc[-1]
    text = f"{METRICS['peak_bytes'].quantity(least['peak_bytes'])} per step"
    if len(rows) > 1:
        text += f"; the most is ×{significant(most['peak_bytes'] / least['peak_bytes'], 2)}"
        text += f" ({_case(most, titles)})"
    text += "."
    if not grown.empty:
        added = grown["longest_bytes"] - grown["shortest_bytes"]
        flat = grown[added.abs() <= _FLAT * grown["shortest_bytes"]]
        for mode, part in flat.groupby("mode", sort=False):
            every = int((grown["mode"] == mode).sum())
            of = "" if len(part) == every else f" in {len(part)} of {every} cases"
            lengths = f"{grown['shortest'].min()} to {grown['longest'].max()} steps"
            text += f" Longer trials need no more in {mode} mode{of} ({lengths})."
    return [Pick("Memory", _case(least, titles), text, where)]


def accuracy(rows: pd.DataFrame, titles: Titles, where: str) -> list[Pick]:
    """The rule that ends best, and whether the seeds tell it from the others.

    Args:
        rows: of `summary.training`, one experiment, with `label`.
        titles: rule -> title.
        where: the conditions, as a sentence.
    """
    rows = rows[rows["final"].notna()]
    if rows.empty:
        return []
    # One row per rule: the best of several backends would reward rules that more backends trained.
    best = rows.loc[rows.groupby("rule", sort=False)["seeds"].idxmax()]
    best = best.sort_values("final", ascending=False)
    first, form = best.iloc[0], METRICS["test_accuracy"]
    close = [
        titles.get(row["rule"], row["rule"])
        for _, row in best.iloc[1:].iterrows()
        if row["final_max"] >= first["final_min"]
    ]
    choice = titles.get(first["rule"], first["rule"])
    seeds = f"{first['seeds']} {'seed' if first['seeds'] == 1 else 'seeds'}"
    text = f"Final test accuracy {form.quantity(first['final'])} (median of {seeds})"
    if len(best) == 1:
        choice += " (the only one trained)"
    elif first["seeds"] == 1:
        choice += ", on one seed"
        text += "; one seed does not show that it is better"
    elif close:
        choice += ", but not clearly"
        text += f"; the range over seeds overlaps that of {_listed(close)}"
    else:
        text += "; no other rule's range over seeds reaches its own"
    text += "."
    met = best[best["met"] > 0].sort_values("criterion_step")
    if len(met):
        soonest = met.iloc[0]
        text += (
            f" Soonest at the stopping criterion: {titles.get(soonest['rule'], soonest['rule'])}, step"
            f" {METRICS['step'].format(soonest['criterion_step'])}"
            f" ({soonest['met']} of {soonest['seeds']} seeds met it)."
        )
    return [Pick("Accuracy", choice, text, where)]


def _case(row: pd.Series, titles: Titles) -> str:
    return f"{row['label']}, {titles.get(row['rule'], row['rule'])}, {row['mode']}"


def compared(
    ends: pd.DataFrame, tests: pd.DataFrame, metric: Metric, titles: Titles, task: str, where: str
) -> Pick:
    """The rule that ends best on a task, and which others the paired tests do not tell from it.

    Args:
        ends: of `compared.ends`, at least two rules.
        tests: of `compared.pairs`, empty where no seeds are shared.
        metric: what a network is judged by.
        titles: rule -> title.
        task: for people.
        where: the conditions, as a sentence.
    """
    best = ends.sort_values("mean", ascending=metric.better == "lower")
    first = best.iloc[0]
    sure = {
        row["first"] if row["second"] == first["rule"] else row["second"]
        for row in tests.to_dict("records")
        if first["rule"] in (row["first"], row["second"]) and row["adjusted"] < SIGNIFICANT
    }
    close = [titles.get(rule, rule) for rule in best["rule"].iloc[1:] if rule not in sure]
    choice = titles.get(first["rule"], first["rule"]) + (", but not clearly" if close else "")
    text = (
        f"Final {metric.name} {metric.quantity(first['mean'])}, mean of {first['seeds']} seeds"
        f" ({metric.format(first['low'])} to {metric.format(first['high'])})"
    )
    text += f"; paired tests do not tell it from {_listed(close)}." if close else "; better than all others."
    met = best[best["criterion_step"].notna()].sort_values("criterion_step")
    if len(met):
        soonest = met.iloc[0]
        text += (
            f" Soonest at the stopping criterion: {titles.get(soonest['rule'], soonest['rule'])}, half of the"
            f" seeds by step {METRICS['step'].format(soonest['criterion_step'])}."
        )
    return Pick(f"Learning, {task}", choice, text, where)


def _listed(texts: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
