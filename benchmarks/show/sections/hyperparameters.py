"""The sections on settings: accuracy by the difficulty of the task, and each rule at its best setting."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.define.comparison import SEEDS
from benchmarks.define.hyperparameters import HYPERPARAMETERS, PRESETS
from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import TASK_NAME
from benchmarks.judge import learning, sweeps, tuning
from benchmarks.judge.hyperparameters import DIFFICULTY, TUNED, as_published
from benchmarks.show.commands import FIGURE, SWEEP
from benchmarks.show.material import Material, Part
from benchmarks.show.names import Names
from benchmarks.show.record_texts import stem
from benchmarks.show.section import Commands, Note, Pieces, section
from benchmarks.show.sections import training_provenance
from benchmarks.show.tables import BAND, Builder, Table
from benchmarks.store.curve_file import DIVERGED

_FEW = 5
"""Seeds that a tuned setting should be shown on at least."""


@section(
    "difficulty",
    "Difficulty of the task",
    "Rules were not trained with several cues and delays here. This does it:",
    f"{SWEEP} --preset difficulty",
)
def difficulty(material: Material) -> Pieces:
    """A part for each task that was made harder."""
    for task, rows in material.judged.groupby("task", sort=False):
        part = _part(material, str(task), rows, DIFFICULTY)
        if part is not None:
            yield part
            yield _figures(part, material.names)
            yield from _runs(material, part, "difficulty")


@section(
    "knobs",
    "Settings: published and tuned",
    "Rules were not trained with several learning rates and other settings here. This does it:",
    f"{SWEEP} --preset knobs",
)
def knobs(material: Material) -> Pieces:
    """A part for each task whose hyperparameters were swept; `tuned` has each rule's best setting."""
    for task, rows in material.judged.groupby("task", sort=False):
        part = _part(material, str(task), rows, TUNED)
        if part is not None:
            best = tuning.tuned(material.records, rows)
            part.tuned = best if best.empty else best.sort_values("rule", key=material.names.order)
            yield part
            yield _figures(part, material.names)
            yield from _tuned(part, material.names)
            yield from _runs(material, part, "knobs")


def _part(material: Material, task: str, rows: pd.DataFrame, names: tuple[str, ...]) -> Part | None:
    """What runs of a task along hyperparameters show: `panels` of (heading, runs, the published value)."""
    panels = []
    for name in names:
        along = tuning.along(material.records, rows, name)
        if len(along):
            usual = sweeps.usual(task, name)
            usual = usual if (along["value"] == usual).any() else None
            panels.append((HYPERPARAMETERS[name].heading, along, usual))
    if not panels:
        return None
    # the ladder's rungs, say, were trained at the published setting alone
    swept = {rule for _, along, usual in panels for rule in along.loc[along["value"] != usual, "rule"]}
    panels = [(heading, along[along["rule"].isin(swept)], usual) for heading, along, usual in panels]
    every = pd.concat([along for _, along, _ in panels])
    counts = sorted(every.groupby(["rule", "experiment"])["seed"].nunique().unique())
    seeds = f"{' or '.join(map(str, counts))} seed{'s' * (counts != [1])}"
    at_recipe = rows[as_published(task, rows)]
    compared = set(learning.drawn(at_recipe if len(at_recipe) else rows)["rule"])
    figure, first = learning.measure(task), task == TASK_NAME
    return Part(
        lead=f"{every['file'].nunique()} runs, {seeds} for each setting of a rule; one setting is changed at"
        " a time, the others are as published. Where the runs come from is in a table below.",
        suffix="" if first else f"-{stem(task)}",
        subtitle="" if first else f": {task.replace('_', ' ')}",
        task=task,
        figure=figure,
        metric=METRICS[figure],
        names=names,
        panels=panels,
        headings=", ".join(heading for heading, *_ in panels),
        lasts=" or ".join(map(str, sorted({int(last) for last in every["until"]}))),
        members=sweeps.members(material.records, task, names, every),
        rules=tuple(rule for rule in material.names.look.rules if rule in compared),
    )


