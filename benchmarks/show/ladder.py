"""What the ladder from e-prop to BPTT shows: the names of its rungs, and two sentences of what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.define.metrics import METRICS, Metric, significant
from benchmarks.define.reasons import listed
from benchmarks.judge.ranking import SIGNIFICANT, too_few
from benchmarks.show.figures.style import Look
from benchmarks.show.names import task_title
from implementations.rules import ALL, get, ladder

CLOSE = 0.9
"""Of a cosine: a gradient that points where BPTT's does, within 26 degrees."""


@dataclass(frozen=True)
class Climb:
    """The ladder on one task.

    Attributes:
        task: as records have it.
        runs: of `ladder.climbed`; rungs: of `ladder.rungs`; tests: of `ladder.neighbours`.
        figure: column of what a network is judged by; metric: of the same.
        trials: what it is judged on, for people.
        lead: conditions, as a sentence.
    """

    task: str
    runs: pd.DataFrame
    rungs: pd.DataFrame
    tests: pd.DataFrame
    figure: str
    metric: Metric
    trials: str
    lead: str

    @property
    def words(self) -> str:
        """The task for people."""
        return task_title(self.task)


def name(rule: str) -> str:
    """How far the errors of a rung travel."""
    found = get(rule)
    if found.feedback == "none":
        return "none"
    if found.hops == ALL:
        return "all"
    return f"{found.hops}" if found.reset_gradient else f"{found.hops}, reset cut"


def said(climbs: Sequence[Climb], times: pd.DataFrame, look: Look) -> list[str]:
    """A sentence on alignment, and one on learning and its cost: as many as there are figures for.

    Args:
        times: of `ladder.step_times`; may be empty.
    """
    aligned = [text for climb in climbs if (text := _alignment(climb, look))]
    learned = [_learning(climb, look) for climb in climbs]
    cost = _cost(times, look)
    found = [f"Alignment: {'; '.join(aligned)}."] if aligned else []
    return [*found, f"Learning: {'; '.join(learned)}{cost and '; ' + cost}."]


def _alignment(climb: Climb, look: Look) -> str:
    """How far credit must travel for the gradient to point where BPTT's does, and where e-prop's points."""
    rows = climb.rungs[~climb.rungs["floor"] & climb.rungs["aligned"].gt(0) & climb.rungs["hops"].lt(ALL)]
    if rows.empty:
        return ""
    first = rows.iloc[0]
    fresh, trained = (_least(rows, f"cosine_{time}", look) for time in ("fresh", "trained"))
    own = [METRICS["cosine"].format(first[f"cosine_{time}"]) for time in ("fresh", "trained")]
    return (
        f"on {climb.words}, a cosine of {CLOSE:g} to BPTT's gradient takes {fresh} at the initial weights and"
        f" {trained} after training, where {look.title(first['rule'])} has {own[0]} and {own[1]}"
    )


def _least(rows: pd.DataFrame, column: str, look: Look) -> str:
    """The first rung from which on the gradient is close to BPTT's."""
    far = rows.index[~(rows[column] >= CLOSE)]
    close = rows if far.empty else rows.loc[far[-1] :].iloc[1:]
    last = look.title(rows["rule"].iloc[-1])
    return f"more than {last}" if close.empty else look.title(close["rule"].iloc[0])


def _learning(climb: Climb, look: Look) -> str:
    """How the ends, the floor and the best rung do, and which neighbours are told apart."""
    rows = {str(row["rule"]): row for row in climb.rungs.to_dict("records")}
    metric = climb.metric
    ends = sorted(rows.values(), key=lambda row: row["mean"], reverse=metric.better == "higher")
    ends = [row for row in ends if not row["floor"]]
    told = [f"{look.title(ends[0]['rule'])} ends best ({metric.quantity(ends[0]['mean'])})"]
    shown = [row for row in (ends[-1], *(row for row in rows.values() if row["floor"])) if row is not ends[0]]
    told += [f"{look.title(row['rule'])} at {metric.quantity(row['mean'])}" for row in shown]
    reached = [row for row in rows.values() if pd.notna(row["half_step"])]
    if reached:
        soonest = min(reached, key=lambda row: row["half_step"])
        by = f"half of the seeds by step {METRICS['step'].format(soonest['half_step'])}"
        told.append(f"{look.title(soonest['rule'])} is the first to the criterion ({by})")
    return f"on {climb.words}, {', '.join(told)}, and {_told_apart(climb.tests, look)}"


def _told_apart(tests: pd.DataFrame, look: Look) -> str:
    if tests.empty:
        return "no two neighbouring rungs share seeds enough for a test"
    sure = tests[tests["adjusted"] < SIGNIFICANT].to_dict("records")
    pairs = [f"{look.title(row['first'])} from {look.title(row['second'])}" for row in sure]
    if pairs:
        return f"of neighbouring rungs paired tests tell {listed(pairs)}"
    seeds = f" with {int(tests['seeds'].max())} seeds" if too_few(tests) else ""
    return f"paired tests tell no rung from the next{seeds}"


def _cost(times: pd.DataFrame, look: Look) -> str:
    """What BPTT's step, and the dearest rung's, take against the first rung's, on the fastest backend."""
    if times.empty:
        return ""
    label, of = fastest(times)
    rungs = [rule for rule in of if get(rule).feedback != "none"]
    first, *others = rungs
    ratios = [f"×{significant(of[rule] / of[first], 2)} with {look.title(rule)}" for rule in others]
    return f"a step takes, against {look.title(first)} on {label}, {listed(ratios)}" if ratios else ""


def fastest(times: pd.DataFrame) -> tuple[str, Mapping[str, float]]:
    """The label whose rungs' steps are the fastest, and its seconds by rule, from the floor to BPTT.

    Args:
        times: of `ladder.step_times`, labelled; one row at least.
    """
    rungs = times[[get(str(rule)).feedback != "none" for rule in times["rule"]]]
    label = str(rungs.sort_values("median_s")["label"].iloc[0])
    rows = times[times["label"] == label].groupby("rule", sort=False)["median_s"].min()
    return label, {rule: float(rows[rule]) for rule in ladder(rows.index.astype(str))}
