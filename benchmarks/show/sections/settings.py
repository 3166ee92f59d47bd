"""The parts on settings: accuracy against the difficulty of the task, and each rule at its best setting."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import TASK_NAME
from benchmarks.judge import learning as compared
from benchmarks.judge import sweeps
from benchmarks.show import figures as plots
from benchmarks.show.commands import FIGURE, SWEEP
from benchmarks.show.figures import svg
from benchmarks.show.names import HEADINGS, Names
from benchmarks.show.sections import origins
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import BAND, Builder, Table
from benchmarks.store.records import Records

_FEW = 5
"""Seeds that a tuned setting should be shown on at least."""


class Settings:
    """Draws and tabulates what sweeps recorded, with where that comes from."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder
        self._judged = compared.judged(records)

    def sections(self) -> list[Section]:
        """Difficulty and knobs, of each task that has them."""
        found = []
        for kind, title, knobs, what in (
            ("difficulty", "Difficulty of the task", compared.DIFFICULTY, "cues and delays"),
            ("knobs", "Settings: published and tuned", compared.TUNED, "learning rates and other settings"),
        ):
            parts = [
                self._section(str(task), rows, kind, title, knobs)
                for task, rows in self._judged.groupby("task", sort=False)
            ]
            parts = [part for part in parts if part is not None]
            missing = f"Rules were not trained with several {what} here. This does it:"
            found += parts or [Section(kind, title, missing=missing, commands=[f"{SWEEP} --preset {kind}"])]
        return found

    def _section(
        self, task: str, rows: pd.DataFrame, kind: str, title: str, knobs: tuple[str, ...]
    ) -> Section | None:
        panels = self._panels(rows, knobs)
        if not panels:
            return None
        column = compared.measure(task)
        every = pd.concat([part for _, part, _ in panels])
        members = sweeps.members(self._records, task, knobs, every)
        suffix = "" if task == TASK_NAME else f"-{task.replace('_', '-')}"
        counts = sorted(every.groupby(["rule", "experiment"])["seed"].nunique().unique())
        section = Section(
            f"{kind}{suffix}",
            title + (f": {task.replace('_', ' ')}" if suffix else ""),
            lead=f"{every['file'].nunique()} runs, {' or '.join(map(str, counts))} seeds for each setting of"
            " a rule; one setting is changed at a time, the others are as published. Where the runs come from"
            " is in a table below.",
        )
        section.pictures.append(self._along(panels, every, column, f"{kind}{suffix}"))
        section.tables.append(self._figures(panels, column))
        if kind == "knobs":
            self._tune(section, task, rows, column, suffix)
        untouched = [name for name in knobs if not any(name in row for row in members["turned"])]
        untouched = [name for name in untouched if sweeps.usual(task, name) is not None]
        if untouched:
            which = " or ".join(HEADINGS[name] for name in untouched)
            section.notes.append(f"No run turns {which}; {SWEEP} --preset {kind} does.")
        section.notes += self._lost(members) + origins.retried(self._names, members)
        section.tables.append(origins.table(self._records, self._names, members))
        self._lacking(section, task, members)
        return section

    def _panels(
        self, rows: pd.DataFrame, knobs: tuple[str, ...]
    ) -> list[tuple[str, pd.DataFrame, float | None]]:
        """Of each knob with several values: heading, runs, and the published value where there are runs."""
        found = []
        for name in knobs:
            part = compared.along(self._records, rows, name)
            if part.empty:
                continue
            usual = sweeps.usual(str(part["task"].iloc[0]), name)
            found.append((HEADINGS[name], part, usual if (part["value"] == usual).any() else None))
        return found

    def _along(
        self,
        panels: list[tuple[str, pd.DataFrame, float | None]],
        every: pd.DataFrame,
        column: str,
        stem: str,
    ) -> svg.Picture:
        metric = METRICS[column]
        lasts = sorted({int(until) for until in every["until"]})
        return svg.save(
            plots.along(panels, column, self._names.look, self._names.titles),
            stem,
            self._folder,
            caption=f"{metric.title} at the end of {' or '.join(map(str, lasts))} steps: mean over the points"
            f" of the last {compared.VALIDATION_STEPS} steps and over seeds; bars: its {BAND} interval.",
            description=f"{metric.name} against {', '.join(heading for heading, *_ in panels)}, one line per"
            " rule.",
        )

    def _tune(self, section: Section, task: str, rows: pd.DataFrame, column: str, suffix: str) -> None:
        """Add each rule at the published and at its best setting."""
        tuned = compared.tuned(self._records, rows)
        has = set(tuned["rule"]) if len(tuned) else set()
        without = [self._names.titles.get(rule, rule) for rule in self._rules(task) if rule not in has]
        if without:
            section.notes.append(
                f"No tuned setting of {', '.join(without)}: two settings with even seeds are needed to select"
                " one."
            )
        if tuned.empty:
            return
        tuned = tuned.sort_values("rule", key=self._names.order)
        shown = tuned[tuned["seeds"] > 0]
        if len(shown):
            metric = METRICS[column]
            section.pictures.append(
                svg.save(
                    plots.tuned(shown, column, self._names.look, self._names.titles),
                    f"tuned{suffix}",
                    self._folder,
                    caption=f"Final {metric.name} of each rule at the published setting (open) and at its own"
                    f" best one (filled): means over the same seeds, which did not select, and their {BAND}"
                    " intervals. The table below says which settings these are.",
                    description=f"Dot plot of final {metric.name} per rule, published and tuned.",
                )
            )
        section.tables.append(self._tuned(task, tuned, column))
        if int(tuned["seeds"].min()) < _FEW:
            option = "" if task == TASK_NAME else f" --task {task}"
            section.notes.append(
                "Few seeds have both settings and did not select one. This trains both with 10 seeds that no"
                f" sweep has: {FIGURE}{option} --tuned"
            )

    def _rules(self, task: str) -> tuple[str, ...]:
        """Those that are compared on this task."""
        parts = [part for part in compared.main(self._judged) if part["task"].iloc[0] == task]
        there = {str(rule) for part in parts for rule in part["rule"]}
        return tuple(rule for rule in self._names.rules if rule in there)

    def _lacking(self, section: Section, task: str, members: pd.DataFrame) -> None:
        """Say which runs of the sweeps are not there, and what adds them."""
        for sweep, rows in sweeps.planned(members, self._rules(task)):
            lacks = sweeps.lacking(sweep, rows)
            if lacks.empty:
                continue
            count = int(lacks["seeds"].map(len).sum())
            total = len(sweep.settings) * len(sweep.rules) * len(sweep.seeds)
            section.tables.append(origins.lacking(self._names, sweep, lacks))
            text = f"{count} of {total} runs of a sweep are missing, which the last table names."
            commands = sweeps.commands(rows)
            section.commands += [text for text in commands if text not in section.commands]
            others = ",".join(sorted(set(lacks["rule"]) - set(rows["rule"])))
            adds = f"those of its own rules, and with --rule {others} the others" if others else "them"
            if commands:
                section.missing = f"{text} This adds {adds}; what is recorded is skipped:"
            else:
                section.missing = f"{text} The command of that sweep is not recorded."

    def _lost(self, members: pd.DataFrame) -> list[str]:
        """What the plot of a sweep can't show: at which settings runs diverged."""
        rows = members[members["end"] == compared.DIVERGED]
        counts = Counter(
            (self._names.rule(row), origins.setting(row["turned"])) for row in rows.to_dict("records")
        )
        if not counts:
            return []
        parts = [
            f"{rule}, {setting}: {count} {'seed' if count == 1 else 'seeds'}"
            for (rule, setting), count in counts.items()
        ]
        return [f"Diverged, as the loss became NaN or infinite, and not in the plot: {'; '.join(parts)}."]

    def _figures(self, panels: list[tuple[str, pd.DataFrame, float | None]], column: str) -> Table:
        found = []
        for heading, rows, usual in panels:
            for (value, rule), part in rows.groupby(["value", "rule"], sort=True):
                figures = part["figure"]
                found.append(
                    {
                        **{"setting": heading, "value": float(value), "rule": str(rule)},  # pyright: ignore
                        **{"mean": figures.mean(), "least": figures.min(), "most": figures.max()},
                        **{"seeds": part["seed"].nunique(), "usual": value == usual},
                    }
                )
        frame = pd.DataFrame(found).sort_values(["rule"], key=self._names.order, kind="stable")
        frame = frame.sort_values(["setting", "value"], kind="stable")
        table = Builder(frame, "The figures behind the plot, and the range over seeds.")
        table.text("setting", "setting")
        table.text("value", lambda row: f"{row['value']:g}" + " (published)" * bool(row["usual"]))
        table.text("rule", self._names.rule).count("seeds", "seeds")
        table.figure(column, "mean").span("range", column, "least", "most")
        return table.build(folded="Figures of each setting")

    def _tuned(self, task: str, tuned: pd.DataFrame, column: str) -> Table:
        metric = METRICS[column]
        table = Builder(
            tuned,
            "Each rule at its own best setting: selected by the mean of the even seeds' points, and shown"
            f" on the other seeds' final trials. Final {metric.heading} at the published and the tuned"
            f" setting, and the mean difference over the same seeds with its {BAND} bootstrapped interval.",
        )
        table.text("rule", self._names.rule).count("settings tried", "tried")
        table.text("tuned setting", lambda row: origins.setting(_changed(task, row["values"])), long=True)
        table.count("seeds shown", "seeds")
        table.figure(metric, "published", heading="published").figure(metric, "tuned", heading="tuned")
        table.figure(metric, "difference", heading="difference")
        return table.span(f"{BAND} interval", column, "low", "high").build()


def _changed(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not as published."""
    return {name: at for name, at in values.items() if at is not None and at != sweeps.usual(task, name)}
