"""Settings: a figure against the values of knobs, and each rule at the published and at its best setting."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.define.metrics import METRICS
from benchmarks.judge.statistics import interval
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, legend, log_axis
from benchmarks.show.figures.style import Look


@styled
def along(
    panels: Sequence[tuple[str, pd.DataFrame, float | None]], figure: str, look: Look, titles: Titles
) -> Drawing:
    """A figure against settings, one panel each, one line per rule: means over seeds and their intervals.

    Args:
        panels: (heading, rows with rule, value, seed and figure, the published value or None).
        figure: a metric.
    """
    metric = METRICS[figure]
    columns = min(2, len(panels))
    blocks = -(-len(panels) // columns)
    width = WIDTH if columns > 1 else 4.6
    drawing = Drawing(Figure(figsize=(width, 0.7 + 2.3 * blocks), layout="constrained"))
    axes = drawing.figure.subplots(blocks, columns, squeeze=False, sharey=True)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    look = Look(look.rules, ("",))
    for place, (ax, (heading, rows, usual)) in enumerate(zip(axes.flat, panels, strict=False)):
        for rule in (rule for rule in look.rules if rule in set(rows["rule"])):
            groups = list(rows[rows["rule"] == rule].groupby("value")["figure"])
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
                marker=look.rule_marker(rule),
                markersize=4.5,
                markerfacecolor=style.PAPER,
            )
            for at, mean, (_, values) in zip(x, means, groups, strict=True):
                quantity = metric.quantity(mean / metric.scale)
                text = f"{titles.get(rule, rule)}, {heading} {at:g}: {quantity} (mean of {len(values)} seeds)"
                drawing.tip(ax, at, mean, text)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(sorted(set(rows["value"]))))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
        if usual is not None:
            ax.axvline(usual, color=style.MUTED, linewidth=1.0, linestyle=(0, (1, 2)), zorder=0)
            ax.annotate(
                "published",
                (usual, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=style.MUTED,
            )
        if metric.better == "lower":
            log_axis(ax, rows["figure"] * metric.scale, "y")
        ax.set_xlabel(heading)
        ax.grid(visible=True, axis="y")
        if place % columns == 0:
            ax.set_ylabel(metric.heading)
    legend(drawing.figure, look, titles, pd.concat([rows for _, rows, _ in panels]), lines=True)
    return drawing


@styled
def tuned(rows: pd.DataFrame, figure: str, look: Look, titles: Titles) -> Drawing:
    """Two marks per rule: open at the published setting, filled at the tuned one; bars are intervals.

    Args:
        rows: of `compared.tuned`, in the order of their lines.
        figure: a metric.
    """
    metric = METRICS[figure]
    drawing = Drawing(Figure(figsize=(WIDTH, 0.95 + 0.38 * len(rows)), layout="constrained"))
    ax = drawing.figure.subplots()
    names = [titles.get(rule, rule) for rule in rows["rule"]]
    for y, row in enumerate(rows.to_dict("records")):
        colour, marker = look.colour(row["rule"]), look.rule_marker(row["rule"])
        ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)
        for name, offset, face in (("published", -0.15, style.PAPER), ("tuned", 0.15, colour)):
            low, high = (row[f"{name}_{end}"] * metric.scale for end in ("low", "high"))
            at = row[name] * metric.scale
            ax.plot([low, high], [y + offset] * 2, color=colour, linewidth=2.4, alpha=0.45)
            ax.plot([at], [y + offset], marker, color=colour, markerfacecolor=face, markersize=6.0, mew=1.4)
            text = f"{names[y]}, {name}: {metric.quantity(row[name])} (mean of {row['seeds']} seeds)"
            drawing.tip(ax, at, y + offset, text)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if metric.better == "lower":
        log_axis(ax, pd.concat([rows["published"], rows["tuned"]]) * metric.scale)
    ax.grid(visible=True, axis="x")
    ax.set_xlabel(f"final {metric.heading}")
    handles = [
        Line2D([], [], color=style.INK, linestyle="none", marker="o", markerfacecolor=face, label=name)
        for name, face in (("published setting", style.PAPER), ("tuned setting", style.INK))
    ]
    drawing.figure.legend(handles=handles, loc="outside upper left", ncols=2, handletextpad=0.3)
    return drawing
