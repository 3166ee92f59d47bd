"""The figures. None knows a backend or rule: names, their order and their looks come with the data.

Every frame has the columns `label` (who ran: an ordered category, one panel or row each), `rule` and `mode`.
"""

from collections.abc import Callable, Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.harness.report import style
from benchmarks.harness.report.metrics import METRICS, Metric, significant
from benchmarks.harness.report.style import Look

_WIDTH = 7.4  # inches; a page's column
_LEFT, _RIGHT = 1.15, 0.95  # inches beside a dot plot: the labels, the figures

Titles = Mapping[str, str]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with the report's settings, whatever the caller's are."""

    def wrapped(*args: object, **kwargs: object) -> Figure:
        with matplotlib.rc_context(style.RC):
            return draw(*args, **kwargs)

    wrapped.__doc__ = draw.__doc__
    return wrapped


@styled
def learning(points: pd.DataFrame, figure: str, look: Look, titles: Titles, chance: float | None) -> Figure:
    """Test figure against training steps (left) and seconds of training (right), one row per label.

    Args:
        points: also file, step, train_s, criterion_step (NaN where not met) and the column `figure`.
        figure: "test_accuracy" or "test_loss".
        chance: the accuracy of a guess, None where there is none to draw.
    """
    metric = METRICS[figure]
    labels = list(points["label"].cat.categories)
    fig = Figure(figsize=(_WIDTH, 0.75 + 2.15 * len(labels)), layout="constrained")
    axes = fig.subplots(len(labels), 2, squeeze=False, sharex="col", sharey=True)
    for row, label in zip(axes, labels, strict=True):
        panel = points[points["label"] == label]
        for ax, x in zip(row, ("step", "train_s"), strict=True):
            for rule in (rule for rule in look.rules if rule in set(panel["rule"])):
                of_rule = panel[panel["rule"] == rule]
                for mode, part in of_rule.groupby("mode", sort=False):
                    _seeds(ax, part, x, figure, look, rule, str(mode))
            ax.grid(visible=True, axis="y")
            if chance is not None:
                ax.axhline(chance * metric.scale, color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        row[0].set_title(label)
        row[0].set_ylabel(metric.heading)
    if chance is not None:
        axes[0, 0].annotate(
            "chance",
            (1.0, chance * metric.scale),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=7.5,
            color=style.MUTED,
        )
    longest = points.groupby("label", observed=True)["train_s"].max()
    if longest.max() > 4.0 * longest.min():
        _log_axis(axes[0, 1], points.loc[points["train_s"] > 0, "train_s"])
    else:
        axes[0, 1].set_xlim(left=0.0)
    axes[0, 0].set_xlim(left=0.0)
    axes[-1, 0].set_xlabel("training steps")
    axes[-1, 1].set_xlabel("seconds of training")
    _legend(fig, look, titles, points, lines=True)
    return fig


def _seeds(ax: Axes, part: pd.DataFrame, x: str, y: str, look: Look, rule: str, mode: str) -> None:
    """Thin lines: the seeds. Thick line and band: their median and range, as far as every seed goes."""
    colour, scale = look.colour(rule), METRICS[y].scale
    line = look.rule_line(rule) if len(look.modes) == 1 else look.mode_line(mode)
    seeds = [(seed[x].to_numpy(float), seed[y].to_numpy(float) * scale) for _, seed in part.groupby("file")]
    for xs, ys in seeds:
        ax.plot(xs, ys, color=colour, linewidth=0.5, alpha=0.45 if len(seeds) > 1 else 0.0)
    start, stop = max(xs[0] for xs, _ in seeds), min(xs[-1] for xs, _ in seeds)
    grid = np.unique(np.concatenate([xs for xs, _ in seeds]))
    grid = grid[(grid >= start) & (grid <= stop)]
    if grid.size:
        # The seeds share their steps but not their seconds, where the lines between points count.
        values = np.stack([np.interp(grid, xs, ys) for xs, ys in seeds])
        ax.fill_between(grid, values.min(0), values.max(0), color=colour, alpha=0.16, linewidth=0)
        ax.plot(grid, np.median(values, axis=0), color=colour, linestyle=line)
    met = part[part["step"] == part["criterion_step"]]
    (triangles,) = ax.plot(
        met[x],
        np.full(len(met), 1.03),
        transform=ax.get_xaxis_transform(),
        color=colour,
        marker="v",
        markersize=4.5,
        linestyle="none",
        clip_on=False,
    )
    triangles.set_in_layout(False)  # as they may be none, whose extent is not finite


@styled
def dots(
    rows: pd.DataFrame,
    column: str,
    metric: Metric,
    look: Look,
    titles: Titles,
    *,
    samples: pd.DataFrame | None = None,
    reference: str | None = None,
) -> Figure:
    """One panel per rule and one line per label: a mark per mode, and the figure beside it. Log axis.

    Args:
        rows: what is shown, in `column`.
        metric: unit and format of it.
        samples: raw samples, in the column step_s, drawn as small dots.
        reference: a column of `rows` to mark by a bar, for comparison.
    """
    rules = [rule for rule in look.rules if rule in set(rows["rule"])]
    present = [[name for name in rows["label"].cat.categories if name in set(part)] for part in
               (rows.loc[rows["rule"] == rule, "label"] for rule in rules)]  # fmt: skip
    # A rule that has one mode only needs no room beside it.
    modes = [
        [mode for mode in look.modes if mode in set(rows.loc[rows["rule"] == rule, "mode"])] for rule in rules
    ]
    heights = [(0.17 + 0.13 * len(own)) * len(labels) + 0.12
               for labels, own in zip(present, modes, strict=True)]  # fmt: skip
    gap, top, bottom = 0.36, 0.62, 0.48
    height = top + sum(heights) + gap * (len(rules) - 1) + bottom
    fig = Figure(figsize=(_WIDTH, height))
    spread = rows[column] if samples is None else samples["step_s"]
    values = spread if reference is None else pd.concat([spread, rows[reference]])
    at = top
    for index, (rule, labels) in enumerate(zip(rules, present, strict=True)):
        box = (
            _LEFT / _WIDTH,
            1.0 - (at + heights[index]) / height,
            1.0 - (_LEFT + _RIGHT) / _WIDTH,
            heights[index] / height,
        )
        at += heights[index] + gap
        ax = fig.add_axes(box)
        _log_axis(ax, values * metric.scale)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_title(titles.get(rule, rule), color=look.colour(rule), pad=4)
        ax.grid(visible=True, axis="x")
        for y in range(len(labels)):
            ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)
        if index < len(rules) - 1:
            ax.tick_params(axis="x", which="both", length=0, labelbottom=False)
        else:
            ax.set_xlabel(metric.heading + ", logarithmic")
        for (label, mode), part in rows[rows["rule"] == rule].groupby(["label", "mode"], observed=True):
            y = labels.index(label) + _offset(modes[index], str(mode))
            colour = look.colour(rule)
            if samples is not None:
                here = (samples["rule"] == rule) & (samples["label"] == label) & (samples["mode"] == mode)
                raw = samples.loc[here, "step_s"] * metric.scale
                ax.plot(raw, np.full(len(raw), y), ".", color=colour, alpha=0.3, markersize=4, mew=0)
            if reference is not None:
                bar = part[reference] * metric.scale
                ax.plot(bar, np.full(len(bar), y), "|", color=style.MUTED, markersize=7, mew=1.4)
            for value in part[column]:
                _mark(ax, value * metric.scale, y, look, rule, str(mode))
                ax.annotate(
                    metric.quantity(value),
                    (1.0, y),
                    xycoords=("axes fraction", "data"),
                    xytext=(_RIGHT * 72 - 4, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=7.5,
                )
    extra = [] if reference is None else [(METRICS[reference].name, "|")]
    extra += [] if samples is None else [("one sample", ".")]
    _mode_legend(fig, look, rows, extra)
    return fig


def _offset(modes: list[str], mode: str) -> float:
    """Where in its label's line a mode lies: above or below the middle."""
    return (modes.index(mode) - (len(modes) - 1) / 2.0) * 0.42


