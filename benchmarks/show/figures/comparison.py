"""Rules compared over the same seeds: curves with bands, who met the criterion when, and how they end."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.judge.learning import until
from benchmarks.judge.statistics import interval
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import WIDTH, legend, log_axis, named_lines
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.seed_curves import seeds_and_mean
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material, Part
from benchmarks.show.tables import BAND

_SPANS = (("step", "last_step", "training steps"), ("train_s", "train_s", "seconds of training"))


def _comparison(material: Material, part: Part) -> Drawing:
    """Against steps and seconds: curves (top), share of seeds that met the criterion (middle); ends.

    Against steps alone where no seconds compare.
    """
    runs: pd.DataFrame = part.runs
    points: pd.DataFrame = part.points
    metric: Metric = part.metric
    look: Look = material.names.look_of(points["mode"])
    rules = [rule for rule in look.rules if rule in set(runs["rule"])]
    heights = (2.3, 1.5, 0.45 + 0.24 * len(rules))
    drawing = Drawing(Canvas(figsize=(WIDTH, 1.0 + sum(heights)), layout="constrained"))
    spans = [span for span in _SPANS if runs[span[1]].notna().any()]
    grid = drawing.figure.add_gridspec(3, len(spans), height_ratios=heights)
    curves = [drawing.figure.add_subplot(grid[0, 0])]
    curves += [drawing.figure.add_subplot(grid[0, at], sharey=curves[0]) for at in range(1, len(spans))]
    shares = [drawing.figure.add_subplot(grid[1, at], sharex=ax) for at, ax in enumerate(curves)]
    for ax, below, (x, end, heading) in zip(curves, shares, spans, strict=True):
        for rule in rules:
            of_rule = points[points["rule"] == rule]
            seeds_and_mean(drawing, ax, of_rule, x, part.figure, look, (rule, look.modes[0]))
            _share(drawing, below, runs[runs["rule"] == rule], end, look, rule)
        ax.grid(visible=True, axis="y")
        ax.tick_params(labelbottom=False)
        below.set_ylim(-4.0, 104.0)
        below.set_xlim(left=0.0)
        below.grid(visible=True, axis="y")
        below.set_xlabel(heading)
    if metric.better == "lower":
        log_axis(curves[0], points[part.figure] * metric.scale, "y")
    curves[0].set_ylabel(metric.heading)
    shares[0].set_ylabel("met criterion (%)")
    for ax in (*curves[1:], *shares[1:]):
        ax.tick_params(labelleft=False)
    _ends(drawing, drawing.figure.add_subplot(grid[2, :]), runs, rules, metric, look)
    legend(drawing.figure, look, points, lines=True)
    return drawing


def _share(drawing: Drawing, ax: Axes, part: pd.DataFrame, end: str, look: Look, rule: str) -> None:
    """How the share of a rule's seeds that met the criterion grows; strokes where one ended without."""
    met, form = ("criterion_step", "step") if end == "last_step" else ("criterion_s", "train_s")
    found = until(part, met, end)
    last = float(part[end].max())
    at, share = np.append(found.at, max(last, found.at[-1])), np.append(found.share, found.share[-1]) * 100.0
    line = {"color": look.colour(rule), "linestyle": look.rule_line(rule), "linewidth": look.width(rule, 1.5)}
    ax.step(at, share, where="post", **line)
    ended = part.loc[part[met].isna(), end].to_numpy(float)
    heights = [float(found.share[np.searchsorted(found.at, x, side="right") - 1]) * 100.0 for x in ended]
    ax.plot(ended, heights, "|", color=look.colour(rule), markersize=7, mew=1.3)
    for x, height in zip(found.at[1:], found.share[1:], strict=True):
        text = f"{look.title(rule)}: {height:.0%} of seeds by {METRICS[form].quantity(x)}"
        drawing.tip(ax, x, height * 100.0, text)


def _ends(
    drawing: Drawing, ax: Axes, runs: pd.DataFrame, rules: list[str], metric: Metric, look: Look
) -> None:
    """Final figures of seeds, their mean and its interval: a line per rule."""
    named_lines(ax, [look.title(rule) for rule in rules])
    for y, rule in enumerate(rules):
        part = runs[runs["rule"] == rule]
        values = part["final"].to_numpy(float) * metric.scale
        colour, title = look.colour(rule), look.title(rule)
        ax.plot(values, np.full(len(values), y), "o", color=colour, ms=3.5, alpha=0.4, mew=0)
        low, high = interval(values)
        ax.plot([low, high], [y, y], color=colour, linewidth=2.4, solid_capstyle="butt")
        mark = {"color": colour, "markerfacecolor": style.PAPER, "ms": 6.5}
        ax.plot([values.mean()], [y], look.rule_marker(rule), **mark)
        mean = metric.quantity(values.mean() / metric.scale)
        ends = [metric.format(float(at) / metric.scale) for at in (low, high)]
        drawing.tip(ax, float(values.mean()), y, f"{title}: mean {mean} ({ends[0]} to {ends[1]})")
        for _, run in part.iterrows():
            text = f"{title}, seed {run['seed']}: {metric.quantity(run['final'])}"
            drawing.tip(ax, float(run["final"]) * metric.scale, y, text)
    if metric.better == "lower":
        log_axis(ax, runs["final"] * metric.scale)
    ax.set_xlabel(f"final {metric.heading}")


COMPARISON = Figure(
    "compared",
    "compared",
    "{part.metric.title} against training steps and, where they compare, seconds of training steps alone."
    f" Thin lines: seeds; thick line and band: mean and its {BAND} confidence interval (bootstrap over"
    " seeds); triangles on top: a seed meets the stopping criterion. Middle: share of seeds that met it"
    " (Kaplan-Meier; strokes: seeds that ended without). Bottom: the trained networks on {part.trials},"
    f" seeds, their mean and its {BAND} interval. {{part.lead}}",
    "Curves, criterion and final {part.metric.name} per learning rule on {part.task}; the tables below have"
    " the figures.",
    _comparison,
)
