"""What the report says in sentences: what to pick, what was found, and what to know of it.

The figures in them are computed from the records by `judge`, and no more is said than they show. `look` has
the titles of rules; `where` are the conditions, as a sentence; all rows have `label`, who ran.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.define.metrics import METRICS, Metric, significant
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.reasons import by_rule, listed
from benchmarks.define.systems import System
from benchmarks.judge import ranking
from benchmarks.judge.seconds import ESTIMATED
from benchmarks.show.card import card
from benchmarks.show.figures.style import Look
from benchmarks.show.names import mean_of
from benchmarks.show.section import Finding, Note, Pick
from benchmarks.store.schema import DEVIATIONS
from implementations import rules
from implementations.training import CRITERION_BATCHES


def criterion(task: str) -> str:
    """The stopping criterion of a task; what is known of it where the package has the task."""
    name = f"the {criterion_name(task)}"
    if task not in PROBLEMS:
        return name
    measure = PROBLEMS[task].task.measure
    if not _published(task):
        error = f"{METRICS[measure.column].name} below {measure.criterion_error:g}"
        return f"{name} ({error}; {measure.criterion_source})"
    share = f"{measure.criterion_error * 100.0:g}\u00a0%"
    return (
        f"{name} (error of a validation batch below {share}, then also the mean of {CRITERION_BATCHES} fresh"
        " batches)"
    )


def criterion_name(task: str) -> str:
    """What the stopping criterion of a task may be called."""
    return "published stopping criterion" if _published(task) else "stopping criterion"


def _published(task: str) -> bool:
    return task in PROBLEMS and PROBLEMS[task].task.measure.criterion_source == "published"


def as_it_is(system: System) -> Note:
    """What a system is that is not one of the backends."""
    return Note(
        f"The {system.title} is measured as it is: its row shows what its step costs, and is no member of the"
        f" comparison. {system.same} {system.differs}"
    )


def speed(rows: pd.DataFrame, look: Look, where: str, other: System | None) -> Iterator[Pick | Finding]:
    """Which backend is the fastest with each rule, and what rules and another system cost against that.

    Args:
        rows: of `costs.costs`, one run, workload and system.
        other: that `speedup` is of, if there is any.
    """
    rows = rows[rows["median_s"].notna()]
    if rows.empty:
        return
    fastest = ranking.fastest(rows)
    best = {rule: fastest[rule] for rule in _leading(fastest)}
    winners = list(dict.fromkeys(str(part["label"].iloc[0]) for part in best.values()))
    parts = []
    for rule, part in best.items():
        notes = [str(part["label"].iloc[0])] if len(winners) > 1 else []
        notes += [_next(part.iloc[0], part.iloc[1])] if len(part) > 1 else []
        text = f"{look.title(rule)} {METRICS['step_s'].quantity(part['median_s'].iloc[0])}"
        parts.append(text + f" ({'; '.join(notes)})" * bool(notes))
    alone = " (the only one measured)" if rows["label"].nunique() == 1 else ""
    text = f"Median per training step: {'; '.join(parts)}."
    yield Pick("Speed", " or ".join(winners) + alone, text, where)
    for rule, part in best.items():
        first, last = part.iloc[0], part.iloc[-1]
        takes = METRICS["step_s"].quantity(first["median_s"]) + " per training step"
        text = f"{look.title(rule)}: {_who(first, rows)} "
        if len(part) == 1:
            text += f"takes {takes}."
        else:
            text += f"is the fastest of {len(part)}, with {takes}; {_who(last, rows)} takes"
            text += f" {significant(last['median_s'] / first['median_s'], 2)} times as long."
        yield Finding(text)
    firsts = {look.title(rule): part.iloc[0] for rule, part in fastest.items() if rule not in best}
    others = [
        f"{title} {METRICS['step_s'].quantity(first['median_s'])} on {_who(first, rows)}"
        for title, first in firsts.items()
    ]
    if others:
        yield Finding(f"Other rules, where they are fastest: {', '.join(others)}.")
    label, times = ranking.of_rules(rows)
    if len(times) > 1:
        cheap, dear = look.title(times.index[0]), look.title(times.index[-1])
        yield Finding(
            f"Between rules, on {label}: a step of {dear} takes"
            f" {significant(times.iloc[-1] / times.iloc[0], 2)} times as long as one of {cheap}."
        )
    against = rows[rows["speedup"].notna()].sort_values("speedup")
    if len(against) and other is not None:
        first, last, ratio = against.iloc[-1], against.iloc[0], METRICS["speedup"].format
        text = f"Against the {other.title}'s step of such a rule, timed in the same run:"
        text += f" {ratio(first['speedup'])} as fast on {_who(first, rows)} with {look.title(first['rule'])}"
        if len(against) > 1:
            text += f", {ratio(last['speedup'])} on {_who(last, rows)} with {look.title(last['rule'])}"
        yield Finding(f"{text}.")


def _leading(names: Iterable[str]) -> list[str]:
    """Rules to speak of first: compared on every task, and training recurrent weights; all where none is."""
    found = {name: rules.find(name) for name in names}
    leading = [
        name for name, rule in found.items() if rule is None or (rule.compared and "w_rec" in rule.trained)
    ]
    return leading or list(found)


def _next(first: pd.Series, second: pd.Series) -> str:
    """How far behind the fastest the second is."""
    if ranking.within_spread(first, second):
        return f"{second['label']} is within the spread"
    return f"next {second['label']}, ×{significant(second['median_s'] / first['median_s'], 2)}"


def _who(row: pd.Series, rows: pd.DataFrame) -> str:
    """The label, and the mode where several were measured."""
    return f"{row['label']} ({row['mode']})" if rows["mode"].nunique() > 1 else str(row["label"])


def memory(rows: pd.DataFrame, grown: pd.DataFrame, look: Look, where: str) -> Iterator[Pick]:
    """The case with the least peak memory among the leading rules, and what a longer trial adds to it.

    Args:
        rows: of `costs.costs`, one run, workload and system.
        grown: of `costs.growth`; may be empty.
    """
    rows = rows[rows["peak_bytes"].notna()].sort_values("peak_bytes")
    if rows.empty:
        return
    rows = rows[rows["rule"].isin(_leading(rows["rule"]))]
    least, most = rows.iloc[0], rows.iloc[-1]
    text = f"{METRICS['peak_bytes'].quantity(least['peak_bytes'])} per step"
    if len(rows) > 1:
        text += f"; the most is ×{significant(most['peak_bytes'] / least['peak_bytes'], 2)}"
        text += f" ({_case(most, look)})"
    text += "."
    if not grown.empty:
        for mode, part in ranking.flat(grown).groupby("mode", sort=False):
            every = int((grown["mode"] == mode).sum())
            of = "" if len(part) == every else f" in {len(part)} of {every} cases"
            lengths = f"{grown['shortest'].min()} to {grown['longest'].max()} steps"
            text += f" Longer trials need no more in {mode} mode{of} ({lengths})."
    yield Pick("Memory", _case(least, look), text, where)


def _case(row: pd.Series, look: Look) -> str:
    return f"{row['label']}, {look.title(row['rule'])}, {row['mode']}"


def memory_growth(grown: pd.DataFrame) -> Finding:
    """How memory grows with the trial in each mode, from `costs.growth`."""
    parts = []
    for mode, part in grown.groupby("mode", sort=False):
        ratio = (part["longest_bytes"] / part["shortest_bytes"]).median()
        parts.append(f"by a factor of {significant(ratio, 2)} in {mode} mode")
    longer = (grown["longest"] / grown["shortest"]).median()
    return Finding(
        f"With trials {significant(float(longer), 2)} times as long, the memory of a step grows "
        f"{' and '.join(parts)} (median over backends and rules)."
    )


def learning(rows: pd.DataFrame, look: Look) -> Iterator[Finding]:
    """Which rule meets the criterion first.

    Args:
        rows: of `learning.over_seeds`, one experiment. Seconds are compared among rows of one machine only.
    """
    met = ranking.usually_met(rows)
    if met.empty:
        seeds = int(rows["seeds"].sum())
        yield Finding(f"None of the {seeds} training runs met the stopping criterion.")
        return
    first = ranking.least(ranking.one_per_rule(met), "criterion_step")
    yield Finding(
        f"{look.title(first['rule'])} on {first['label']} meets the stopping criterion after the fewest"
        f" training steps: {METRICS['step'].format(first['criterion_step'])} in the median of the"
        f" {first['met']} of {first['seeds']} seeds that met it."
    )
    several = rows.loc[rows["met"] > 0, "machine"].nunique() > 1
    for machine, part in met.groupby("machine"):
        part = part[part["criterion_s"].notna()]  # others' seconds compare with nothing
        if len(part) < 2:
            continue
        first = ranking.least(part, "criterion_s")
        yield Finding(
            f"In seconds of training{f' on machine {machine}' * several}, {look.title(first['rule'])} on"
            f" {first['label']} is first: {METRICS['train_s'].quantity(first['criterion_s'])}"
            f" ({first['met']} of {first['seeds']} seeds)."
        )


def accuracy(rows: pd.DataFrame, look: Look, where: str) -> Iterator[Pick | Finding]:
    """The final accuracy of each rule, which ends best, and whether the seeds tell it from the others.

    Args:
        rows: of `learning.over_seeds`, one experiment.
    """
    rows = rows[rows["median"].notna()]
    if rows.empty:
        return
    best = ranking.one_per_rule(rows).sort_values("median", ascending=False)
    first, form = best.iloc[0], METRICS["test_accuracy"]
    parts = [
        f"{look.title(row['rule'])} {form.format(row['median'])}\u00a0%"
        f" ({form.format(row['least'])}–{form.format(row['most'])})"
        for _, row in best.iterrows()
    ]
    yield Finding(f"Final test accuracy, median and range over seeds: {', '.join(parts)}.")
    others = best.iloc[1:]
    close = [look.title(rule) for rule in others.loc[others["most"] >= first["least"], "rule"]]
    choice = look.title(first["rule"])
    seeds = f"{first['seeds']} {'seed' if first['seeds'] == 1 else 'seeds'}"
    text = f"Final test accuracy {form.quantity(first['median'])} (median of {seeds})"
    if len(best) == 1:
        choice += " (the only one trained)"
    elif first["seeds"] == 1:
        choice += ", on one seed"
        text += "; one seed does not show that it is better"
    elif close:
        choice += ", but not clearly"
        text += f"; the range over seeds overlaps that of {listed(close)}"
    else:
        text += "; no other rule's range over seeds reaches its own"
    met = best[best["met"] > 0].sort_values("criterion_step")
    reached = "{step} ({0[met]} of {0[seeds]} seeds met it)"
    yield Pick(
        "Accuracy", choice, text + "." + _soonest(met, "criterion_step", "step " + reached, look), where
    )


def _soonest(met: pd.DataFrame, column: str, text: str, look: Look) -> str:
    """The rule that meets the criterion first, of rows in this order; "" where none does."""
    if met.empty:
        return ""
    first = met.iloc[0]
    said = text.format(first, step=METRICS["step"].format(first[column]))
    return f" Soonest at the stopping criterion: {look.title(first['rule'])}, {said}."


def compared(
    ends: pd.DataFrame, tests: pd.DataFrame, metric: Metric, look: Look, task: str, where: str
) -> Iterator[Pick | Finding]:
    """The rule that ends best on a task, and which pairs of rules the paired tests tell apart.

    Args:
        ends: of `learning.over_seeds`, a row per rule, at least two.
        tests: of `learning.pairs`, empty where no seeds are shared.
        metric: what a network is judged by.
        task: for people.
    """
    best = ends.sort_values("mean", ascending=metric.better == "lower")
    first = best.iloc[0]
    sure = ranking.told_apart(tests, first["rule"])
    close = [look.title(rule) for rule in best["rule"].iloc[1:] if rule not in sure]
    text = (
        f"Final {metric.name} {metric.quantity(first['mean'])},"
        f" {mean_of(first['seeds'], metric.format(first['low']), metric.format(first['high']))}"
    )
    text += f"; paired tests do not tell it from {listed(close)}." if close else "; better than all others."
    met = best[best["half_step"].notna()].sort_values("half_step")
    text += _soonest(met, "half_step", "half of the seeds by step {step}", look)
    choice = look.title(first["rule"]) + ", but not clearly" * bool(close)
    yield Pick(f"Learning, {task}", choice, text, where)
    if tests.empty:
        return
    found = tests[tests["adjusted"] < ranking.SIGNIFICANT].to_dict("records")
    for row in found:
        first_better = (row["difference"] > 0) == (metric.better == "higher")
        better, worse = ("first", "second") if first_better else ("second", "first")
        low, high = sorted(abs(row[end]) for end in ("low", "high"))
        unit = f"\u00a0{points(metric)}" if metric.unit else ""
        yield Finding(
            f"{look.title(row[better])} ends better than {look.title(row[worse])}, by"
            f" {metric.format(abs(row['difference']))}{unit} ({metric.format(low)} to {metric.format(high)};"
            f" {_probability(row['adjusted'])} after Holm, {row['seeds']} seeds)."
        )
    rest = len(tests) - len(found)
    if rest:
        seeds = int(tests["seeds"].max())
        with_seeds = f"with {seeds} seed{'s' * (seeds > 1)}"
        few = f": {with_seeds} no test of {len(tests)} can" if ranking.too_few(tests) else ""
        pairs = "pair is" if rest == 1 else "pairs are"
        which = f"The other {rest} {pairs} not" if found else "No two rules are"
        yield Finding(f"{which} told apart{few}.{_would_be_seen(tests, metric)}")


def _would_be_seen(tests: pd.DataFrame, metric: Metric) -> str:
    """What difference the pairs that are not told apart would have had to have; "" where no test can tell."""
    open_ = tests[tests["adjusted"] >= ranking.SIGNIFICANT]["detectable"]
    open_ = open_[np.isfinite(open_)]
    if open_.empty:
        return ""
    unit = f"\u00a0{points(metric)}" if metric.unit else ""
    ends = list(dict.fromkeys(metric.format(float(end)) for end in (open_.min(), open_.max())))
    return (
        f" With this spread over seeds, a difference of {' to '.join(ends)}{unit} would have been seen 9"
        " times of 10."
    )


def _probability(p: float) -> str:
    """E.g. "p = 0.014", "p < 0.001"."""
    text = METRICS["p"].format(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def points(metric: Metric) -> str:
    """The unit of a difference."""
    return "points" if metric.unit == "%" else metric.unit


def cautions(timing: pd.Series, diverged: int) -> Iterator[Note]:
    """What to know of runs on shared workers, and of runs that diverged; nothing where there are none.

    Args:
        timing: of the runs, by `seconds.timed`.
        diverged: how many.
    """
    shared, estimated = int(timing.eq("shared").sum()), int(timing.eq(ESTIMATED).sum())
    if shared:
        were = "was" if shared == 1 else "were"
        yield Note(
            f"{_runs(shared)} {were} trained in a sweep whose runs shared machines: their seconds compare"
            " with nothing and are left out, as are medians over seeds of which one is such a run."
        )
    if estimated:
        were, their = ("was", "its") if estimated == 1 else ("were", "their")
        yield Note(
            f"{_runs(estimated)} of {len(timing)} {were} trained in a sweep whose runs shared machines:"
            f" {their} seconds are training steps times the median time of a step in the runs with other"
            " seeds that had the machine alone."
        )
    if diverged:
        yield Note(
            f"{_runs(diverged)} diverged, as the loss became NaN or infinite. Such runs count as far as they"
            " went, and have no final trials."
        )


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def fairness(compared: pd.DataFrame) -> Pick:
    """Whether costs compare at all: cases that were held against the published numbers, with `holds`."""
    good, bad = compared[compared["holds"]], compared[~compared["holds"]]
    text = "Backend, rule and mode against the published code, in float64"
    if len(good):
        worst = METRICS["deviation"].format(float(good[DEVIATIONS[1:]].to_numpy().max()))
        text += f": no spike differs, no loss or gradient by more than {worst}"
    if len(bad):
        names = ", ".join(f"{row['label']} {row['rule']} {row['mode']}" for _, row in bad.iterrows())
        text += f". Not so: {names}; their costs do not compare"
    choice = f"{len(good)} of {len(compared)} cases compute the same"
    return Pick("Fairness", choice, text + ".")


def conformance(compared: pd.DataFrame) -> Finding:
    """Whether a card computes what NumPy does, from cases with `holds`."""
    wrong = [
        f"{row['label']} {row['rule']} {row['mode']} {row['dtype']} {row['size']} (seed {row['seed']})"
        for row in compared[~compared["holds"]].to_dict("records")
    ]
    found = f"{len(compared) - len(wrong)} of {len(compared)} cases compute what NumPy does"
    return Finding(found + (f". Not so: {', '.join(wrong)}; their costs do not compare." if wrong else "."))


_READINGS = (
    ("sm_before_mhz", "of the processors before the samples", "MHz"),
    ("sm_mhz", "and after them", "MHz"),
    ("memory_mhz", "of the memory", "MHz"),
    ("temperature_c", "temperature", "°C"),
    ("power_w", "power", "W"),
)
_THROTTLE = {
    0x2: "clocks set by an application",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "clocks in step with another card",
    0x20: "temperature, by software",
    0x40: "temperature, by hardware",
    0x80: "power brake",
    0x100: "clocks of the display",
}
"""Bits of NVML's reasons for a lower clock than asked for; 0x1, to be idle after the samples, is none."""


