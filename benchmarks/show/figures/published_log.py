"""A system's training runs beside the log that was published with it."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.define.metrics import METRICS
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import WIDTH, key, legend, log_axis
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material, Part


def _beside_log(material: Material, part: Part) -> Drawing | None:
    points: pd.DataFrame = part.points
    if points.empty:
        return None
    look: Look = replace(material.names.look, modes=("",))
    drawing = Drawing(Canvas(figsize=(WIDTH, 3.0), layout="constrained"))
    axes = drawing.figure.subplots(1, 2)
    for ax, column in zip(axes, ("train_accuracy", "log_s"), strict=True):
        metric = METRICS[column]
        for rule, of_rule in points.groupby("rule", sort=False):
            line = {"color": look.colour(str(rule)), "linestyle": look.rule_line(str(rule)), "linewidth": 1.2}
            for _, seed in of_rule.groupby("file"):
                ax.plot(seed["step"].to_numpy(float), seed[column].to_numpy(float) * metric.scale, **line)
                _tips(drawing, ax, seed, column, f"here, {look.title(rule)}")
        there = part.log[part.log[column].notna()]
        marks = {"color": style.INK, "ms": 3, "markerfacecolor": style.PAPER}
        ax.plot(there["step"], there[column] * metric.scale, "o", **marks)
        _tips(drawing, ax, there, column, "published")
        ax.set_xlabel("training steps")
        ax.set_ylabel(metric.heading)
        ax.set_xlim(left=0.0)
        ax.grid(visible=True, axis="y")
    log_axis(axes[1], pd.concat([points["log_s"], part.log["log_s"]]), "y")
    published = key("published log", "o", filled=False, color=style.INK)
    legend(drawing.figure, look, points, lines=True, extra=[published])
    return drawing


def _tips(drawing: Drawing, ax: Axes, rows: pd.DataFrame, column: str, name: str) -> None:
    metric = METRICS[column]
    for x, y in zip(rows["step"].to_numpy(float), rows[column].to_numpy(float) * metric.scale, strict=True):
        if np.isfinite(y):
            drawing.tip(ax, x, y, f"{name}, step {x:.0f}: {metric.quantity(y / metric.scale)}")


PUBLISHED_LOG = Figure(
    "notebook",
    "notebook",
    "The notebook here (lines, one per seed) and its published log (circles): accuracy on the trials of ten"
    " steps (left), and seconds of ten steps with the drawing of their trials (right), as the log counts"
    " them. {part.source}.",
    "Line plots of accuracy and seconds against training steps, beside what was published.",
    _beside_log,
)
