"""The ladder from e-prop to BPTT: how the gradient of each rung aligns, what it learns, and what it costs."""

from itertools import pairwise
from typing import Any

import pandas as pd

from benchmarks.define.ladder import ENTRIES, TRAINED
from benchmarks.define.names import SYSTEM
from benchmarks.judge import learning, statistics
from benchmarks.judge.costs import RUN, WORKLOAD
from benchmarks.store.records import Records
from implementations import rules

FIGURES = ("cosine", "norm_ratio")
"""Of an alignment, those that are reduced over seeds: of W_in and W_rec together."""

TIMES = ("fresh", "trained")
"""When: with the initial weights, and after the last step of a run."""


def climbed(judged: pd.DataFrame) -> list[pd.DataFrame]:
    """Of each task the runs of one comparison whose rules are on the ladder, some of them between its ends.

    Args:
        judged: of `learning.judged`.
    """
    rows = judged[judged["rule"].isin(on(judged))]
    inner = rows["rule"].isin(between(rows))
    climbs = inner.groupby([rows[name] for name in learning.COMPARISON], sort=False).transform("any")
    return learning.main(rows[climbs.to_numpy(bool)])


def on(rows: pd.DataFrame) -> tuple[str, ...]:
    """The rules of some rows that are on the ladder, from the floor to BPTT."""
    return rules.ladder(rows["rule"].astype(str).unique())


def between(rows: pd.DataFrame) -> tuple[str, ...]:
    """Those of them that no other comparison shows: what lies between e-prop and BPTT."""
    return tuple(rule for rule in on(rows) if rule not in rules.learning())


def rungs(records: Records, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per rung of one comparison, from the floor to BPTT, reduced over its seeds.

    Args:
        runs: of `climbed`.

    Columns: those of `learning.over_seeds` of the final figure; hops and reset_gradient, of the rule; floor,
    whether it is that; aligned, how many seeds have gradients compared at both times; cosine_fresh,
    cosine_trained, norm_ratio_fresh and norm_ratio_trained, means over these, each with _low and _high.
    """
    ends = learning.over_seeds(runs, ["rule"], "final").set_index("rule").to_dict("index")
    compared = alignments(records, runs)
    found = []
    for rule in on(runs):
        of = rules.get(rule)
        row = {
            **{"rule": rule, "hops": float(of.hops), "reset_gradient": of.reset_gradient},
            **{"floor": of.feedback == "none", **ends[rule]},
        }
        here = compared[compared["rule"] == rule]
        row["aligned"] = len(here)
        for figure in (f"{name}_{time}" for name in FIGURES for time in TIMES):
            values = here[figure].dropna().to_numpy(float)
            low, high = statistics.interval(values) if len(values) else (float("nan"), float("nan"))
            mean = float(values.mean()) if len(values) else float("nan")
            row |= {figure: mean, f"{figure}_low": float(low), f"{figure}_high": float(high)}
        found.append(row)
    return pd.DataFrame(found)


def alignments(records: Records, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per run whose gradients were compared at both times: rule, seed, of each figure both values."""
    named = runs[["file", "rule", "seed", "last_step"]]
    rows = records.alignments.merge(named, on="file")
    both = [
        rows[rows["step"] == step].set_index("file")[list(FIGURES)].add_suffix(f"_{time}")
        for time, step in zip(TIMES, (0, rows["last_step"]), strict=True)
    ]
    return named.merge(pd.concat(both, axis=1, join="inner"), left_on="file", right_index=True)


def neighbours(runs: pd.DataFrame) -> pd.DataFrame:
    """Paired tests between each rung and the next one, adjusted for all of them; of `learning.pairs`."""
    return learning.pairs(runs, pairwise(on(runs)))


def by_hops(records: Records) -> pd.DataFrame:
    """The table of gradients by hops, of the newest run that has all of it: a row per number of hops.

    Columns: hops; and, named by `of_entry`, one for each number of steps, each reset ("kept", "cut") and each
    of `FIGURES`. No row where there is no such run. What the run has in common is in `attrs` of the frame.
    """
    rows = records.ladder
    whole = rows[rows.groupby(["machine", "run"])["hops"].transform("size") >= len(ENTRIES)]
    if whole.empty:
        return pd.DataFrame()
    last = whole.sort_values("started", kind="stable").iloc[-1]
    rows = whole[(whole["machine"] == last["machine"]) & (whole["run"] == last["run"])]
    found: dict[str, dict[str, Any]] = {entry.words: {"hops": entry.words} for entry in ENTRIES}
    for row in rows.to_dict("records"):
        for figure in FIGURES:
            there = found.setdefault(row["hops"], {"hops": row["hops"]})
            there[of_entry(row["train_steps"], row["reset"], figure)] = row[figure]
    columns = [
        of_entry(steps, reset, figure) for steps in TRAINED for reset in ("kept", "cut") for figure in FIGURES
    ]
    table = pd.DataFrame(list(found.values()), columns=["hops", *columns]).astype(
        dict.fromkeys(columns, float)
    )
    same = ("backend", "dtype", "task", "batch", "n_steps", "n_rec", "seed", "trial_seed")
    table.attrs = {name: last[name] for name in same}
    return table


def of_entry(train_steps: int, reset: str, figure: str) -> str:
    """A column of `by_hops`."""
    return f"{train_steps} {reset} {figure}"


def step_times(costs: pd.DataFrame) -> pd.DataFrame:
    """Of `costs.costs` the rungs' steps: of the run and workload with the most rungs, the newest of equals.

    In the adjoint mode, which all of them have. Empty where no step between the ladder's ends was timed.
    """
    rows = costs[(costs["system"] == SYSTEM) & (costs["mode"] == "adjoint") & costs["median_s"].notna()]
    rows = rows[rows["rule"].isin(on(rows))]
    parts = [part for _, part in rows.groupby([*RUN, *WORKLOAD], dropna=False, sort=False) if between(part)]
    if not parts:
        return rows.iloc[:0]
    return max(parts, key=lambda part: (part["rule"].nunique(), len(part), part["started"].iloc[0]))