def _figures(part: Part, names: Names) -> Table:
    found = [
        {
            **{"setting": heading, "value": value, "rule": rule, "usual": value == usual},
            **{"mean": group["figure"].mean(), "least": group["figure"].min(), "most": group["figure"].max()},
            "seeds": group["seed"].nunique(),
        }
        for heading, rows, usual in part.panels
        for (value, rule), group in rows.groupby(["value", "rule"], sort=True)
    ]
    frame = pd.DataFrame(found).sort_values(["rule"], key=names.order, kind="stable")
    frame = frame.sort_values(["setting", "value"], kind="stable")
    table = Builder(frame, "The figures behind the plot, and the range over seeds.")
    table.text("setting", "setting")
    table.text("value", lambda row: f"{row['value']:g}" + " (published)" * bool(row["usual"]))
    table.text("rule", names.rule).count("seeds", "seeds")
    table.figure(part.figure, "mean").span("range", part.figure, "least", "most")
    return table.build(folded="Figures of each setting")


def _tuned(part: Part, names: Names) -> Pieces:
    """Each rule at the published and at its best setting."""
    tuned = part.tuned
    has = set(tuned["rule"]) if len(tuned) else set()
    without = ", ".join(names.look.title(rule) for rule in part.rules if rule not in has)
    if without:
        yield Note(f"No tuned setting of {without}: two settings with even seeds are needed to select one.")
    if tuned.empty:
        return
    table = Builder(
        tuned,
        "Each rule at its own best setting: selected by the mean of the even seeds' points, and shown on the"
        f" other seeds' final trials. Interquartile mean of the final {part.metric.heading}, of the network"
        " named, at the published and the tuned setting with its"
        f" {BAND} intervals, and the mean difference over the same seeds with its own.",
    )
    table.text("rule", names.rule).count("settings tried", "tried")
    table.text(
        "tuned setting",
        lambda row: training_provenance.setting(_changed(part.task, row["values"])),
        long=True,
    )
    table.count("seeds shown", "seeds")
    table.text("network", lambda row: {"best": "best point", "last": "last step"}[str(row["network"])])
    for name in ("published", "tuned"):
        table.figure(part.figure, name, heading=name)
        table.span(f"its {BAND} interval", part.figure, f"{name}_low", f"{name}_high")
    table.figure(part.figure, "difference", heading="difference")
    yield table.span(f"{BAND} interval", part.figure, "low", "high").build()
    if int(tuned["seeds"].min()) < _FEW:
        option = "" if part.task == TASK_NAME else f" --task {part.task}"
        yield Note(
            f"Few seeds have both settings and did not select one. This trains both with {SEEDS} seeds that"
            f" no sweep has: {FIGURE}{option} --tuned"
        )


def _changed(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not as published."""
    return {name: at for name, at in values.items() if at is not None and at != sweeps.usual(task, name)}


def _runs(material: Material, part: Part, preset: str) -> Pieces:
    """Where the runs come from, and what lacks."""
    names, members = material.names, part.members
    turned = {name for row in members["turned"] for name in row}
    untouched = [name for name in part.names if name not in turned and name in PRESETS[preset]]
    untouched = [name for name in untouched if sweeps.usual(part.task, name) is not None]
    if untouched:
        which = " or ".join(HYPERPARAMETERS[name].heading for name in untouched)
        yield Note(f"No run turns {which}; {SWEEP} --preset {preset} does.")
    lost = members[members["end"] == DIVERGED].to_dict("records")
    counts = Counter(f"{names.rule(row)}, {training_provenance.setting(row['turned'])}" for row in lost)
    where = "; ".join(f"{text}: {count} seed{'s' * (count > 1)}" for text, count in counts.items())
    if where:
        yield Note(f"Diverged, as the loss became NaN or infinite, and not in the plot: {where}.")
    yield from map(Note, training_provenance.retried(names, members))
    yield training_provenance.table(material.records, names, members)
    for sweep, rows in sweeps.planned(members, part.rules):
        lacks = sweeps.lacking(sweep, rows)
        if len(lacks):
            yield training_provenance.lacking(names, sweep, lacks)
            yield _adding(sweep, rows, lacks)


def _adding(sweep: sweeps.Sweep, rows: pd.DataFrame, lacks: pd.DataFrame) -> Commands:
    """What adds the runs that a sweep lacks."""
    count = int(lacks["seeds"].map(len).sum())
    total = len(sweep.settings) * len(sweep.rules) * len(sweep.seeds)
    text = f"{count} of {total} runs of a sweep are missing, which the last table names."
    if sweep.command is None:
        return Commands([], f"{text} The command of that sweep is not recorded.")
    others = ",".join(sorted(set(lacks["rule"]) - set(rows.loc[rows["turned"].map(bool), "rule"])))
    adds = f"those of its own rules, and with --rule {others} the others" if others else "them"
    return Commands([sweep.command], f"{text} This adds {adds}; what is recorded is skipped:")
