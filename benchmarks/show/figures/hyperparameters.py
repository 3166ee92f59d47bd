"""A figure against the values of hyperparameters, and each rule at the published and at its best setting."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.define.metrics import Metric
from benchmarks.judge.statistics import interval
from benchmarks.judge.tuning import VALIDATION_STEPS
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import (
    WIDTH,
    key,
    leftmost,
    legend,
    log_axis,
    named_lines,
    note,
    panels,
    ticked_axis,
)
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material, Part
from benchmarks.show.names import mean_of
from benchmarks.show.tables import BAND


def _along(material: Material, part: Part) -> Drawing:
    """One panel per hyperparameter, one line per rule: means over seeds and their intervals."""
    metric: Metric = part.metric
    look = replace(material.names.look, modes=("",))
    drawing, blocks = panels(len(part.panels), 2, 2.3, sharey=True)
    for (ax,), (heading, rows, usual) in zip(blocks, part.panels, strict=True):
        for rule in (rule for rule in look.rules if rule in set(rows["rule"])):
            _line(drawing, ax, rows[rows["rule"] == rule], heading, metric, look, rule)
        ticked_axis(ax, rows["value"], "g")
        if usual is not None:
            ax.axvline(usual, color=style.MUTED, linewidth=1.0, linestyle=(0, (1, 2)), zorder=0)
            note(ax, "published", (usual, 1.0), data="x", ha="center")
        if metric.better == "lower":
            log_axis(ax, rows["figure"] * metric.scale, "y")
        ax.set_xlabel(heading)
        ax.grid(visible=True, axis="y")
        if leftmost(ax):
            ax.set_ylabel(metric.heading)
    legend(drawing.figure, look, pd.concat([rows for _, rows, _ in part.panels]), lines=True)
    return drawing


def _line(
    drawing: Drawing, ax: Axes, rows: pd.DataFrame, heading: str, metric: Metric, look: Look, rule: str
) -> None:
    groups = list(rows.groupby("value")["figure"])
    x = np.array([float(at) for at, _ in groups])  # pyright: ignore[reportArgumentType]
    means = np.array([values.mean() for _, values in groups]) * metric.scale
    spans = np.array([interval(values.to_numpy(float)) for _, values in groups]) * metric.scale
    colour = look.colour(rule)
    ax.vlines(x, spans[:, 0], spans[:, 1], color=colour, linewidth=1.4, alpha=0.5)
    ax.plot(
        x,
        means,
        color=colour,
        linestyle=look.rule_line(rule),
        linewidth=look.width(rule, style.LINE),
        marker=look.rule_marker(rule),
        markersize=4.5,
        markerfacecolor=style.PAPER,
    )
    for at, mean, (_, values) in zip(x, means, groups, strict=True):
        text = f"{look.title(rule)}, {heading} {at:g}: {metric.quantity(mean / metric.scale)}"
        drawing.tip(ax, at, mean, f"{text} ({mean_of(len(values))})")


def _tuned(material: Material, part: Part) -> Drawing | None:
    """Two marks per rule: open at the published setting, filled at the tuned one; bars are intervals."""
    metric: Metric = part.metric
    look: Look = material.names.look
    rows: pd.DataFrame = part.tuned[part.tuned["seeds"] > 0] if len(part.tuned) else part.tuned
    if rows.empty:
        return None
    drawing = Drawing(Canvas(figsize=(WIDTH, 0.95 + 0.38 * len(rows)), layout="constrained"))
    ax = drawing.figure.subplots()
    titles = [look.title(rule) for rule in rows["rule"]]
    named_lines(ax, titles)
    for y, row in enumerate(rows.to_dict("records")):
        colour, marker = look.colour(row["rule"]), look.rule_marker(row["rule"])
        for name, offset, face in (("published", -0.15, style.PAPER), ("tuned", 0.15, colour)):
            low, high = (row[f"{name}_{end}"] * metric.scale for end in ("low", "high"))
            at = row[name] * metric.scale
            ax.plot([low, high], [y + offset] * 2, color=colour, linewidth=2.4, alpha=0.45)
            ax.plot([at], [y + offset], marker, color=colour, markerfacecolor=face, markersize=6.0, mew=1.4)
            seeds = mean_of(row["seeds"]).replace("mean", "interquartile mean")
            text = f"{titles[y]}, {name}: {metric.quantity(row[name])} ({seeds})"
            drawing.tip(ax, at, y + offset, text)
    if metric.better == "lower":
        log_axis(ax, pd.concat([rows["published"], rows["tuned"]]) * metric.scale)
    ax.set_xlabel(f"final {metric.heading}")
    keys = [
        key("published setting", "o", filled=False, color=style.INK, markersize=6),
        key("tuned setting", "o", color=style.INK, markersize=6),
    ]
    drawing.figure.legend(handles=keys, loc="outside upper left", ncols=2, handletextpad=0.3)
    return drawing


DIFFICULTY, KNOBS = (
    Figure(
        section,
        section,
        "{part.metric.title} at the end of {part.lasts} steps: mean over the points of the last"
        f" {VALIDATION_STEPS} steps and over seeds; bars: its {BAND} interval.",
        "{part.metric.name} against {part.headings}, one line per rule.",
        _along,
    )
    for section in ("difficulty", "knobs")
)

TUNED = Figure(
    "tuned",
    "knobs",
    "Final {part.metric.name} of each rule at the published setting (open) and at its own best one (filled):"
    f" interquartile means over the same seeds, which did not select, and their {BAND} intervals. The table"
    " below says which settings these are.",
    "Dot plot of final {part.metric.name} per rule, published and tuned.",
    _tuned,
)
