"""What several plots have in common: axes, legends, the width of a page."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.define.metrics import significant
from benchmarks.show.figures import style
from benchmarks.show.figures.style import Look

WIDTH = 7.4  # inches; a page's column

Titles = Mapping[str, str]


def present(rows: pd.DataFrame) -> list[str]:
    """The labels that the rows have, in their order."""
    here = set(rows["label"])
    return [str(name) for name in rows["label"].cat.categories if name in here]


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


def size_axis(ax: Axes, sizes: pd.Series) -> None:
    """A logarithmic axis of whole numbers, ticked where something was measured."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([float(n) for n in sorted(set(sizes))]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def legend(
    fig: Figure,
    look: Look,
    titles: Titles,
    rows: pd.DataFrame,
    *,
    lines: bool,
    extra: list[Line2D] | None = None,
) -> None:
    """Rules by colour, modes by line where there are several; above the panels."""
    several = len(look.modes) > 1
    handles: list[Line2D] = [
        Line2D(
            [],
            [],
            color=look.colour(rule),
            linestyle=look.rule_line(rule) if lines and not several else "-",
            marker="" if lines else look.rule_marker(rule),
            markerfacecolor="none",
            markersize=4.5,
            label=titles.get(rule, rule),
        )
        for rule in look.rules
        if rule in set(rows["rule"])
    ]
    if several:
        handles += [
            Line2D([], [], color=style.MUTED, linestyle=look.mode_line(mode), label=mode, linewidth=1.3)
            for mode in look.modes
            if mode in set(rows["mode"])
        ]
    handles += extra or []
    fig.legend(handles=handles, loc="outside upper left", ncols=6, handlelength=2.4, columnspacing=1.4)
