"""Training runs out of the records, as the comparison reads them: which belong together, how each ended."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

import implementations as impl
from benchmarks.define import hyperparameters
from benchmarks.define.problem import PROBLEMS, SYSTEM
from benchmarks.judge import statistics
from benchmarks.store.records import Records
from benchmarks.store.run_log import DIVERGED

RUNNER = ["task", "experiment", "system", "backend", "mode", "device", "threads", "machine"]
"""What the runs of one comparison have in common; they differ in rule and seed."""

TUNED = tuple(hyperparameters.PRESETS["knobs"])
"""Knobs of training and network, which are tuned."""

DIFFICULTY = tuple(hyperparameters.PRESETS["difficulty"])
"""Knobs that make the task harder."""

VALIDATION_STEPS = 100
"""Settings are compared by the mean of the points of this many steps, up to where all runs go."""

FRESH = 100
"""Seeds from here on are of tuned settings, and select none."""


def measure(task: str) -> str:
    """The column of what a network is judged by on a task."""
    return PROBLEMS[task].task.measure.column if task in PROBLEMS else "test_accuracy"


def judged(records: Records) -> pd.DataFrame:
    """The runs whose networks were judged at their end.

    Columns: those of `records.runs`; final, the figure of the task's measure; trials, how many it is of;
    criterion_step and criterion_s, NaN where the stopping criterion was not met.
    """
    finals = records.finals.rename(columns={"step": "final_step"})
    criteria = records.criteria[["file", "step", "train_s"]]
    criteria = criteria.rename(columns={"step": "criterion_step", "train_s": "criterion_s"})
    rows = records.runs[records.runs["system"] == SYSTEM]
    rows = rows.merge(finals, on="file").merge(criteria, on="file", how="left")
    rows["criterion_step"] = rows["criterion_step"].astype(float)
    rows["criterion_s"] = rows["criterion_s"].astype(float)
    rows["final"] = [row[measure(row["task"])] for row in rows.to_dict("records")]
    return rows[rows["final"].notna()]


def diverged(records: Records, like: pd.DataFrame) -> pd.DataFrame:
    """The runs that diverged, and so have no final figure, of the runners (but for the setting) of `like`."""
    rows = records.runs[(records.runs["end"] == DIVERGED) & (records.runs["seed"] < FRESH)]
    same = [name for name in RUNNER if name not in ("experiment", "threads", "machine")]
    return rows.merge(like[same].drop_duplicates(), on=same)


def value(settings: Mapping[str, Any], batch: int, name: str) -> Any:
    """A knob's value in the settings of a run; None where they lack it."""
    # of a plan, a record has the batch beside its settings
    part = hyperparameters.HYPERPARAMETERS[name].part
    return batch if part == "plan" else (settings.get(part) or {}).get(name)


def published(task: str, settings: Mapping[str, Any], batch: int, free: tuple[str, ...] = ()) -> bool:
    """Whether a run has the published settings, but for the knobs in `free`."""
    if task not in PROBLEMS:
        return False
    problem = PROBLEMS[task]
    if batch != problem.recipe.batch and "batch" not in free:
        return False
    parts: dict[str, Any] = {"task": problem.task, "network": problem.network, "objective": problem.objective}
    parts["optimizer"] = impl.Adam(learning_rate=problem.recipe.learning_rate)
    for part, expected in parts.items():
        here = settings.get(part)
        there = json.loads(json.dumps(asdict(expected)))
        if not isinstance(here, dict):
            return False
        # what a record lacks is younger than it, and was as it is by default
        if any(here.get(name, there[name]) != there[name] for name in there if name not in free):
            return False
    return True


def swept(runs: pd.DataFrame) -> set[str]:
    """The experiments that differ from a recorded published one by knobs alone: members of a sweep."""
    free = (*TUNED, *DIFFICULTY)
    kinds = runs.drop_duplicates("experiment")[["experiment", "task", "settings", "batch"]].to_dict("records")
    usual = {row["task"] for row in kinds if published(row["task"], row["settings"], row["batch"])}
    return {
        row["experiment"]
        for row in kinds
        if row["task"] in usual
        and published(row["task"], row["settings"], row["batch"], free)
        and not published(row["task"], row["settings"], row["batch"])
    }


