"""Rules compared over the same seeds: curves with bands, who met the criterion when, and how they end."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.judge import learning as compared
from benchmarks.judge.statistics import interval
from benchmarks.show.figures import style
from benchmarks.show.figures.curves import runs_and_mean
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, legend, log_axis
from benchmarks.show.figures.style import Look

_SPANS = (("step", "last_step", "training steps"), ("train_s", "train_s", "seconds of training"))


@styled
def comparison(points: pd.DataFrame, runs: pd.DataFrame, figure: str, look: Look, titles: Titles) -> Drawing:
    """Curves (top), share of seeds that met the criterion (middle), against steps and seconds; ends (bottom).

    Args:
        points: rule, mode, file, step, train_s, criterion_step and `figure`.
        runs: of `compared.judged`, of one comparison.
        figure: a metric, the task's measure.
    """
    metric = METRICS[figure]
    look = Look(look.rules, tuple(dict.fromkeys(points["mode"])))
    rules = [rule for rule in look.rules if rule in set(runs["rule"])]
    heights = (2.3, 1.5, 0.45 + 0.24 * len(rules))
    drawing = Drawing(Figure(figsize=(WIDTH, 1.0 + sum(heights)), layout="constrained"))
    grid = drawing.figure.add_gridspec(3, 2, height_ratios=heights)
    curves = [drawing.figure.add_subplot(grid[0, 0])]
    curves.append(drawing.figure.add_subplot(grid[0, 1], sharey=curves[0]))
    shares = [drawing.figure.add_subplot(grid[1, place], sharex=curves[place]) for place in range(2)]
    for ax, below, (x, end, heading) in zip(curves, shares, _SPANS, strict=True):
        for rule in rules:
            part = points[points["rule"] == rule]
            runs_and_mean(drawing, ax, part, x, figure, look, rule, look.modes[0], titles.get(rule, rule))
            met = "criterion_step" if x == "step" else "criterion_s"
            _share(drawing, below, runs[runs["rule"] == rule], met, end, look, rule, titles.get(rule, rule))
        ax.grid(visible=True, axis="y")
        ax.tick_params(labelbottom=False)
        below.set_ylim(-4.0, 104.0)
        below.set_xlim(left=0.0)
        below.grid(visible=True, axis="y")
        below.set_xlabel(heading)
    if metric.better == "lower":
        log_axis(curves[0], points[figure] * metric.scale, "y")
    curves[0].set_ylabel(metric.heading)
    shares[0].set_ylabel("met criterion (%)")
    for ax in (curves[1], shares[1]):
        ax.tick_params(labelleft=False)
    _ends(drawing, drawing.figure.add_subplot(grid[2, :]), runs, rules, metric, look, titles)
    legend(drawing.figure, look, titles, points, lines=True)
    return drawing


def _share(
    drawing: Drawing, ax: Axes, part: pd.DataFrame, met: str, end: str, look: Look, rule: str, name: str
) -> None:
    found = compared.until(part, met, end)
    last = float(part[end].max())
    at, share = np.append(found.at, max(last, found.at[-1])), np.append(found.share, found.share[-1]) * 100.0
    ax.step(at, share, where="post", color=look.colour(rule), linestyle=look.rule_line(rule), linewidth=1.5)
    ended = part.loc[part[met].isna(), end].to_numpy(float)
    heights = [float(found.share[np.searchsorted(found.at, x, side="right") - 1]) * 100.0 for x in ended]
    ax.plot(ended, heights, "|", color=look.colour(rule), markersize=7, mew=1.3)
    form = METRICS["step" if met == "criterion_step" else "train_s"]
    for x, height in zip(found.at[1:], found.share[1:], strict=True):
        drawing.tip(ax, x, height * 100.0, f"{name}: {height:.0%} of seeds by {form.quantity(x)}")


def _ends(
    drawing: Drawing,
    ax: Axes,
    runs: pd.DataFrame,
    rules: Sequence[str],
    metric: Metric,
    look: Look,
    titles: Titles,
) -> None:
    for y, rule in enumerate(rules):
        part = runs[runs["rule"] == rule]
        values = part["final"].to_numpy(float) * metric.scale
        colour = look.colour(rule)
        ax.axhline(y, color=style.GRID, linewidth=0.7, zorder=0)
        ax.plot(values, np.full(len(values), y), "o", color=colour, ms=3.5, alpha=0.4, mew=0)
        low, high = interval(values)
        ax.plot([low, high], [y, y], color=colour, linewidth=2.4, solid_capstyle="butt")
        ax.plot(
            [values.mean()], [y], look.rule_marker(rule), color=colour, markerfacecolor=style.PAPER, ms=6.5
        )
        mean, ends = (
            metric.quantity(values.mean() / metric.scale),
            (float(low) / metric.scale, float(high) / metric.scale),
        )
        text = f"{titles.get(rule, rule)}: mean {mean} ({metric.format(ends[0])} to {metric.format(ends[1])})"
        drawing.tip(ax, float(values.mean()), y, text)
        for _, run in part.iterrows():
            text = f"{titles.get(rule, rule)}, seed {run['seed']}: {metric.quantity(run['final'])}"
            drawing.tip(ax, float(run["final"]) * metric.scale, y, text)
    ax.set_yticks(range(len(rules)), [titles.get(rule, rule) for rule in rules])
    ax.set_ylim(len(rules) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if metric.better == "lower":
        log_axis(ax, runs["final"] * metric.scale)
    ax.grid(visible=True, axis="x")
    ax.set_xlabel(f"final {metric.heading}")
