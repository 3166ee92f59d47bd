"""Operations per second against operations per byte, one panel per label, under the roofs of the card."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.define.metrics import METRICS, significant
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, present
from benchmarks.show.figures.style import Look

_COLUMNS = 3


@styled
def roofline(rows: pd.DataFrame, look: Look, titles: Titles) -> Drawing:
    """Marks are measured steps; the lines what bandwidth and arithmetic of the card allow at most.

    Args:
        rows: of one card and dtype: label, rule, mode, batch, n_rec, step_s, over, operations, moved_bytes,
            and the floors memory_floor_s and arithmetic_floor_s, which the roofs follow from.
    """
    x = rows["operations"] / rows["moved_bytes"]
    y = rows["operations"] / rows["step_s"] * METRICS["rate"].scale
    bandwidth = float((rows["moved_bytes"] / rows["memory_floor_s"]).median()) * METRICS["rate"].scale
    peak = float((rows["operations"] / rows["arithmetic_floor_s"]).median()) * METRICS["rate"].scale
    at = np.geomspace(min(x.min(), peak / bandwidth) / 2.0, max(x.max(), peak / bandwidth) * 3.0, 60)
    labels = present(rows)
    columns = min(_COLUMNS, len(labels))
    blocks = -(-len(labels) // columns)
    width = WIDTH if columns > 1 else 4.6
    drawing = Drawing(Figure(figsize=(width, 0.7 + 2.5 * blocks), layout="constrained"))
    axes = drawing.figure.subplots(blocks, columns, squeeze=False, sharex=True, sharey=True)
    for ax in axes.flat[len(labels) :]:
        ax.set_visible(False)
    for place, (ax, label) in enumerate(zip(axes.flat, labels, strict=False)):
        ax.plot(at, np.minimum(at * bandwidth, peak), color=style.MUTED, linewidth=1.2)
        here = rows["label"] == label
        for index in rows.index[here]:
            _mark(drawing, ax, float(x[index]), float(y[index]), rows.loc[index], look, titles)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(visible=True)
        ax.set_title(label)
        ax.set_xlabel("operations per byte")
        if place % columns == 0:
            ax.set_ylabel(METRICS["rate"].heading)
    axes.flat[0].annotate(
        f"{significant(peak, 2)} TFLOP/s, {significant(bandwidth, 2)} TB/s",
        (at[-1], peak),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=style.MUTED,
    )
    axes.flat[0].set_ylim(top=peak * 4.0)
    _legend(drawing.figure, rows, look, titles)
    return drawing


def _mark(drawing: Drawing, ax: Axes, x: float, y: float, row: pd.Series, look: Look, titles: Titles) -> None:
    rule, mode = str(row["rule"]), str(row["mode"])
    first = look.modes.index(mode) == 0
    face = look.colour(rule) if first else style.PAPER
    ax.plot(
        [x],
        [y],
        look.mode_marker(mode),
        color=look.colour(rule),
        markerfacecolor=face,
        markersize=5.5,
        mew=1.3,
    )
    text = f"{row['label']}, {titles.get(rule, rule)}, {mode}, batch {row['batch']}, {row['n_rec']} neurons: "
    text += f"{METRICS['step_s'].quantity(row['step_s'])}, {METRICS['over'].quantity(row['over'])} the floor"
    drawing.tip(ax, x, y, text)


def _legend(fig: Figure, rows: pd.DataFrame, look: Look, titles: Titles) -> None:
    rules = [rule for rule in look.rules if rule in set(rows["rule"])]
    modes = [mode for mode in look.modes if mode in set(rows["mode"])]
    handles = [
        Line2D([], [], color=look.colour(rule), linestyle="none", marker="o", label=titles.get(rule, rule))
        for rule in rules
    ]
    handles += [
        Line2D(
            [],
            [],
            color=style.INK,
            linestyle="none",
            marker=look.mode_marker(mode),
            markerfacecolor=style.INK if look.modes.index(mode) == 0 else style.PAPER,
            label=mode,
        )
        for mode in modes
    ]
    handles.append(Line2D([], [], color=style.MUTED, linewidth=1.2, label="what the card allows"))
    fig.legend(handles=handles, loc="outside upper left", ncols=6, handletextpad=0.3, columnspacing=1.4)
