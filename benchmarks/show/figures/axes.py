"""What several plots have in common: panels, axes, legends, the width of a page."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.define.metrics import significant
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing
from benchmarks.show.figures.style import Look
from benchmarks.show.record_texts import in_figure

WIDTH = 7.4
"""Inches; a page's column."""

_NARROW = 4.6  # inches; of a single panel


def present(rows: pd.DataFrame) -> list[str]:
    """The labels that the rows have, in their order."""
    here = set(rows["label"])
    return [str(name) for name in rows["label"].cat.categories if name in here]


def panels(
    count: int, columns: int, height: float, deep: int = 1, **share: Any
) -> tuple[Drawing, list[list[Axes]]]:
    """A drawing, and of each of `count` panels its axes: `deep` of them, one below the other.

    Args:
        columns: of panels, at most.
        height: of an axes, in inches.
        share: `sharex` and `sharey`, as Matplotlib takes them.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    width = WIDTH if columns > 1 else _NARROW
    drawing = Drawing(Figure(figsize=(width, 0.7 + height * rows * deep), layout="constrained"))
    axes = drawing.figure.subplots(rows * deep, columns, squeeze=False, **share)
    blocks = [list(axes[row * deep : (row + 1) * deep, at]) for row in range(rows) for at in range(columns)]
    for ax in (ax for block in blocks[count:] for ax in block):
        ax.set_visible(False)
    return drawing, blocks[:count]


def leftmost(ax: Axes) -> bool:
    """Whether it begins a row, and so has the label of its vertical axis."""
    place = ax.get_subplotspec()
    return place is not None and place.is_first_col()


def log_axis(ax: Axes, values: pd.Series, which: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis with plain numbers, and enough of them where it spans less than two decades."""
    values = values[np.isfinite(values) & (values > 0.0)]
    least, most = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0)
    # At least half a decade, or the scatter of a few samples would fill the panel.
    middle = np.sqrt(least * most)
    least, most = min(least / 1.25, middle / 1.8), max(most * 1.25, middle * 1.8)
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    (ax.set_xlim if which == "x" else ax.set_ylim)(least, most)
    decades = np.log10(most / least)
    subs = (1.0,) if decades > 3.0 else (1.0, 3.0) if decades > 1.7 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10.0, subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: significant(value, 1)))
    axis.set_minor_formatter(NullFormatter())


def ticked_axis(ax: Axes, values: pd.Series, form: str) -> None:
    """A logarithmic axis, ticked where something was measured; `form` prints a number, "g" say.

    0, which a setting is off at, has a place of its own before the least of the others.
    """
    if (values == 0).any():
        ax.set_xscale("symlog", linthresh=float(values[values > 0].min()) if (values > 0).any() else 1.0)
    else:
        ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([float(value) for value in sorted(set(values))]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format(value, form)))


def named_lines(ax: Axes, names: Sequence[str]) -> None:
    """A horizontal line for each name, the first on top."""
    for y in range(len(names)):
        ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)
    ax.set_yticks(range(len(names)), [in_figure(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=True, axis="x")


def note(ax: Axes, text: str, at: tuple[float, float], *, data: Literal["x", "y"], ha: str) -> None:
    """Small print: of `at` one coordinate is in data, the other a share of the axes."""
    coordinates = ("data", "axes fraction") if data == "x" else ("axes fraction", "data")
    ax.annotate(text, at, xycoords=coordinates, ha=ha, va="bottom", fontsize=7.5, color=style.MUTED)


def key(label: str, marker: str, *, filled: bool = True, **looks: Any) -> Line2D:
    """A legend's entry for marks without a line."""
    face: dict[str, Any] = {} if filled else {"markerfacecolor": style.PAPER}
    plain: dict[str, Any] = {"color": style.MUTED, "linestyle": "none", "markersize": 4.5}
    return Line2D([], [], marker=marker, label=in_figure(label), **plain | face | looks)


def legend(fig: Figure, look: Look, rows: pd.DataFrame, *, lines: bool, extra: Sequence[Line2D] = ()) -> None:
    """Rules by colour, modes by line where there are several; above the panels."""
    several = len(look.modes) > 1
    handles: list[Line2D] = [
        Line2D(
            [],
            [],
            color=look.colour(rule),
            linestyle=look.rule_line(rule) if lines and not several else "-",
            linewidth=look.width(rule, style.LINE),
            marker="" if lines else look.rule_marker(rule),
            markerfacecolor="none",
            markersize=4.5,
            label=in_figure(look.title(rule)),
        )
        for rule in look.rules
        if rule in set(rows["rule"])
    ]
    if several:
        handles += [
            Line2D(
                [],
                [],
                color=style.MUTED,
                linestyle=look.mode_line(mode),
                label=in_figure(mode),
                linewidth=1.3,
            )
            for mode in look.modes
            if mode in set(rows["mode"])
        ]
    handles += extra
    fig.legend(handles=handles, loc="outside upper left", ncols=6, handlelength=2.4, columnspacing=1.4)


def mode_keys(look: Look, rows: pd.DataFrame, **looks: Any) -> list[Line2D]:
    """Entries for the modes by marker, of which the first is filled."""
    return [
        key(mode, look.mode_marker(mode), filled=index == 0, color=style.INK, **looks)
        for index, mode in enumerate(look.modes)
        if mode in set(rows["mode"])
    ]


def mode_mark(
    ax: Axes, x: float, y: float, look: Look, case: tuple[str, str], size: float, edge: float
) -> None:
    """A mark of a (rule, mode): filled for the first mode only, as shape and filling tell without colour."""
    rule, mode = case
    face = look.colour(rule) if look.modes.index(mode) == 0 else style.PAPER
    ax.plot(
        [x],
        [y],
        look.mode_marker(mode),
        color=look.colour(rule),
        markerfacecolor=face,
        markersize=size,
        mew=edge,
    )