def cards(environments: pd.DataFrame) -> str:
    """The cards of a machine; "" where nothing is known."""
    cards = next((cards for cards in environments["cards"] if isinstance(cards, list) and cards), [])
    return f"Card: {'; '.join(map(card, cards))}." if cards else ""


def clocks(rows: pd.DataFrame) -> Note:
    """Clocks, temperature and power of a card over all processes."""
    parts = []
    for name, text, unit in _READINGS:
        values = rows[name].dropna()
        if len(values):
            ends = list(dict.fromkeys(significant(float(end)) for end in (values.min(), values.max())))
            parts.append(f"{text} {'–'.join(ends)}\u00a0{unit}")
    if not parts:
        return Note("Clocks of the card were not recorded.")
    reasons = rows["throttle"].dropna()
    held = dict.fromkeys(reason for text in reasons for reason in _held_back(str(text)) if reason)
    back = f" Held back by: {', '.join(held)}." if held else " Not held back." if len(reasons) else ""
    return Note(f"Clocks over all processes: {', '.join(parts)}.{back}")


def _held_back(reasons: str) -> list[str]:
    """Why the card was slower than asked for; NVML's mask where it is one, else as it stands."""
    try:
        mask = int(reasons, 16)
    except ValueError:
        return [reasons]
    return [name for bit, name in _THROTTLE.items() if mask & bit]


def left_out(rows: pd.DataFrame) -> Iterator[Note]:
    """Why cases were not compared, from their `rule` and `reason`."""
    told = zip(rows["rule"], rows["reason"], strict=True)
    reasons = by_rule((str(rule), " ".join(str(reason).split())) for rule, reason in told)
    if reasons:
        yield Note(f"Not compared: {'; '.join(reasons)}.")


def verdict(row: Mapping[Any, Any]) -> str:
    """Whether a case agrees with what it was held against, from a row with `holds`."""
    if row["holds"]:
        return "agrees"
    return f"failed: {' '.join(str(row['reason']).split())}" if row["status"] == "failed" else "deviates"
