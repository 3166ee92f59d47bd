"""How training runs ended: one table of them, what a rule's seeds have in common, tests between rules."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS
from benchmarks.judge import costs, statistics
from benchmarks.judge.hyperparameters import FRESH, published
from benchmarks.store.curve_file import DIVERGED
from benchmarks.store.records import Records
from implementations import rules
from implementations.tasks import MEASURES

COMPARISON = ["task", "experiment", "system", "backend", "mode", "device", "threads", "machine"]
"""What the runs of one comparison have in common; they differ in rule and seed."""

SEEDS = ["experiment", "machine", *costs.RUNNER]
"""What runs that differ in their seed alone have in common."""

LATE_STEPS = 100
"""The late figure of a run is the median over the points of this many last training steps."""

LOG_STEPS = 150
"""From so many last steps on the accuracy that the notebook's log tells no longer rises."""


def measure(task: str) -> str:
    """The column of what a network is judged by on a task."""
    return PROBLEMS[task].task.measure.column if task in PROBLEMS else "test_accuracy"


def figure_of(points: pd.DataFrame) -> str:
    """What measures success in these points: their task's measure, or "test_loss" where they lack it."""
    columns = [measure.column for measure in MEASURES]
    return next((column for column in columns if points[column].notna().any()), "test_loss")


def ended(records: Records) -> pd.DataFrame:
    """A row per training run: how it ended.

    Columns: those of `records.runs`; criterion_step and criterion_s, where it met the stopping criterion, NaN
    where it did not; late, the median of `figure_of` its experiment over its last `LATE_STEPS`; final, the
    figure of its task's measure that its network was judged by, and trials, of how many: NaN where it was not
    judged; last, best and at_criterion, that figure of the network of the last step, of the best point and
    where the criterion was met; best_step; chosen, which of them `final` is: "best" where all judged runs of
    the experiment have that, so that runs compare, else "last".
    """
    criteria = records.criteria[["file", "step", "train_s"]]
    criteria = criteria.rename(columns={"step": "criterion_step", "train_s": "criterion_s"})
    finals = records.finals.rename(columns={"step": "final_step"})
    rows = records.runs.merge(criteria, on="file", how="left").merge(finals, on="file", how="left")
    rows[["criterion_step", "criterion_s"]] = rows[["criterion_step", "criterion_s"]].astype(float)
    rows["last"] = pd.Series([row[measure(row["task"])] for row in rows.to_dict("records")], dtype=float)
    for network, name in (("best", "best"), ("criterion", "at_criterion")):
        kept = records.kept[records.kept["network"] == network].merge(
            records.runs[["file", "task"]], on="file"
        )
        figures = [row[measure(row["task"])] for row in kept.to_dict("records")]
        rows[name] = rows["file"].map(dict(zip(kept["file"], figures, strict=True))).astype(float)
        rows[f"{name}_step"] = (
            rows["file"].map(dict(zip(kept["file"], kept["step"], strict=True))).astype(float)
        )
    lacking = rows.loc[rows["last"].notna() & rows["best"].isna(), "experiment"]
    rows["chosen"] = np.where(rows["experiment"].isin(lacking), "last", "best")
    rows["final"] = rows["best"].where(rows["chosen"] == "best", rows["last"])
    rows["late"] = np.nan
    points = records.points.merge(records.runs[["file", "experiment"]], on="file")
    for _, part in points.groupby("experiment"):
        last = part[part["step"] > part.groupby("file")["step"].transform("max") - LATE_STEPS]
        late = last.groupby("file")[figure_of(part)].median()
        rows["late"] = rows["late"].fillna(rows["file"].map(late))
    return rows


