"""Seeds of a training run as thin lines, with their mean and its confidence."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.define.metrics import METRICS
from benchmarks.judge.statistics import interval
from benchmarks.show.figures.drawing import Drawing
from benchmarks.show.figures.style import LINE, Look

_GRID = 61  # points of a mean and its band: more than a line of this length shows
_RESAMPLES = 1999


def seeds_and_mean(
    drawing: Drawing, ax: Axes, part: pd.DataFrame, x: str, y: str, look: Look, case: tuple[str, str]
) -> None:
    """Thin lines: the seeds. Thick line and band: their mean and its confidence, as far as all seeds go.

    Of a floor, the mean alone.

    Args:
        part: points of one (rule, mode): file, step, train_s, criterion_step (NaN where not met) and `y`.
        x: "step" or "train_s".
        y: a metric and column.
        case: rule and mode.
    """
    if part[x].isna().any():
        return  # seconds of shared workers, which compare with nothing
    metric, (rule, mode) = METRICS[y], case
    several = len(look.modes) > 1
    name = look.title(rule) + f", {mode}" * several
    colour, line = look.colour(rule), look.mode_line(mode) if several else look.rule_line(rule)
    seeds = [
        (seed[x].to_numpy(float), seed[y].to_numpy(float) * metric.scale) for _, seed in part.groupby("file")
    ]
    alpha = min(0.4, 2.0 / len(seeds)) if len(seeds) > 1 else 0.0  # of many, their mean has to stay visible
    floor = rule in look.floors
    for xs, ys in seeds:
        ax.plot(xs, ys, color=colour, linewidth=0.5, alpha=0.0 if floor else alpha)
    grid = _common(seeds)
    if grid.size:
        # The seeds share their steps but not their seconds, where the lines between points count.
        values = np.stack([np.interp(grid, xs, ys) for xs, ys in seeds])
        finite = np.isfinite(values).all(axis=0)  # a run that diverged has no figure, nor has a mean with it
        grid, values = grid[finite], values[:, finite]
        mean = values.mean(axis=0)
        if len(seeds) > 1 and grid.size and not floor:
            ax.fill_between(grid, *interval(values, _RESAMPLES), color=colour, alpha=0.2, linewidth=0)
        ax.plot(grid, mean, color=colour, linestyle=line, linewidth=look.width(rule, LINE))
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
