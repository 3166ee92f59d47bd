"""The part on systems that are compared as they are: their training runs, beside what was published."""

from pathlib import Path

import pandas as pd

from benchmarks.define.problem import NOTEBOOK, SYSTEM
from benchmarks.show import figures as plots
from benchmarks.show.commands import NOTEBOOK_TRAIN
from benchmarks.show.figures import svg
from benchmarks.show.names import Names
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Table
from benchmarks.store.published import NOTEBOOK_LOG_SOURCE, published_log
from benchmarks.store.records import Records
from implementations.notebook import PUBLISHED_RULE

_LAST_STEPS = 150  # from where on the published accuracy no longer rises


class Baselines:
    """Draws and tabulates the notebook's training runs beside its published log."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._runs = records.runs[records.runs["system"] == NOTEBOOK]
        self._points = records.points.merge(
            self._runs[["file", "rule", "mode", "machine", "seed"]], on="file"
        )
        self._others = sorted(set(records.runs["system"]) - {SYSTEM, NOTEBOOK})
        self._names = names
        self._folder = folder

    def sections(self) -> list[Section]:
        """The one section."""
        section = Section("notebook", "The BrainPy notebook beside its published log")
        if self._others:
            section.notes.append(f"Training runs of other systems are not shown: {', '.join(self._others)}.")
        if self._points.empty:
            section.missing = "No training run of the notebook is recorded. This adds one, beside its log:"
            section.commands = [NOTEBOOK_TRAIN]
            return [section]
        log = published_log()
        section.lead = (
            "The notebook computes another network than the backends, and is reproduced as it is. Its"
            " accuracy is of the trials it trains on, before each update. The published seconds are of"
            " another machine and version: they show their own course, and fit into no ratio with ours."
        )
        drawn = plots.beside_log(self._points, log, self._names.look, self._names.titles)
        section.pictures.append(
            svg.save(
                drawn,
                "notebook",
                self._folder,
                caption="The notebook here (lines, one per seed) and its published log (circles): accuracy on"
                " the trials of ten steps (left), and seconds of ten steps with the drawing of their trials"
                f" (right), as the log counts them. {NOTEBOOK_LOG_SOURCE}.",
                description="Line plots of accuracy and seconds against training steps, beside what was"
                " published.",
            )
        )
        section.tables.append(self._table(log))
        return [section]

    def _table(self, log: pd.DataFrame) -> Table:
        rows = [{"source": "published", "rule": PUBLISHED_RULE, "machine": "not named", **_figures(log)}]
        for _, part in self._points.groupby("file", sort=False):
            run = part.iloc[0]
            rows.append(
                {
                    "source": f"here, seed {run['seed']}",
                    "rule": run["rule"],
                    "machine": self._names.machine(str(run["machine"])),
                    **_figures(part),
                }
            )
        table = Builder(
            pd.DataFrame(rows),
            f"Accuracy on the trials of the last {_LAST_STEPS} steps, and seconds of ten steps with the"
            " drawing of their trials: medians and ranges over the lines of the log.",
        )
        table.text("run", "source").text("rule", self._names.rule).text("machine", "machine")
        table.figure("step", "last_step", heading="training steps")
        table.figure("train_accuracy", "accuracy", heading="median accuracy (%)")
        table.span("range (%)", "train_accuracy", "accuracy_min", "accuracy_max")
        table.figure("train_accuracy", "accuracy_last", heading="at the last (%)")
        table.figure("log_s", "seconds", heading="median seconds")
        table.span("range (s)", "log_s", "seconds_min", "seconds_max")
        return table.build()


def _figures(points: pd.DataFrame) -> dict[str, float]:
    """Of a log or run: its last accuracies, and seconds per line."""
    points = points.sort_values("step")
    last = points.loc[points["step"] > points["step"].max() - _LAST_STEPS, "train_accuracy"]
    seconds = points["log_s"]
    return {
        "last_step": float(points["step"].max()),
        **{"accuracy": last.median(), "accuracy_min": last.min(), "accuracy_max": last.max()},
        "accuracy_last": float(points["train_accuracy"].iloc[-1]),
        **{"seconds": seconds.median(), "seconds_min": seconds.min(), "seconds_max": seconds.max()},
    }