def _mark(ax: Axes, x: float, y: float, look: Look, rule: str, mode: str) -> None:
    # Filled for the first mode only: shape and filling tell modes apart without colour.
    colour = look.colour(rule)
    face = colour if look.modes.index(mode) == 0 else style.PAPER
    ax.plot([x], [y], look.mode_marker(mode), color=colour, markerfacecolor=face, markersize=6.5, mew=1.5)


@styled
def growth(rows: pd.DataFrame, look: Look, titles: Titles) -> Figure:
    """Peak memory of a training step against the length of a trial, one panel per label, both logarithmic.

    Args:
        rows: also n_steps and peak_bytes.
    """
    metric = METRICS["peak_bytes"]
    labels = [name for name in rows["label"].cat.categories if name in set(rows["label"])]
    columns = min(3, len(labels))
    lines = -(-len(labels) // columns)
    width = _WIDTH if columns > 1 else 4.6
    fig = Figure(figsize=(width, 0.7 + 2.4 * lines), layout="constrained")
    axes = fig.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for ax, label in zip(axes.flat, labels, strict=False):
        panel = rows[rows["label"] == label]
        for (rule, mode), part in panel.groupby(["rule", "mode"], sort=False):
            part = part.sort_values("n_steps")
            ax.plot(
                part["n_steps"],
                part["peak_bytes"] * metric.scale,
                color=look.colour(str(rule)),
                linestyle=look.mode_line(str(mode)),
                marker=look.rule_marker(str(rule)),
                markersize=4.5,
                markerfacecolor="none",
                linewidth=1.3,
            )
        ax.set_title(label)
        ax.grid(visible=True)
        ax.label_outer()
    for ax in axes.flat[len(labels) :]:
        ax.set_visible(False)
    _log_axis(axes[0, 0], rows["peak_bytes"] * metric.scale, which="y")
    lengths = sorted(set(rows["n_steps"]))
    axes[0, 0].set_xscale("log")
    axes[0, 0].xaxis.set_major_locator(FixedLocator([float(n) for n in lengths]))
    axes[0, 0].xaxis.set_minor_locator(NullLocator())
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    for ax in axes[:, 0]:
        ax.set_ylabel(metric.heading)
    for ax in axes.flat[max(0, len(labels) - columns) : len(labels)]:
        ax.set_xlabel("steps of a trial")
        ax.tick_params(labelbottom=True)
    _legend(fig, look, titles, rows, lines=False)
    return fig


def _log_axis(ax: Axes, values: pd.Series, which: str = "x") -> None:
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


def _legend(fig: Figure, look: Look, titles: Titles, rows: pd.DataFrame, *, lines: bool) -> None:
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
    fig.legend(handles=handles, loc="outside upper left", ncols=6, handlelength=2.4, columnspacing=1.4)


def _mode_legend(fig: Figure, look: Look, rows: pd.DataFrame, extra: list[tuple[str, str]]) -> None:
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
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=6, columnspacing=1.4,
        handletextpad=0.3, borderaxespad=0.2,
    )  # fmt: skip
