"""Runs along the values of a hyperparameter, and each rule at the setting that is best for it."""

import numpy as np
import pandas as pd

from benchmarks.define.problem import PROBLEMS
from benchmarks.judge import learning, statistics
from benchmarks.judge.hyperparameters import FRESH, TUNED, as_published, published, value
from benchmarks.judge.learning import diverged, measure
from benchmarks.store.records import Records

VALIDATION_STEPS = 100
"""Settings are compared by the mean of the points of this many steps, up to where all runs go."""


def validated(records: Records, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with `figure`: the mean of each run's points over the same `VALIDATION_STEPS` steps.

    Points are of fresh trials that the final judgement does not use: settings are selected by them.
    """
    last = int(rows["last_step"].min())
    points = records.points[records.points["file"].isin(rows["file"])]
    points = points[(points["step"] <= last) & (points["step"] > last - VALIDATION_STEPS)]
    column = measure(str(rows["task"].iloc[0]))
    return rows.assign(figure=rows["file"].map(points.groupby("file")[column].mean()), until=last)


def along(records: Records, rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs of one task of which one hyperparameter alone may be other than published, at several values.

    Columns: those of `validated`; value, of that one. Empty where there is one value only.
    """
    usual = [
        published(row["task"], row["settings"], row["batch"], (name,))
        and value(row["settings"], row["batch"], name) is not None
        for row in rows[["task", "settings", "batch"]].to_dict("records")
    ]
    rows = rows[np.array(usual, bool) & (rows["seed"] < FRESH).to_numpy(bool)]
    rows = rows.assign(
        value=[
            float(value(row["settings"], row["batch"], name))
            for row in rows[["settings", "batch"]].to_dict("records")
        ]
    )
    if rows["value"].nunique() < 2:
        return rows.iloc[:0]
    most = rows.groupby(["backend", "mode", "device"])["file"].count().idxmax()
    rows = rows[(rows[["backend", "mode", "device"]] == list(most)).all(axis=1)]  # pyright: ignore
    return validated(records, rows) if rows["value"].nunique() > 1 else rows.iloc[:0]


def tuned(records: Records, rows: pd.DataFrame) -> pd.DataFrame:
    """A row per rule of one task: the setting that is best on even seeds, judged on all others.

    Of the even seeds, those that the most settings have: the published one has those of other runs as well.

    Whoever picks the best of many by the figures that are then shown finds too good ones: so other seeds, and
    trials that did not select, are shown. A setting with which any seed diverged is not selected.

    Columns: rule; values, of `TUNED`; is_published; published and tuned, the interquartile mean of the final
    figure, each with the ends of its interval (_low, _high); network, which of a run the figure is of: "best"
    or "last"; seeds, that have both; difference, of the means, low and high; tried, settings.
    """
    task = str(rows["task"].iloc[0])
    rows = rows[as_published(task, rows, TUNED)]
    if rows["experiment"].nunique() < 2:
        return pd.DataFrame()
    lost = diverged(records, rows)
    higher = PROBLEMS[task].task.measure.higher_is_better
    found = []
    for rule, part in rows.groupby("rule", sort=False):
        base = part[as_published(task, part)]
        selecting = part[(part["seed"] % 2 == 0) & (part["seed"] < FRESH)]
        # nor is a setting the best by those of its seeds that it did not make diverge
        selecting = selecting[~selecting["experiment"].isin(lost.loc[lost["rule"] == rule, "experiment"])]
        # of sweeps of several lengths the longest: what is best after few steps need not be so after many
        longest = selecting[selecting["last_step"] == selecting["last_step"].max()]
        selecting = longest if longest["experiment"].nunique() > 1 else selecting
        if base.empty or selecting["experiment"].nunique() < 2:
            continue
        selecting = validated(records, selecting)
        tried_on = selecting.groupby("seed")["experiment"].nunique()
        selecting = selecting[selecting["seed"].isin(tried_on.index[tried_on == tried_on.max()])]
        means = selecting.groupby("experiment")["figure"].mean()
        best = means.idxmax() if higher else means.idxmin()
        chosen = part[part["experiment"] == best]
        first = chosen.iloc[0]
        both, network = _on_the_same_seeds(base, chosen)
        low, high = statistics.interval((both["tuned"] - both["published"]).to_numpy(float))
        middle, ends = {}, {}
        for name in both:
            values = both[name].to_numpy(float)
            middle[name] = float(statistics.iqm(values)) if len(values) else float("nan")
            ends[name] = statistics.iqm_interval([values])
        found.append(
            {
                **{"rule": str(rule), "is_published": best == base["experiment"].iloc[0]},
                "values": {name: value(first["settings"], int(first["batch"]), name) for name in TUNED},
                **middle,
                **{"seeds": len(both), "network": network},
                "difference": (both["tuned"] - both["published"]).mean(),
                **{"low": float(low), "high": float(high), "tried": int(means.size)},
                **{f"{name}_low": low for name, (low, _) in ends.items()},
                **{f"{name}_high": high for name, (_, high) in ends.items()},
            }
        )
    return pd.DataFrame(found)


def _on_the_same_seeds(base: pd.DataFrame, chosen: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Final figures by seed, `published` and `tuned`, of those that selected neither and are equally long;
    and which network of a run they are of."""
    parts = [
        one[(one["seed"] % 2 == 1) | (one["seed"] >= FRESH)].assign(setting=name)
        for name, one in (("published", base), ("tuned", chosen))
    ]
    rows = pd.concat(parts)
    shared = [set(zip(part["seed"], part["last_step"], strict=True)) for part in parts]
    pairs = pd.Series(list(zip(rows["seed"], rows["last_step"], strict=True)), index=rows.index, dtype=object)
    rows = rows[pairs.isin(shared[0] & shared[1])]
    # a seed that was trained again, to keep its best network, does not count by the run that kept none
    kept = rows.groupby(["setting", "seed", "last_step"])["best"].transform("count") > 0
    rows = rows[rows["best"].notna() | ~kept]
    rows = learning.alike(rows[rows["last_step"] == rows["last_step"].max()])
    found = rows.pivot_table(index="seed", columns="setting", values="final")
    found = found.reindex(columns=["published", "tuned"]).dropna()
    return found, str(rows["chosen"].iloc[0]) if len(rows) else "last"
