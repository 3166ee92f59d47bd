"""Training runs: accuracy against steps and seconds, when the criterion was met, and published logs."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.define.metrics import METRICS
from benchmarks.judge.statistics import interval
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, legend, log_axis, present
from benchmarks.show.figures.style import Look

_GRID = 61  # points of a mean and its band: more than a line of this length shows
_RESAMPLES = 1999


@styled
def learning(points: pd.DataFrame, figure: str, look: Look, titles: Titles, chance: float | None) -> Drawing:
    """Test figure against training steps (left) and seconds of training (right), one row per label.

    Args:
        points: label, rule, mode, file, step, train_s, criterion_step (NaN where not met) and `figure`.
        figure: "test_accuracy" or "test_loss".
        chance: the accuracy of a guess, None where there is none to draw.
    """
    metric = METRICS[figure]
    labels = present(points)
    drawing = Drawing(Figure(figsize=(WIDTH, 0.75 + 2.15 * len(labels)), layout="constrained"))
    axes = drawing.figure.subplots(len(labels), 2, squeeze=False, sharex="col", sharey=True)
    for row, label in zip(axes, labels, strict=True):
        panel = points[points["label"] == label]
        for ax, x in zip(row, ("step", "train_s"), strict=True):
            for rule in (rule for rule in look.rules if rule in set(panel["rule"])):
                of_rule = panel[panel["rule"] == rule]
                for mode, part in of_rule.groupby("mode", sort=False):
                    name = titles.get(rule, rule) + (f", {mode}" if len(look.modes) > 1 else "")
                    runs_and_mean(drawing, ax, part, x, figure, look, rule, str(mode), name)
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
        log_axis(axes[0, 1], points.loc[points["train_s"] > 0, "train_s"])
    else:
        axes[0, 1].set_xlim(left=0.0)
    axes[0, 0].set_xlim(left=0.0)
    axes[-1, 0].set_xlabel("training steps")
    axes[-1, 1].set_xlabel("seconds of training")
    legend(drawing.figure, look, titles, points, lines=True)
    return drawing


def runs_and_mean(
    drawing: Drawing,
    ax: Axes,
    part: pd.DataFrame,
    x: str,
    y: str,
    look: Look,
    rule: str,
    mode: str,
    name: str,
) -> None:
    """Thin lines: the seeds. Thick line and band: their mean and its confidence, as far as all seeds go."""
    if part[x].isna().any():
        return  # seconds of shared workers, which compare with nothing
    metric = METRICS[y]
    colour = look.colour(rule)
    line = look.rule_line(rule) if len(look.modes) == 1 else look.mode_line(mode)
    seeds = [
        (seed[x].to_numpy(float), seed[y].to_numpy(float) * metric.scale) for _, seed in part.groupby("file")
    ]
    alpha = min(0.4, 2.0 / len(seeds)) if len(seeds) > 1 else 0.0  # of many, their mean has to stay visible
    for xs, ys in seeds:
        ax.plot(xs, ys, color=colour, linewidth=0.5, alpha=alpha)
    grid = _common(seeds)
    if grid.size:
        # The seeds share their steps but not their seconds, where the lines between points count.
        values = np.stack([np.interp(grid, xs, ys) for xs, ys in seeds])
        finite = np.isfinite(values).all(axis=0)  # a run that diverged has no figure, nor has a mean with it
        grid, values = grid[finite], values[:, finite]
        mean = values.mean(axis=0)
        if len(seeds) > 1 and grid.size:
            ax.fill_between(grid, *interval(values, _RESAMPLES), color=colour, alpha=0.2, linewidth=0)
        ax.plot(grid, mean, color=colour, linestyle=line)
        for at, height in zip(grid, mean, strict=True):
            where = f"step {at:.0f}" if x == "step" else METRICS[x].quantity(at)
            drawing.tip(ax, at, height, f"{name}, {where}: {metric.quantity(height / metric.scale)}")
    met = part[part["step"] == part["criterion_step"]]
    (triangles,) = ax.plot(
        met[x].to_numpy(float),
        np.full(len(met), 1.03),
        transform=ax.get_xaxis_transform(),
        color=colour,
        marker="v",
        markersize=4.5,
        linestyle="none",
        clip_on=False,
    )
    triangles.set_in_layout(False)  # as they may be none, whose extent is not finite


def _common(seeds: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Where all seeds have figures: their points, thinned out where they are many."""
    start, stop = max(xs[0] for xs, _ in seeds), min(xs[-1] for xs, _ in seeds)
    grid = np.unique(np.concatenate([xs for xs, _ in seeds]))
    grid = grid[(grid >= start) & (grid <= stop)]
    return grid if grid.size <= _GRID else np.linspace(start, stop, _GRID)


