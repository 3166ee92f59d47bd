"""One panel per rule and one line per label: a mark per mode with its spread, and the figure beside it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, log_axis, present
from benchmarks.show.figures.style import Look

_LEFT = 1.35  # inches for the labels
_FIGURE, _SECOND = 0.95, 0.75  # inches for the figures beside a panel, and for a second column of them
_GAP, _TOP, _BOTTOM = 0.36, 0.62, 0.48


@styled
def dots(
    rows: pd.DataFrame,
    column: str,
    metric: Metric,
    look: Look,
    titles: Titles,
    *,
    spread: tuple[str, str] | None = None,
    samples: pd.DataFrame | None = None,
    reference: str | None = None,
    second: str | None = None,
) -> Drawing:
    """A logarithmic axis has no zero for bars to begin at, so marks stand for medians and bars for spreads.

    Args:
        rows: what is shown, in `column`, with `label` (an ordered category), `rule` and `mode`.
        metric: unit and format of it.
        spread: columns of `rows` between which a bar is drawn.
        samples: raw samples in `column`'s place, drawn as small dots: label, rule, mode and step_s.
        reference: a column of `rows` to mark by a stroke, for comparison.
        second: a metric and column of `rows` to print beside the figure; where NaN, nothing.
    """
    rules = [rule for rule in look.rules if rule in set(rows["rule"])]
    panels = [rows[rows["rule"] == rule] for rule in rules]
    labels = [present(panel) for panel in panels]
    # A rule that has one mode only needs no room beside it.
    modes = [[mode for mode in look.modes if mode in set(panel["mode"])] for panel in panels]
    heights = [(0.17 + 0.13 * len(own)) * len(here) + 0.12 for here, own in zip(labels, modes, strict=True)]
    right = _FIGURE + (0.0 if second is None or rows[second].isna().all() else _SECOND)
    height = _TOP + sum(heights) + _GAP * (len(rules) - 1) + _BOTTOM
    drawing = Drawing(Figure(figsize=(WIDTH, height)))
    values = pd.concat(
        [rows[name] for name in (column, reference, *(spread or ())) if name is not None]
        + ([] if samples is None else [samples["step_s"]])
    )
    at = _TOP
    for index, (rule, panel) in enumerate(zip(rules, panels, strict=True)):
        box = (
            _LEFT / WIDTH,
            1.0 - (at + heights[index]) / height,
            1.0 - (_LEFT + right) / WIDTH,
            heights[index] / height,
        )
        at += heights[index] + _GAP
        ax = drawing.figure.add_axes(box)
        log_axis(ax, values * metric.scale)
        _frame(ax, labels[index])
        ax.set_title(titles.get(rule, rule), color=look.colour(rule), pad=4)
        if index < len(rules) - 1:
            ax.tick_params(axis="x", which="both", length=0, labelbottom=False)
        else:
            ax.set_xlabel(metric.heading + ", logarithmic")
        for _, row in panel.iterrows():
            mode = str(row["mode"])
            y = labels[index].index(row["label"]) + _offset(modes[index], mode)
            if samples is not None:
                here = (samples["rule"] == rule) & (samples["mode"] == mode)
                raw = samples.loc[here & (samples["label"] == row["label"]), "step_s"] * metric.scale
                ax.plot(raw, np.full(len(raw), y), ".", color=look.colour(rule), alpha=0.3, ms=4, mew=0)
            if reference is not None and pd.notna(row[reference]):
                ax.plot([row[reference] * metric.scale], [y], "|", color=style.MUTED, markersize=7, mew=1.4)
            if pd.isna(row[column]):
                continue
            if spread is not None:
                ends = [row[name] * metric.scale for name in spread]
                ax.plot(
                    ends, [y, y], color=look.colour(rule), linewidth=3.2, alpha=0.45, solid_capstyle="butt"
                )
            _mark(ax, row[column] * metric.scale, y, look, rule, mode)
            _figure(ax, y, metric.quantity(row[column]), right - 0.06)
            text = f"{row['label']}, {titles.get(rule, rule)}, {mode}: {metric.quantity(row[column])}"
            if spread is not None:
                low, high = (metric.format(row[name]) for name in spread)
                text += f" (quartiles {low}–{high})"
            if second is not None and pd.notna(row[second]):
                _figure(ax, y, METRICS[second].quantity(row[second]), right - _FIGURE - 0.04)
                text += f"; {METRICS[second].quantity(row[second])} {METRICS[second].name}"
            drawing.tip(ax, row[column] * metric.scale, y, text)
    extra = [] if reference is None else [(METRICS[reference].name, "|")]
    extra += [] if samples is None else [("one sample", ".")]
    _legend(drawing.figure, look, rows, extra)
    return drawing


def _frame(ax: Axes, labels: list[str]) -> None:
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=True, axis="x")
    for y in range(len(labels)):
        ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)


def _figure(ax: Axes, y: float, text: str, inches: float) -> None:
    """Print a figure so far right of a panel."""
    ax.annotate(
        text,
        (1.0, y),
        xycoords=("axes fraction", "data"),
        xytext=(inches * 72, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=7.5,
    )


def _offset(modes: list[str], mode: str) -> float:
    """Where in its label's line a mode lies: above or below the middle."""
    return (modes.index(mode) - (len(modes) - 1) / 2.0) * 0.42


def _mark(ax: Axes, x: float, y: float, look: Look, rule: str, mode: str) -> None:
    # Filled for the first mode only: shape and filling tell modes apart without colour.
    colour = look.colour(rule)
    face = colour if look.modes.index(mode) == 0 else style.PAPER
    ax.plot([x], [y], look.mode_marker(mode), color=colour, markerfacecolor=face, markersize=6.5, mew=1.5)


def _legend(fig: Figure, look: Look, rows: pd.DataFrame, extra: list[tuple[str, str]]) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=style.INK,
            linestyle="none",
            marker=look.mode_marker(mode),
            markerfacecolor=style.INK if index == 0 else style.PAPER,
            markersize=6,
            mew=1.4,
            label=mode,
        )
        for index, mode in enumerate(look.modes)
        if mode in set(rows["mode"])
    ]
    handles += [
        Line2D([], [], color=style.MUTED, linestyle="none", marker=marker, markersize=6, mew=1.2, label=name)
        for name, marker in extra
    ]
    fig.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.3,
        borderaxespad=0.2,
    )