def alike(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `ended` that are to be compared, `final` of the same kind of network in all of them."""
    kept = bool(rows["best"].notna().all())
    return rows.assign(chosen="best" if kept else "last", final=rows["best" if kept else "last"])


def judged(records: Records) -> pd.DataFrame:
    """Of `ended`, the runs of the benchmark whose networks were judged at their end."""
    rows = ended(records)
    return rows[(rows["system"] == SYSTEM) & rows["final"].notna()]


def diverged(records: Records, like: pd.DataFrame) -> pd.DataFrame:
    """The runs that diverged, and so have no final figure, of the runners (but for the setting) of `like`."""
    rows = records.runs[(records.runs["end"] == DIVERGED) & (records.runs["seed"] < FRESH)]
    same = [name for name in COMPARISON if name not in ("experiment", "threads", "machine")]
    return rows.merge(like[same].drop_duplicates(), on=same)


def over_seeds(rows: pd.DataFrame, same: list[str], figure: str) -> pd.DataFrame:
    """Runs reduced over their seeds: a row for each group of rows of `ended` that agree in `same`.

    Args:
        rows: of `ended`.
        same: `SEEDS`, say.
        figure: "late" or "final".

    Columns:
        seeds, unfinished, diverged: how many, and how many of them have no end, and ended as the loss
            became NaN or infinite.
        least_steps, most_steps: training steps of the shortest and longest run.
        median, least, most: of the figure; mean, low, high: its mean and the interval of that; iqm, iqm_low,
            iqm_high: its interquartile mean and the interval of that.
        met, criterion_share: seeds that met the stopping criterion, and their share.
        criterion_step, criterion_s: medians over those seeds; with _min and _max.
        half_step, half_s: where half of all seeds had met it (Kaplan-Meier), NaN where fewer ever did.
        train_s: median training time. It and criterion_s are NaN where any seed has no seconds that compare.
    """
    found = []
    for names, part in rows.groupby(same, dropna=False, sort=False):
        values = part[figure]
        there = values.dropna().to_numpy(float)
        low, high = statistics.interval(there)
        middle = statistics.iqm_interval([there])
        met = part[part["criterion_step"].notna()]
        row = {
            **dict(zip(same, names if isinstance(names, tuple) else (names,), strict=True)),
            "seeds": len(part),
            "unfinished": int(part["end"].isna().sum()),
            "diverged": int((part["end"] == DIVERGED).sum()),
            "least_steps": part["last_step"].min(),
            "most_steps": part["last_step"].max(),
            **{"median": values.median(), "least": values.min(), "most": values.max()},
            **{"mean": values.mean(), "low": float(low), "high": float(high)},
            "iqm": float(statistics.iqm(there)) if len(there) else float("nan"),
            **dict(zip(("iqm_low", "iqm_high"), middle, strict=True)),
            "met": len(met),
            "criterion_share": len(met) / len(part),
            "half_step": until(part, "criterion_step", "last_step").median,
            "half_s": until(part, "criterion_s", "train_s").median,
            "train_s": part["train_s"].median(skipna=False),
        }
        for name in ("criterion_step", "criterion_s"):
            reached = met[name].iloc[:0] if met[name].isna().any() else met[name]
            row |= {name: reached.median(), f"{name}_min": reached.min(), f"{name}_max": reached.max()}
        found.append(row)
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


def experiments(records: Records) -> list[str]:
    """Digests of the experiments of `SYSTEM`, that with the most runs first, of equals the newest."""
    own = records.runs[(records.runs["system"] == SYSTEM) & (records.runs["last_step"] > 0)]
    if own.empty:
        return []
    runs = own.groupby("experiment")["started"].agg(["size", "max"])
    return list(runs.sort_values(["size", "max"], ascending=False).index)


def main(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Of each task the runs of one comparison: at the published settings if there are any, then those that
    kept the networks of their best points, then those with most rules, then those whose seconds compare, then
    those with most runs.

    Args:
        rows: of `judged`.
    """
    found: dict[str, tuple[tuple[bool, bool, int, bool, int], pd.DataFrame]] = {}
    rows = rows[rows["seed"] < FRESH]  # the others belong to tuned settings
    for names, part in rows.groupby(COMPARISON, sort=False):
        task, first = str(names[0]), part.iloc[0]  # pyright: ignore[reportIndexIssue]
        usual = published(task, first["settings"], int(first["batch"]))
        part = part[part["last_step"] == part["last_step"].mode().iloc[-1]]  # equally long: ends compare
        part = alike(part)
        # a figure of the last step is an accident of that step, where a run kept no better network
        kept = bool((part["chosen"] == "best").all())
        compared = int(drawn(part)["rule"].nunique())
        # the seconds of shared workers compare with nothing: a comparison has them if it can
        timed = not part["timing"].eq("shared").any()
        rank = (usual, kept, compared, timed, len(part))
        if task not in found or rank > found[task][0]:
            found[task] = (rank, part)
    order = [task for task in PROBLEMS if task in found] + [task for task in found if task not in PROBLEMS]
    return [found[task][1] for task in order]


def drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the runs of one comparison, those of the rules that are compared wherever rules are.

    The others were asked for by name: rungs of the ladder, which have a section of their own, and ablations.
    All, where fewer than two rules are left. A rule that the package lacks is compared.
    """
    compared = [
        rule in rules.learning() or rules.find(rule) is None for rule in rows["rule"].astype(str).tolist()
    ]
    found = rows[np.array(compared, bool)]
    return found if found["rule"].nunique() > 1 else rows


def between(rows: pd.DataFrame) -> pd.DataFrame:
    """`pairs` of all rules of a comparison."""
    return pairs(rows, combinations(rules.ordered(rows["rule"]), 2))


def pairs(rows: pd.DataFrame, couples: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """A row per pair of rules: `statistics.Paired` over the seeds that both have, and `adjusted`, p by Holm.

    Also improvement, the probability that a run of the first is higher than one of the second; and
    detectable, the difference that would be told 9 times of 10.

    Args:
        rows: of one comparison.
        couples: of rules, those that are to be told apart; a rule that `rows` lack is in none.
    """
    by_seed = rows.pivot_table(index="seed", columns="rule", values="final")
    found, differences = [], []
    for first, second in couples:
        if first not in by_seed or second not in by_seed:
            continue
        both = by_seed[[first, second]].dropna()
        if len(both) > 1:
            one, other = both[first].to_numpy(float), both[second].to_numpy(float)
            test, chance = statistics.paired(one, other), statistics.improvement(one, other)
            differences.append(one - other)
            found.append({"first": first, "second": second, **asdict(test), "improvement": chance})
    table = pd.DataFrame(found)
    if len(table):
        table["detectable"] = [statistics.detectable(one, len(table)) for one in differences]
        table["adjusted"] = statistics.holm(table["p"].tolist())
    return table


def of_log(points: pd.DataFrame) -> dict[str, float]:
    """Of a log that tells accuracy on the trials of training: its last accuracies, and seconds per line.

    Args:
        points: step, train_accuracy and log_s.
    """
    points = points.sort_values("step")
    last = points.loc[points["step"] > points["step"].max() - LOG_STEPS, "train_accuracy"]
    seconds = points["log_s"]
    return {
        "last_step": float(points["step"].max()),
        **{"accuracy": last.median(), "accuracy_min": last.min(), "accuracy_max": last.max()},
        "accuracy_last": float(points["train_accuracy"].iloc[-1]),
        **{"seconds": seconds.median(), "seconds_min": seconds.min(), "seconds_max": seconds.max()},
    }
