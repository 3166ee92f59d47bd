"""Steps on a card beside the least time that it allows, and under the roofs of that card."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from benchmarks.define.metrics import METRICS, significant
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import key, leftmost, mode_keys, mode_mark, panels, present
from benchmarks.show.figures.dot_plot import dots
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material, Part
from benchmarks.show.record_texts import in_figure


def _floors(material: Material, part: Part) -> Drawing | None:
    if part.main.empty:
        return None
    rows = part.main.drop_duplicates(["label", "rule", "mode"])
    look = material.names.look
    return dots(rows, "step_s", METRICS["step_s"], look, reference="floor_s", second="over")


def _roofline(material: Material, part: Part) -> Drawing | None:
    """Marks are measured steps; the lines what bandwidth and arithmetic of the card allow at most."""
    look: Look = material.names.look
    rows: pd.DataFrame = part.under_roofs
    if rows.empty:
        return None
    x = rows["operations"] / rows["moved_bytes"]
    y = rows["operations"] / rows["step_s"] * METRICS["rate"].scale
    bandwidth = float((rows["moved_bytes"] / rows["memory_floor_s"]).median()) * METRICS["rate"].scale
    peak = float((rows["operations"] / rows["arithmetic_floor_s"]).median()) * METRICS["rate"].scale
    at = np.geomspace(min(x.min(), peak / bandwidth) / 2.0, max(x.max(), peak / bandwidth) * 3.0, 60)
    labels = present(rows)
    drawing, blocks = panels(len(labels), 3, 2.5, sharex=True, sharey=True)
    for (ax,), label in zip(blocks, labels, strict=True):
        ax.plot(at, np.minimum(at * bandwidth, peak), color=style.MUTED, linewidth=1.2)
        here = rows["label"] == label
        for at_x, at_y, (_, row) in zip(x[here], y[here], rows[here].iterrows(), strict=True):
            mode_mark(ax, at_x, at_y, look, (str(row["rule"]), str(row["mode"])), 5.5, 1.3)
            text = f"{label}, {look.title(row['rule'])}, {row['mode']}, batch {row['batch']}, {row['n_rec']}"
            text += f" neurons: {METRICS['step_s'].quantity(row['step_s'])},"
            text += f" {METRICS['over'].quantity(row['over'])} the floor"
            drawing.tip(ax, at_x, at_y, text)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(visible=True)
        ax.set_title(in_figure(label))
        ax.set_xlabel("operations per byte")
        if leftmost(ax):
            ax.set_ylabel(METRICS["rate"].heading)
    ((first,), *_) = blocks
    first.annotate(
        f"{significant(peak, 2)} TFLOP/s, {significant(bandwidth, 2)} TB/s",
        (at[-1], peak),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=style.MUTED,
    )
    first.set_ylim(top=peak * 4.0)
    keys = [
        key(look.title(rule), "o", color=look.colour(rule), markersize=6)
        for rule in look.rules
        if rule in set(rows["rule"])
    ]
    keys += mode_keys(look, rows, markersize=6)
    keys.append(Line2D([], [], color=style.MUTED, linewidth=1.2, label="what the card allows"))
    drawing.figure.legend(
        handles=keys, loc="outside upper left", ncols=6, handletextpad=0.3, columnspacing=1.4
    )
    return drawing


FLOORS = Figure(
    "floors",
    "roofline",
    "Time of a training step on the card, and (strokes) the time that it takes there at least; ×: measured"
    " over floor. {part.work}",
    "Dot plot of milliseconds and floors per rule and backend; the table below has the figures.",
    _floors,
)

ROOFLINE = Figure(
    "roofline",
    "roofline",
    "Roofline: operations per second against operations per byte, of steps of all sizes in {part.dtype}. The"
    " line: the bandwidth, then the arithmetic; what lies far below it is held back by neither, but by time"
    " steps that wait for each other.",
    "Roofline plot, one panel per backend; the table below has the figures.",
    _roofline,
)
