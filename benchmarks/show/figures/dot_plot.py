"""One panel per rule and one line per label: a mark per mode with its spread, and the figure beside it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import WIDTH, key, log_axis, mode_keys, mode_mark, named_lines, present
from benchmarks.show.figures.drawing import Drawing
from benchmarks.show.figures.style import Look
from benchmarks.show.record_texts import in_figure

_LEFT = 1.35  # inches for the labels
_FIGURE, _SECOND = 0.95, 0.75  # inches for the figures beside a panel, and for a second column of them
_GAP, _TOP, _BOTTOM = 0.36, 0.62, 0.48


def dots(
    rows: pd.DataFrame,
    column: str,
    metric: Metric,
    look: Look,
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
    parts = [rows[rows["rule"] == rule] for rule in rules]
    labels = [present(part) for part in parts]
    # A rule that has one mode only needs no room beside it.
    modes = [[mode for mode in look.modes if mode in set(part["mode"])] for part in parts]
    heights = [(0.17 + 0.13 * len(own)) * len(here) + 0.12 for here, own in zip(labels, modes, strict=True)]
    right = _FIGURE + (0.0 if second is None or rows[second].isna().all() else _SECOND)
    height = _TOP + sum(heights) + _GAP * (len(rules) - 1) + _BOTTOM
    drawing = Drawing(Figure(figsize=(WIDTH, height)))
    values = pd.concat(
        [rows[name] for name in (column, reference, *(spread or ())) if name is not None]
        + ([] if samples is None else [samples["step_s"]])
    )
    at = _TOP
    for index, (rule, part) in enumerate(zip(rules, parts, strict=True)):
        box = (
            _LEFT / WIDTH,
            1.0 - (at + heights[index]) / height,
            1.0 - (_LEFT + right) / WIDTH,
            heights[index] / height,
        )
        at += heights[index] + _GAP
        ax = drawing.figure.add_axes(box)
        log_axis(ax, values * metric.scale)
        named_lines(ax, labels[index])
        ax.set_title(in_figure(look.title(rule)), color=look.colour(rule), pad=4)
        if index < len(rules) - 1:
            ax.tick_params(axis="x", which="both", length=0, labelbottom=False)
        else:
            ax.set_xlabel(metric.heading + ", logarithmic")
        for _, row in part.iterrows():
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
            text = f"{row['label']}, {look.title(rule)}, {mode}: {metric.quantity(row[column])}"
            if spread is not None:
                ends = [row[name] * metric.scale for name in spread]
                ax.plot(
                    ends, [y, y], color=look.colour(rule), linewidth=3.2, alpha=0.45, solid_capstyle="butt"
                )
                low, high = (metric.format(row[name]) for name in spread)
                text += f" (quartiles {low}–{high})"
            mode_mark(ax, row[column] * metric.scale, y, look, (rule, mode), 6.5, 1.5)
            _figure(ax, y, metric.quantity(row[column]), right - 0.06)
            if second is not None and pd.notna(row[second]):
                _figure(ax, y, METRICS[second].quantity(row[second]), right - _FIGURE - 0.04)
                text += f"; {METRICS[second].quantity(row[second])} {METRICS[second].name}"
            drawing.tip(ax, row[column] * metric.scale, y, text)
    keys = mode_keys(look, rows, markersize=6, mew=1.4)
    keys += [] if reference is None else [key(METRICS[reference].name, "|", markersize=6, mew=1.2)]
    keys += [] if samples is None else [key("one sample", ".", markersize=6, mew=1.2)]
    drawing.figure.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.3,
        borderaxespad=0.2,
    )
    return drawing


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