@styled
def criterion(runs: pd.DataFrame, look: Look, titles: Titles) -> Drawing:
    """Steps (left) and seconds (right) until the stopping criterion: one row per label and rule.

    Args:
        runs: a row per seed: label, rule, mode, seed, criterion_step and criterion_s (NaN where not met),
            last_step and train_s, where it ended without.
    """
    groups = [
        (label, rule, mode, part)
        for label in present(runs)
        for rule in look.rules
        for mode in look.modes
        if len(part := runs[(runs["label"] == label) & (runs["rule"] == rule) & (runs["mode"] == mode)])
    ]
    drawing = Drawing(Figure(figsize=(WIDTH, 0.95 + 0.22 * len(groups)), layout="constrained"))
    axes = drawing.figure.subplots(1, 2, sharey=True)
    several = runs["mode"].nunique() > 1
    for ax, met, end, heading in (
        (axes[0], "criterion_step", "last_step", "training steps"),
        (axes[1], "criterion_s", "train_s", "seconds of training, logarithmic"),
    ):
        metric = METRICS["step" if end == "last_step" else "train_s"]
        for y, (label, rule, _, part) in enumerate(groups):
            ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)
            colour = look.colour(rule)
            for _, run in part.iterrows():
                reached = pd.notna(run[met])
                x = float(run[met] if reached else run[end])
                if math.isnan(x):
                    continue  # seconds of shared workers, which compare with nothing
                face = colour if reached else style.PAPER
                ax.plot(
                    [x], [y], "o" if reached else ">", color=colour, markerfacecolor=face, ms=4.5, alpha=0.75
                )
                text = "meets the criterion after" if reached else "has not met the criterion after"
                drawing.tip(
                    ax,
                    x,
                    y,
                    f"{label}, {titles.get(rule, rule)}, seed {run['seed']} {text} {metric.quantity(x)}",
                )
            if part[met].notna().any() and part[end].notna().all():
                middle = part[met].median()
                ax.plot([middle, middle], [y - 0.32, y + 0.32], color=colour, linewidth=2.2)
        ax.set_xlabel(heading)
        ax.grid(visible=True, axis="x")
    axes[0].set_xlim(left=0.0)
    seconds = pd.concat([runs["criterion_s"], runs["train_s"]])
    log_axis(axes[1], seconds)
    axes[0].set_ylim(len(groups) - 0.5, -0.5)
    names = [
        f"{label}, {titles.get(rule, rule)}" + (f", {mode}" if several else "")
        for label, rule, mode, _ in groups
    ]
    axes[0].set_yticks(range(len(groups)), names)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    keys = [
        _key("o", "a seed meets it"),
        _key(">", "a seed ends without", markerfacecolor=style.PAPER),
        _key("|", "median of those that meet it", markersize=9.0, markeredgewidth=2.2),
    ]
    drawing.figure.legend(handles=keys, loc="outside upper left", ncols=3, columnspacing=1.4)
    return drawing


@styled
def beside_log(points: pd.DataFrame, log: pd.DataFrame, look: Look, titles: Titles) -> Drawing:
    """A system's training runs beside the log that was published with it.

    Args:
        points: rule, file, step, train_accuracy and log_s, seconds since the point before.
        log: step, train_accuracy and log_s.
    """
    drawing = Drawing(Figure(figsize=(WIDTH, 3.0), layout="constrained"))
    axes = drawing.figure.subplots(1, 2)
    accuracy, seconds = METRICS["train_accuracy"], METRICS["log_s"]
    for ax, column, metric in ((axes[0], "train_accuracy", accuracy), (axes[1], "log_s", seconds)):
        for rule, of_rule in points.groupby("rule", sort=False):
            colour, line = look.colour(str(rule)), look.rule_line(str(rule))
            for _, seed in of_rule.groupby("file"):
                xs, ys = seed["step"].to_numpy(float), seed[column].to_numpy(float) * metric.scale
                ax.plot(xs, ys, color=colour, linewidth=1.2, linestyle=line)
                for x, y in zip(xs, ys, strict=True):
                    if np.isfinite(y):
                        name = titles.get(str(rule), str(rule))
                        text = f"here, {name}, step {x:.0f}: {metric.quantity(y / metric.scale)}"
                        drawing.tip(ax, x, y, text)
        there = log[log[column].notna()]
        ax.plot(
            there["step"],
            there[column] * metric.scale,
            "o",
            color=style.INK,
            ms=3,
            markerfacecolor=style.PAPER,
        )
        for _, point in there.iterrows():
            text = f"published, step {point['step']:.0f}: {metric.quantity(point[column])}"
            drawing.tip(ax, float(point["step"]), float(point[column]) * metric.scale, text)
        ax.set_xlabel("training steps")
        ax.set_ylabel(metric.heading)
        ax.set_xlim(left=0.0)
        ax.grid(visible=True, axis="y")
    log_axis(axes[1], pd.concat([points["log_s"], log["log_s"]]), "y")
    published = _key("o", "published log", color=style.INK, markerfacecolor=style.PAPER)
    legend(drawing.figure, Look(look.rules, ("",)), titles, points, lines=True, extra=[published])
    return drawing


def _key(marker: str, label: str, **looks: Any) -> Line2D:
    """A legend's entry for marks without a line."""
    plain = {"color": style.MUTED, "linestyle": "none", "markersize": 4.5}
    return Line2D([], [], marker=marker, label=label, **plain | looks)
