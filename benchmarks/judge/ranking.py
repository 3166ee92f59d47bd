"""Who is best, by how much, and what of that is more than a spread: what the report's sentences say.

Rows of costs have `label`, who ran.
"""

import pandas as pd

from benchmarks.define.names import SYSTEM
from benchmarks.judge.statistics import SIGNIFICANT

_ENOUGH = 8  # samples whose quartiles mean something
_FLAT = 0.05  # growth of memory over a whole sweep, as a share, that is not told from none


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the system whose backends are compared: others are no candidates."""
    return rows[rows["system"] == SYSTEM]


def fastest(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rule -> a row per label, the fastest first.

    Modes give the same gradients, so a label stands for the faster of its modes.
    """
    return {
        str(rule): part.loc[part.groupby("label", observed=True)["median_s"].idxmin()].sort_values("median_s")
        for rule, part in rows.groupby("rule", sort=False)
    }


def within_spread(first: pd.Series, second: pd.Series) -> bool:
    """Whether the spreads of two steps' times overlap, of which the second is the slower one."""
    # Quartiles of a few samples say little: then all of them.
    few = min(first["samples"], second["samples"]) < _ENOUGH
    low, high = ("min_s", "max_s") if few else ("q25_s", "q75_s")
    return bool(second[low] <= first[high])


def of_rules(rows: pd.DataFrame) -> tuple[str, pd.Series]:
    """The label with the fastest step of all, and its time per rule, ascending."""
    label = rows.sort_values("median_s")["label"].iloc[0]
    return str(label), rows[rows["label"] == label].groupby("rule")["median_s"].min().sort_values()


def flat(grown: pd.DataFrame) -> pd.DataFrame:
    """Of `costs.growth` the cases whose memory does not grow with the trial."""
    added = grown["longest_bytes"] - grown["shortest_bytes"]
    return grown[added.abs() <= _FLAT * grown["shortest_bytes"]]


def one_per_rule(rows: pd.DataFrame) -> pd.DataFrame:
    """Of how runs ended, for each rule where it was trained with the most seeds.

    Taking the best of several backends instead would reward having more of them.
    """
    return rows.loc[rows.groupby("rule", sort=False)["seeds"].idxmax()]


def usually_met(rows: pd.DataFrame) -> pd.DataFrame:
    """Of how runs ended, where the stopping criterion was met: by half of the seeds at least, or by any.

    A rule that few seeds bring to the criterion is not first because one of them was lucky.
    """
    met = rows[rows["met"] > 0]
    usual = met[met["criterion_share"] >= 0.5]
    return met if usual.empty else usual


def least(rows: pd.DataFrame, column: str) -> pd.Series:
    """The row with the least figure, of equals the first."""
    return rows.sort_values(column, kind="stable").iloc[0]


def told_apart(tests: pd.DataFrame, rule: str) -> set[str]:
    """The rules that paired tests tell from one."""
    return {
        row["first"] if row["second"] == rule else row["second"]
        for row in tests.to_dict("records")
        if rule in (row["first"], row["second"]) and row["adjusted"] < SIGNIFICANT
    }


def too_few(tests: pd.DataFrame) -> bool:
    """Whether no test could tell two rules apart, with so many seeds and so many tests."""
    return 2.0 ** (1 - int(tests["seeds"].max())) * len(tests) >= SIGNIFICANT
