"""The sections on settings: accuracy by the difficulty of the task, and each rule at its best setting."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.define.hyperparameters import HYPERPARAMETERS
from benchmarks.define.metrics import METRICS, Metric
from benchmarks.define.problem import TASK_NAME
from benchmarks.judge import learning, sweeps, tuning
from benchmarks.judge.hyperparameters import DIFFICULTY as HARDER
from benchmarks.judge.hyperparameters import TUNED
from benchmarks.show.commands import FIGURE, SWEEP
from benchmarks.show.material import Material
from benchmarks.show.names import Names
from benchmarks.show.section import Commands, Note, Part, Piece, Section
from benchmarks.show.sections import origins
from benchmarks.show.tables import BAND, Builder, Table
from benchmarks.store.run_log import DIVERGED

_FEW = 5
"""Seeds that a tuned setting should be shown on at least."""


@dataclass(frozen=True, kw_only=True)
class Settings(Part):
    """Runs of one task along the values of some hyperparameters.

    Attributes:
        preset: of `sweep`, that turns them.
        names: of the hyperparameters.
        panels: of each with several values: heading, runs, and the published value where there are runs.
        members: of `sweeps.members`.
        tuned: of `tuning.tuned`, in the order of rules.
        rules: that are compared on this task.
    """

    preset: str
    task: str
    names: tuple[str, ...]
    panels: list[tuple[str, pd.DataFrame, float | None]]
    members: pd.DataFrame
    tuned: pd.DataFrame
    rules: tuple[str, ...]

    @property
    def figure(self) -> str:
        """What networks are judged by."""
        return learning.measure(self.task)

    @property
    def metric(self) -> Metric:
        """Of the figure."""
        return METRICS[self.figure]

    @property
    def headings(self) -> str:
        """Of the panels."""
        return ", ".join(heading for heading, *_ in self.panels)

    @property
    def lasts(self) -> str:
        """Steps where settings are compared."""
        return " or ".join(
            map(str, sorted({int(last) for _, rows, _ in self.panels for last in rows["until"]}))
        )


def _parts(preset: str, names: tuple[str, ...]) -> Callable[[Material], list[Settings]]:
    """A part per task."""

    def of_tasks(material: Material) -> list[Settings]:
        tasks = material.judged.groupby("task", sort=False)
        found = [_part(material, str(task), rows, preset, names) for task, rows in tasks]
        return [part for part in found if part is not None]

    return of_tasks


def _part(
    material: Material, task: str, rows: pd.DataFrame, preset: str, names: tuple[str, ...]
) -> Settings | None:
    panels = []
    for name in names:
        along = tuning.along(material.records, rows, name)
        if len(along):
            usual = sweeps.usual(task, name)
            there = usual if (along["value"] == usual).any() else None
            panels.append((HYPERPARAMETERS[name].heading, along, there))
    if not panels:
        return None
    every = pd.concat([along for _, along, _ in panels])
    counts = sorted(every.groupby(["rule", "experiment"])["seed"].nunique().unique())
    first = task == TASK_NAME
    best = tuning.tuned(material.records, rows) if preset == "knobs" else pd.DataFrame()
    compared = {
        rule for part in learning.main(material.judged) for rule in part.loc[part["task"] == task, "rule"]
    }
    return Settings(
        lead=f"{every['file'].nunique()} runs, {' or '.join(map(str, counts))} seeds for each setting of a"
        " rule; one setting is changed at a time, the others are as published. Where the runs come from is"
        " in a table below.",
        suffix="" if first else f"-{task.replace('_', '-')}",
        subtitle="" if first else f": {task.replace('_', ' ')}",
        preset=preset,
        task=task,
        names=names,
        panels=panels,
        members=sweeps.members(material.records, task, names, every),
        tuned=best if best.empty else best.sort_values("rule", key=material.names.order),
        rules=tuple(rule for rule in material.names.look.rules if rule in compared),
    )


def _pieces(material: Material, part: Settings) -> Iterator[Piece]:
    names = material.names
    yield _figures(part, names)
    if part.preset == "knobs":
        yield from _tuned(part, names)
    turned = {name for row in part.members["turned"] for name in row}
    untouched = [name for name in part.names if name not in turned]
    untouched = [name for name in untouched if sweeps.usual(part.task, name) is not None]
    if untouched:
        which = " or ".join(HYPERPARAMETERS[name].heading for name in untouched)
        yield Note(f"No run turns {which}; {SWEEP} --preset {part.preset} does.")
    yield from _lost(part.members, names)
    yield from map(Note, origins.retried(names, part.members))
    yield origins.table(material.records, names, part.members)
    for sweep, rows in sweeps.planned(part.members, part.rules):
        lacks = sweeps.lacking(sweep, rows)
        if len(lacks):
            yield origins.lacking(names, sweep, lacks)
            yield _adding(sweep, rows, lacks)


def _adding(sweep: sweeps.Sweep, rows: pd.DataFrame, lacks: pd.DataFrame) -> Commands:
    """Which runs of a sweep are not there, and what adds them."""
    count = int(lacks["seeds"].map(len).sum())
    total = len(sweep.settings) * len(sweep.rules) * len(sweep.seeds)
    text = f"{count} of {total} runs of a sweep are missing, which the last table names."
    commands = sweeps.commands(rows)
    if not commands:
        return Commands([], f"{text} The command of that sweep is not recorded.")
    others = ",".join(sorted(set(lacks["rule"]) - set(rows["rule"])))
    adds = f"those of its own rules, and with --rule {others} the others" if others else "them"
    return Commands(commands, f"{text} This adds {adds}; what is recorded is skipped:")


def _figures(part: Settings, names: Names) -> Table:
    found = []
    for heading, rows, usual in part.panels:
        for (value, rule), group in rows.groupby(["value", "rule"], sort=True):
            figures = group["figure"]
            found.append(
                {
                    **{"setting": heading, "value": float(value), "rule": str(rule)},  # pyright: ignore
                    **{"mean": figures.mean(), "least": figures.min(), "most": figures.max()},
                    **{"seeds": group["seed"].nunique(), "usual": value == usual},
                }
            )
    frame = pd.DataFrame(found).sort_values(["rule"], key=names.order, kind="stable")
    frame = frame.sort_values(["setting", "value"], kind="stable")
    table = Builder(frame, "The figures behind the plot, and the range over seeds.")
    table.text("setting", "setting")
    table.text("value", lambda row: f"{row['value']:g}" + " (published)" * bool(row["usual"]))
    table.text("rule", names.rule).count("seeds", "seeds")
    table.figure(part.figure, "mean").span("range", part.figure, "least", "most")
    return table.build(folded="Figures of each setting")


def _tuned(part: Settings, names: Names) -> Iterator[Piece]:
    """Each rule at the published and at its best setting."""
    tuned, metric = part.tuned, part.metric
    has = set(tuned["rule"]) if len(tuned) else set()
    without = [names.look.title(rule) for rule in part.rules if rule not in has]
    if without:
        yield Note(
            f"No tuned setting of {', '.join(without)}: two settings with even seeds are needed to select"
            " one."
        )
    if tuned.empty:
        return
    table = Builder(
        tuned,
        "Each rule at its own best setting: selected by the mean of the even seeds' points, and shown on the"
        f" other seeds' final trials. Final {metric.heading} at the published and the tuned setting, and the"
        f" mean difference over the same seeds with its {BAND} bootstrapped interval.",
    )
    table.text("rule", names.rule).count("settings tried", "tried")
    table.text("tuned setting", lambda row: origins.setting(_changed(part.task, row["values"])), long=True)
    table.count("seeds shown", "seeds")
    table.figure(metric, "published", heading="published").figure(metric, "tuned", heading="tuned")
    table.figure(metric, "difference", heading="difference")
    yield table.span(f"{BAND} interval", part.figure, "low", "high").build()
    if int(tuned["seeds"].min()) < _FEW:
        option = "" if part.task == TASK_NAME else f" --task {part.task}"
        yield Note(
            "Few seeds have both settings and did not select one. This trains both with 10 seeds that no"
            f" sweep has: {FIGURE}{option} --tuned"
        )


def _changed(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not as published."""
    return {name: at for name, at in values.items() if at is not None and at != sweeps.usual(task, name)}


def _lost(members: pd.DataFrame, names: Names) -> Iterator[Note]:
    """What the plot of a sweep can't show: at which settings runs diverged."""
    lost = members[members["end"] == DIVERGED].to_dict("records")
    counts = Counter((names.rule(row), origins.setting(row["turned"])) for row in lost)
    parts = [
        f"{rule}, {setting}: {count} {'seed' if count == 1 else 'seeds'}"
        for (rule, setting), count in counts.items()
    ]
    if parts:
        yield Note(f"Diverged, as the loss became NaN or infinite, and not in the plot: {'; '.join(parts)}.")


def _section(preset: str, title: str, names: tuple[str, ...], what: str) -> Section:
    return Section(
        preset,
        title,
        _parts(preset, names),
        _pieces,
        missing=f"Rules were not trained with several {what} here. This does it:",
        command=f"{SWEEP} --preset {preset}",
    )


DIFFICULTY = _section("difficulty", "Difficulty of the task", HARDER, "cues and delays")

KNOBS = _section("knobs", "Settings: published and tuned", TUNED, "learning rates and other settings")