def main(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Of each task the runs of one comparison: at the published settings if there are any, with most seeds.

    Args:
        rows: of `judged`.
    """
    found: dict[str, tuple[tuple[bool, bool, int, int], pd.DataFrame]] = {}
    rows = rows[rows["seed"] < FRESH]  # the others belong to tuned settings
    for names, part in rows.groupby(RUNNER, sort=False):
        task, first = str(names[0]), part.iloc[0]  # pyright: ignore[reportIndexIssue]
        usual = published(task, first["settings"], int(first["batch"]))
        part = part[part["last_step"] == part["last_step"].mode().iloc[-1]]  # equally long: ends compare
        # the seconds of shared workers compare with nothing: a comparison has them if it can
        rank = (usual, not part["timing"].eq("shared").any(), int(part["rule"].nunique()), len(part))
        if task not in found or rank > found[task][0]:
            found[task] = (rank, part)
    order = [task for task in PROBLEMS if task in found] + [task for task in found if task not in PROBLEMS]
    return [found[task][1] for task in order]


def pairs(rows: pd.DataFrame, rules: tuple[str, ...]) -> pd.DataFrame:
    """A row per pair of rules: `statistics.Paired` over the seeds that both have, and `adjusted`, p by Holm.

    Args:
        rows: of one comparison.
        rules: in their order.
    """
    by_seed = rows.pivot_table(index="seed", columns="rule", values="final")
    found = []
    for first, second in combinations([rule for rule in rules if rule in by_seed], 2):
        both = by_seed[[first, second]].dropna()
        if len(both) > 1:
            test = statistics.paired(both[first].to_numpy(float), both[second].to_numpy(float))
            found.append({"first": first, "second": second, **asdict(test)})
    table = pd.DataFrame(found)
    if len(table):
        table["adjusted"] = statistics.holm(table["p"].tolist())
    return table


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per rule of one comparison.

    Columns: seeds; mean, low, high of `final`; median, least, most of it; met, how many met the criterion;
    criterion_step, criterion_s: Kaplan-Meier medians, NaN where fewer than half of the seeds met it.
    """
    found = []
    for rule, part in rows.groupby("rule", sort=False):
        final = part["final"].to_numpy(float)
        low, high = statistics.interval(final)
        met = part["criterion_step"].notna().to_numpy()
        found.append(
            {
                **{"rule": str(rule), "seeds": len(part), "mean": final.mean()},
                **{"low": float(low), "high": float(high), "median": float(np.median(final))},
                **{"least": final.min(), "most": final.max(), "met": int(met.sum())},
                "criterion_step": until(part, "criterion_step", "last_step").median,
                "criterion_s": until(part, "criterion_s", "train_s").median,
            }
        )
    return pd.DataFrame(found)


def until(part: pd.DataFrame, met: str, end: str) -> statistics.Reached:
    """How the share of a rule's seeds that met the criterion grows with steps or seconds.

    Seeds that did not meet it stay in the count up to the longest run of the rule. All do the same number of
    steps: to drop one when its seconds end would count a fast process as less of a failure. Where one has no
    seconds that compare, nothing is said in seconds.
    """
    if part[end].isna().any():
        return statistics.reached(np.zeros(1), np.zeros(1, bool))
    done = part[met].notna()
    last = max(part[end].max(), part[met].max()) if done.any() else part[end].max()
    return statistics.reached(part[met].fillna(last).to_numpy(float), done.to_numpy())


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
    """The runs of one task of which knob `name` alone may be other than published, at several values.

    Columns: those of `validated`; value, of the knob. Empty where there is one value only.
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

    Columns: rule; values, of `TUNED`; is_published; published and tuned, the mean final figure, each with the
    ends of its interval (_low, _high); seeds, that have both; difference, low and high; tried, settings.
    """
    task = str(rows["task"].iloc[0])
    free = TUNED
    rows = rows[
        [
            published(task, row["settings"], row["batch"], free)
            for row in rows[["settings", "batch"]].to_dict("records")
        ]
    ]
    if rows["experiment"].nunique() < 2:
        return pd.DataFrame()
    rows = validated(records, rows)
    lost = diverged(records, rows)
    higher = PROBLEMS[task].task.measure.higher_is_better
    found = []
    for rule, part in rows.groupby("rule", sort=False):
        usual = [published(task, row["settings"], row["batch"]) for row in part.to_dict("records")]
        base = part[usual]
        selecting = part[(part["seed"] % 2 == 0) & (part["seed"] < FRESH)]
        # nor is a setting the best by those of its seeds that it did not make diverge
        selecting = selecting[~selecting["experiment"].isin(lost.loc[lost["rule"] == rule, "experiment"])]
        if base.empty or selecting["experiment"].nunique() < 2:
            continue
        tried_on = selecting.groupby("seed")["experiment"].nunique()
        selecting = selecting[selecting["seed"].isin(tried_on.index[tried_on == tried_on.max()])]
        means = selecting.groupby("experiment")["figure"].mean()
        best = means.idxmax() if higher else means.idxmin()
        chosen = part[part["experiment"] == best]
        first = chosen.iloc[0]
        shown = [
            one[(one["seed"] % 2 == 1) | (one["seed"] >= FRESH)].groupby("seed")["final"].mean()
            for one in (base, chosen)
        ]
        both = pd.concat(shown, axis=1, keys=["published", "tuned"]).dropna()
        low, high = statistics.interval((both["tuned"] - both["published"]).to_numpy(float))
        ends = {name: statistics.interval(both[name].to_numpy(float)) for name in both}
        found.append(
            {
                **{"rule": str(rule), "is_published": best == base["experiment"].iloc[0]},
                "values": {name: value(first["settings"], int(first["batch"]), name) for name in TUNED},
                **{"published": both["published"].mean(), "tuned": both["tuned"].mean(), "seeds": len(both)},
                "difference": (both["tuned"] - both["published"]).mean(),
                **{"low": float(low), "high": float(high), "tried": int(means.size)},
                **{f"{name}_low": float(low) for name, (low, _) in ends.items()},
                **{f"{name}_high": float(high) for name, (_, high) in ends.items()},
            }
        )
    return pd.DataFrame(found)
