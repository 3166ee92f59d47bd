"""The parts on how sure the differences between rules are: curves, ends and tests over the same seeds."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.judge import learning as compared
from benchmarks.show import figures as plots
from benchmarks.show import picks
from benchmarks.show.commands import FIGURE
from benchmarks.show.figures import svg
from benchmarks.show.names import Names, threads_text
from benchmarks.show.sections import notes
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import BAND, Builder, Table
from benchmarks.store.records import Records


class Comparing:
    """Draws and tabulates the runs that were judged at their end."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder
        self._judged = compared.judged(records)

    def sections(self) -> list[Section]:
        """One per task."""
        parts = [part for part in compared.main(self._judged) if part["rule"].nunique() > 1]
        if not parts:
            missing = Section(
                "compared",
                "Rules compared",
                missing="No two rules were trained and judged at their end: tests between rules, intervals of"
                " final figures and the time to the stopping criterion are missing. This adds them:",
                commands=[FIGURE],
            )
            return [missing]
        return [self._compared(part) for part in parts]

    def _compared(self, rows: pd.DataFrame) -> Section:
        task = str(rows["task"].iloc[0])
        column = compared.measure(task)
        metric = METRICS[column]
        stem = f"compared-{task.replace('_', '-')}"
        section = Section(stem, f"Rules compared: {task.replace('_', ' ')}", lead=self._lead(rows))
        points = self._records.points.merge(
            rows[["file", "rule", "mode", "criterion_step"]], on="file"
        ).sort_values(["file", "step"])
        section.pictures.append(
            svg.save(
                plots.comparison(points, rows, column, self._names.look, self._names.titles),
                stem,
                self._folder,
                caption=f"{metric.title} against training steps and against seconds"
                f" of training steps alone. Thin lines: seeds; thick line and band: mean and its {BAND}"
                " confidence interval (bootstrap over seeds); triangles on top: a seed meets the stopping"
                " criterion. Middle: share of seeds that met it (Kaplan-Meier; strokes: seeds that ended"
                f" without). Bottom: the trained networks on {self._trials(rows)}, seeds, their mean and its"
                f" {BAND} interval. {self._lead(rows)}",
                description=f"Curves, criterion and final {metric.name} per learning rule on {task}; the"
                " tables below have the figures.",
            )
        )
        ends = compared.ends(rows)
        ends = ends.sort_values("rule", key=self._names.order)
        section.tables.append(self._ends(ends, rows, column))
        lost = compared.diverged(self._records, rows)
        lost = lost[lost["experiment"].isin(rows["experiment"])]
        section.notes += notes.of_sweeps(int((rows["timing"] == "shared").sum()), len(lost))
        tests = compared.pairs(rows, self._names.look.rules)
        section.picks.append(
            picks.compared(ends, tests, metric, self._names.titles, task.replace("_", " "), self._lead(rows))
        )
        if len(tests):
            section.tables.append(self._tests(tests, column))
            section.findings += self._findings(tests, column)
        else:
            section.missing = (
                "No two rules share two seeds, so that no test between them can be made. This adds them:"
            )
            section.commands = [FIGURE if task == TASK_NAME else f"{FIGURE} --task {task}"]
        return section

    def _trials(self, rows: pd.DataFrame) -> str:
        task = str(rows["task"].iloc[0])
        if task in PROBLEMS and PROBLEMS[task].task.frozen:
            return "the trials that they were trained on, as the task has no others"
        counts = sorted({int(count) for count in rows["trials"]})
        return f"{' or '.join(map(str, counts))} fresh trials that no curve uses"

    def _lead(self, rows: pd.DataFrame) -> str:
        first = rows.iloc[0]
        usual = compared.published(str(first["task"]), first["settings"], int(first["batch"]))
        rate = compared.value(first["settings"], int(first["batch"]), "learning_rate")
        text = "Published recipe" if usual else "Other settings than published"
        text += f": batch {first['batch']}" + (f", learning rate {rate:g}" if rate is not None else "")
        text += f"; {first['last_step']} steps, {first['backend']}, {first['dtype']},"
        text += f" {threads_text(rows['threads'])}"
        if len(self._names.letters) > 1:
            text += f", machine {self._names.machine(str(first['machine']))}"
        return text + "."

    def _ends(self, ends: pd.DataFrame, rows: pd.DataFrame, column: str) -> Table:
        metric = METRICS[column]
        table = Builder(
            ends,
            f"Final {metric.name} on {self._trials(rows)}, mean over seeds with its"
            f" {BAND} bootstrapped interval; steps and seconds until half of the seeds met the stopping"
            " criterion (Kaplan-Meier: a dash where fewer did).",
        )
        table.text("rule", self._names.rule).count("seeds", "seeds")
        table.figure(metric, "mean", heading=f"mean {metric.heading}", best_within=[])
        table.span(f"{BAND} interval", column, "low", "high").span("range", column, "least", "most")
        table.text("met the criterion", lambda row: f"{row['met']} of {row['seeds']}")
        table.figure("step", "criterion_step", heading="median steps", best_within=[])
        table.figure("train_s", "criterion_s", heading="median seconds", best_within=[])
        return table.build()

    def _tests(self, tests: pd.DataFrame, column: str) -> Table:
        metric = METRICS[column]
        table = Builder(
            tests,
            f"Between rules, over the same seeds: mean difference of final {metric.name}, first minus second,"
            f" with its {BAND} bootstrapped interval; Wilcoxon's signed-rank test, two-sided and exact, and"
            " adjusted for all pairs by Holm's method; matched-pairs rank-biserial correlation (+1: the first"
            " is higher with every seed).",
        )
        table.text("first", lambda row: self._title(row, "first"))
        table.text("second", lambda row: self._title(row, "second")).count("seeds", "seeds")
        unit = (
            f"difference ({'points' if metric.unit == '%' else metric.unit})" if metric.unit else "difference"
        )
        table.figure(metric, "difference", heading=unit)
        table.span(f"{BAND} interval", column, "low", "high")
        table.figure("p", "p").figure("p", "adjusted", heading="p, Holm").figure("effect", "rank_biserial")
        return table.build()

    def _findings(self, tests: pd.DataFrame, column: str) -> list[str]:
        metric = METRICS[column]
        sure = tests[tests["adjusted"] < picks.SIGNIFICANT]
        seeds = int(tests["seeds"].max())
        found = []
        for row in sure.to_dict("records"):
            first_better = (row["difference"] > 0) == (metric.better == "higher")
            better, worse = ("first", "second") if first_better else ("second", "first")
            ends = sorted(abs(row[end]) for end in ("low", "high"))
            unit = "\u00a0" + ("points" if metric.unit == "%" else metric.unit) if metric.unit else ""
            found.append(
                f"{self._title(row, better)} ends better than {self._title(row, worse)}, by"
                f" {metric.format(abs(row['difference']))}{unit} ({metric.format(ends[0])} to"
                f" {metric.format(ends[1])}; p = {METRICS['p'].format(row['adjusted'])} after Holm,"
                f" {row['seeds']} seeds)."
            )
        rest = len(tests) - len(sure)
        if rest:
            least = 2.0 ** (1 - seeds) * len(tests)
            few = f": with {seeds} seeds no test of {len(tests)} can" if least >= picks.SIGNIFICANT else ""
            found.append(
                f"The other {rest} {'pair is' if rest == 1 else 'pairs are'} not told apart{few}."
                if found
                else f"No two rules are told apart{few}."
            )
        return found

    def _title(self, row: Mapping[Hashable, Any], which: str) -> str:
        return self._names.titles.get(row[which]) or str(row[which])
