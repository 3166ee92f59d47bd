"""The part on training: accuracy curves, final accuracy, and the stopping criterion."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import costs as summary
from benchmarks.judge import learning as compared
from benchmarks.show import figures as plots
from benchmarks.show import picks
from benchmarks.show import sentences as headlines
from benchmarks.show.commands import TRAIN
from benchmarks.show.figures import svg
from benchmarks.show.figures.style import Look, ordered
from benchmarks.show.names import Names, threads_text
from benchmarks.show.sections import notes
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import BAND, Builder, Table
from benchmarks.store.records import Records
from implementations import rules


class Learning:
    """Draws and tabulates the training runs, each experiment on its own."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder

    def sections(self) -> list[Section]:
        """One section per experiment, or one that says that there is none."""
        swept = compared.swept(self._records.runs)  # shown together, in a part of their own
        shown = self._compared()
        files = self._records.runs.groupby("experiment")["file"].agg(set)
        names = [
            name
            for name in summary.experiments(self._records)
            if name not in swept and not files[name] <= shown
        ]
        if not names and not shown:
            return [
                Section(
                    "learning",
                    "How well each rule learns",
                    missing="No training run is recorded: accuracy curves, final accuracy and the stopping "
                    "criterion are missing. This adds them:",
                    commands=[f"{TRAIN} --seeds 3"],
                )
            ]
        return [self._experiment(name, index, len(names)) for index, name in enumerate(names)]

    def _compared(self) -> set[str]:
        """Files of the runs that the comparison of rules shows, or its parts on sweeps and tuned settings."""
        parts = [part for part in compared.main(compared.judged(self._records)) if part["rule"].nunique() > 1]
        experiments = {name for part in parts for name in part["experiment"]}
        runs = self._records.runs
        beside = runs["experiment"].isin(experiments) & (
            runs["timing"].notna() | (runs["seed"] >= compared.FRESH)
        )
        return {str(file) for part in parts for file in part["file"]} | set(runs.loc[beside, "file"])

    def _experiment(self, name: str, index: int, count: int) -> Section:
        rows = summary.training(self._records)
        rows = self._names.labelled(rows[rows["experiment"] == name], machines=True)
        points = summary.curves(self._records)
        points = points[points["experiment"] == name].merge(
            rows[[*summary.TRAINING, "label"]], on=summary.TRAINING
        )
        finals = summary.finals(self._records)[["file", "criterion_step"]]
        points = points.merge(finals, on="file")
        points["label"] = points["label"].astype(rows["label"].dtype)
        figure = summary.figure_of(points)
        metric = METRICS[figure]
        settings = self._records.runs.set_index("experiment")["settings"]
        chosen: Mapping[str, Any] = settings[[name]].iloc[0]
        condition = self._condition(rows, chosen)
        suffix = "" if count == 1 else f"-{index + 1}"
        section = Section(
            f"learning{suffix}",
            "How well each rule learns" + ("" if index == 0 else f": other settings ({index})"),
            lead=condition,
        )
        look = Look(self._names.rules, ordered(points["mode"], rules.MODES))
        drawn = plots.learning(points, figure, look, self._names.titles, _chance(chosen, figure))
        section.pictures.append(
            svg.save(
                drawn,
                f"learning{suffix}",
                self._folder,
                caption=f"{metric.title} on fresh trials against training steps (left) and"
                " seconds of training steps alone (right: no data, evaluation or compilation). Thin lines:"
                " seeds. Thick line and band: their mean and its"
                f" {BAND} confidence interval (bootstrap over seeds),"
                " as far as all seeds go. Triangles on top: a seed meets the stopping criterion."
                f" {condition}",
                description=f"Line plots of {metric.name} over training, one row for each of: "
                f"{', '.join(rows['label'].cat.categories)}; one line per learning rule.",
            )
        )
        rows = rows.sort_values(["label", "rule"], key=self._names.order)
        start = Builder(
            rows,
            f"Final {metric.name}: median and range over seeds of each seed's median over its last "
            f"{summary.FINAL_STEPS} training steps.",
        )
        start.text("backend", "label").text("rule", self._names.rule)
        if rows["mode"].nunique() > 1:
            start.text("mode", "mode")
        start.count("seeds", "seeds")
        start.figure(metric, "final", heading=f"final {metric.heading}", best_within=["label"])
        start.span("range", figure, "final_min", "final_max")
        start.span("training steps", "step", "least_steps", "most_steps")
        start.figure("train_s", "train_s")
        section.tables.append(start.build())
        section.tables.append(self._criterion(rows))
        section.pictures.append(self._criterion_picture(name, rows, suffix, condition))
        unfinished = int(rows["unfinished"].sum())
        if unfinished:
            section.notes.append(
                f"{unfinished} of {int(rows['seeds'].sum())} runs have no end: interrupted, or still running."
                " They count as far as they went."
            )
        section.notes += notes.of_sweeps(int(rows["shared"].sum()), int(rows["diverged"].sum()))
        if rows["machine"].nunique() > 1:
            section.notes.append(
                "The runs come from several machines, each shown on its own: their seconds do not compare."
            )
        if index == 0:
            section.findings += headlines.learning(rows, self._names.titles)
            if figure == "test_accuracy":
                section.findings += headlines.accuracy(rows, self._names.titles)
                section.picks += picks.accuracy(rows, self._names.titles, condition)
        return section

    def _criterion_picture(self, name: str, rows: pd.DataFrame, suffix: str, condition: str) -> svg.Picture:
        seeds = summary.finals(self._records)
        seeds = seeds[seeds["experiment"] == name].merge(
            rows[[*summary.TRAINING, "label"]], on=summary.TRAINING
        )
        seeds["label"] = seeds["label"].astype(rows["label"].dtype)
        return svg.save(
            plots.criterion(seeds, self._names.look, self._names.titles),
            f"criterion{suffix}",
            self._folder,
            caption="Training steps (left) and seconds (right) until the published stopping criterion is met."
            f" Open triangles: seeds that ended without meeting it, where they ended. {condition}",
            description="Dot plot of steps and seconds per backend and rule; the table below has medians.",
        )

    def _criterion(self, rows: pd.DataFrame) -> Table:
        table = Builder(
            rows,
            "Until the published stopping criterion (error of a validation batch below 7\u00a0%, then also"
            " the mean of 8 fresh batches): medians and ranges over the seeds that met it.",
        )
        table.text("backend", "label").text("rule", self._names.rule)
        if rows["mode"].nunique() > 1:
            table.text("mode", "mode")
        table.text("seeds that met it", lambda row: f"{row['met']} of {row['seeds']}")
        table.figure("step", "criterion_step", heading="median training steps", best_within=["label"])
        table.span("range", "step", "criterion_step_min", "criterion_step_max")
        table.figure("train_s", "criterion_s", heading="median seconds", best_within=["machine"])
        table.span("range (s)", "train_s", "criterion_s_min", "criterion_s_max")
        return table.build()

    def _condition(self, rows: pd.DataFrame, settings: Mapping[str, Any]) -> str:
        first = rows.iloc[0]
        network = _object(settings, "network")
        sizes = [network.get(name) for name in ("n_in", "n_regular", "n_adaptive", "n_out")]
        parts = [f"Task {str(first['task']).replace('_', ' ')}"]
        if all(isinstance(size, int) for size in sizes):
            n_in, regular, adaptive, n_out = sizes
            parts.append(f"{n_in} inputs, {regular} regular and {adaptive} adaptive neurons, {n_out} outputs")
        parts += [f"batch {first['batch']}", str(first["dtype"]), threads_text(rows["threads"])]
        rate = _object(settings, "optimizer").get("learning_rate")
        if rate is not None:
            parts.append(f"learning rate {rate:g}")
        if settings.get("test_trials") is not None:
            parts.append(f"{settings['test_trials']} fresh test trials per point")
        return "; ".join(parts) + "."


def _chance(settings: Mapping[str, Any], figure: str) -> float | None:
    """What guessing scores: one of n_out classes."""
    n_out = _object(settings, "network").get("n_out")
    if figure != "test_accuracy" or not isinstance(n_out, int) or n_out < 1:
        return None
    return 1.0 / n_out


def _object(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the settings; empty where the records lack it."""
    part = settings.get(name)
    return part if isinstance(part, dict) else {}
