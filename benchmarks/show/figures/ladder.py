"""The ladder on one page: alignment, learning and the time of a step against how far credit travels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.judge.ladder import TIMES
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import WIDTH, key, log_axis
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.ladder import Climb, fastest, name
from benchmarks.show.material import Material, Part
from benchmarks.show.record_texts import in_figure
from benchmarks.show.tables import BAND
from implementations.rules import get, ladder

_ROW, _COLUMN = 1.55, 2.6  # inches
_XLABEL = "recurrent connections that an error may cross"
_COLOURS = {time: colours[0] for time, colours in zip(TIMES, style.PALETTE, strict=False)}
_WORDS = {"fresh": "initial weights", "trained": "after training"}

Panel = Callable[[Drawing, Axes, Climb, Sequence[str]], None]


def _ladder(material: Material, part: Part) -> Drawing:
    """A column per task: cosine, length, steps to the criterion, final figure; below, the time of a step."""
    climbs: list[Climb] = part.climbs
    panels: list[Panel] = []
    if any((climb.rungs["aligned"] > 0).any() for climb in climbs):
        panels += [_aligned("cosine"), _aligned("norm_ratio")]
    panels += [_criterion, _final]
    timed = not part.times.empty
    height = 0.9 + _ROW * (len(panels) + timed)
    width = max(WIDTH, _COLUMN * len(climbs))
    drawing = Drawing(Canvas(figsize=(width, height), layout="constrained"))
    grid = drawing.figure.add_gridspec(len(panels) + timed, len(climbs))
    for column, climb in enumerate(climbs):
        rungs = [str(rule) for rule in climb.rungs.loc[~climb.rungs["floor"], "rule"]]
        axes = [drawing.figure.add_subplot(grid[row, column]) for row in range(len(panels))]
        axes[0].set_title(in_figure(climb.words))
        for ax, panel in zip(axes, panels, strict=True):
            panel(drawing, ax, climb, rungs)
            _rungs(ax, rungs, labelled=ax is axes[-1])
        axes[-1].set_xlabel(_XLABEL)
    if timed:
        ax = drawing.figure.add_subplot(grid[len(panels), :])
        _times(drawing, ax, part.times)
        ax.set_xlabel(_XLABEL)
    keys = [key(_WORDS[time], "o", filled=time != "fresh", color=_COLOURS[time], ls="-") for time in TIMES]
    keys += [key("readout only", "", color=style.MUTED, ls="-", linewidth=0.9)]
    drawing.figure.legend(handles=keys, loc="outside upper left", ncols=3, columnspacing=1.4)
    return drawing


def _rungs(ax: Axes, rungs: Sequence[str], *, labelled: bool) -> None:
    """The horizontal axis: a rung at each whole number."""
    ax.set_xticks(range(len(rungs)), [name(rule).replace(", ", "\n") for rule in rungs])
    ax.set_xlim(-0.4, len(rungs) - 0.6)
    ax.tick_params(labelbottom=labelled)
    ax.grid(visible=True, axis="y")


def _aligned(figure: str) -> Panel:
    """Means over seeds of an alignment, and their intervals, at both times."""
    metric = METRICS[figure]

    def draw(drawing: Drawing, ax: Axes, climb: Climb, rungs: Sequence[str]) -> None:
        rows = climb.rungs.set_index("rule").loc[list(rungs)]
        at = np.arange(len(rungs))
        for time in TIMES:
            ends = [f"{figure}_{time}{end}" for end in ("", "_low", "_high")]
            means, low, high = rows[ends].to_numpy(float).T
            face = style.PAPER if time == "fresh" else _COLOURS[time]
            ax.vlines(at, low, high, color=_COLOURS[time], linewidth=1.4, alpha=0.5)
            _line(ax, at, means, rungs, color=_COLOURS[time], markerfacecolor=face)
            for x, rule, mean in zip(at, rungs, means, strict=True):
                text = f"{name(rule)} hops, {_WORDS[time]}: {metric.name} {metric.quantity(mean)}"
                drawing.tip(ax, float(x), float(mean), text)
        if figure == "norm_ratio":
            every = pd.concat([rows[f"{figure}_{time}"] for time in TIMES])
            log_axis(ax, every, "y")
        ax.axhline(1.0, color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
        ax.set_ylabel("cosine" if figure == "cosine" else "length over\nBPTT's")

    return draw


def _criterion(drawing: Drawing, ax: Axes, climb: Climb, rungs: Sequence[str]) -> None:
    """Seeds that met the criterion, and where half of all had met it."""
    rows = climb.rungs.set_index("rule")
    _seeds(ax, climb, rungs, "criterion_step", 1.0)
    halves = rows.loc[list(rungs), "half_step"].to_numpy(float)
    _line(ax, np.arange(len(rungs)), halves, rungs, color=_COLOURS["trained"])
    for x, (rule, half) in enumerate(zip(rungs, halves, strict=True)):
        met = f"{rows.loc[rule, 'met']} of {rows.loc[rule, 'seeds']} seeds met the criterion"
        text = f"{name(rule)} hops: half of the seeds by step {METRICS['step'].format(half)}; {met}"
        drawing.tip(ax, x, 0.0 if np.isnan(half) else float(half), text)
    _floor(ax, climb, "half_step", 1.0)
    ax.set_ylim(0.0, 1.05 * float(climb.runs["last_step"].max()))
    ax.set_ylabel("steps to the\ncriterion")


def _final(drawing: Drawing, ax: Axes, climb: Climb, rungs: Sequence[str]) -> None:
    """Seeds, their mean and its interval."""
    metric, rows = climb.metric, climb.rungs.set_index("rule")
    _seeds(ax, climb, rungs, "final", metric.scale)
    at, colour = np.arange(len(rungs)), _COLOURS["trained"]
    means, low, high = rows.loc[list(rungs), ["mean", "low", "high"]].to_numpy(float).T * metric.scale
    ax.vlines(at, low, high, color=colour, linewidth=2.0, alpha=0.5)
    _line(ax, at, means, rungs, color=colour)
    for x, (rule, *ends) in enumerate(zip(rungs, means, low, high, strict=True)):
        mean, *interval = (float(end) / metric.scale for end in ends)
        text = f"{name(rule)} hops: {metric.quantity(mean)} ({' to '.join(map(metric.format, interval))})"
        drawing.tip(ax, x, mean * metric.scale, text)
    _floor(ax, climb, "mean", metric.scale)
    if metric.better == "lower":
        log_axis(ax, climb.runs["final"] * metric.scale, "y")
    ax.set_ylabel(f"final\n{_short(metric)}")


def _line(ax: Axes, at: np.ndarray, values: np.ndarray, rungs: Sequence[str], **looks: Any) -> None:
    """A mark for each rung, and a line through those that keep the reset: e-prop is on another one."""
    ax.plot(at, values, "o", markersize=4.5, zorder=3, **looks)
    kept = np.array([get(rule).reset_gradient for rule in rungs], bool)
    ax.plot(at[kept], values[kept], "-", color=looks["color"])


def _short(metric: Metric) -> str:
    return metric.heading if len(metric.heading) < 20 else metric.heading.replace(" ", "\n", 1)


def _seeds(ax: Axes, climb: Climb, rungs: Sequence[str], column: str, scale: float) -> None:
    for x, rule in enumerate(rungs):
        values = climb.runs.loc[climb.runs["rule"] == rule, column].dropna().to_numpy(float) * scale
        mark: Any = {"color": style.INK, "ms": 3.0, "alpha": 0.25, "mew": 0}
        ax.plot(np.full(len(values), x), values, "o", **mark)


def _floor(ax: Axes, climb: Climb, column: str, scale: float) -> None:
    """What has to be beaten: a plain thin line, where there is a figure."""
    for value in climb.rungs.loc[climb.rungs["floor"], column].dropna():
        ax.axhline(float(value) * scale, color=style.MUTED, linewidth=0.9)


def _times(drawing: Drawing, ax: Axes, times: pd.DataFrame) -> None:
    """Medians of each backend by rung, named where its line ends; the floor of the fastest."""
    order = ladder(times["rule"].astype(str).unique())
    _, of = fastest(times)
    rungs = [rule for rule in order if name(rule) != "none"]
    metric = METRICS["step_s"]
    for place, (one, rows) in enumerate(times.groupby("label", observed=True)):
        medians = rows.groupby("rule")["median_s"].min()
        at = [x for x, rule in enumerate(rungs) if rule in medians]
        values = [float(medians[rungs[x]]) * metric.scale for x in at]
        of_label = [rungs[x] for x in at]
        colour = style.PALETTE[place % len(style.PALETTE)][0]
        _line(ax, np.array(at), np.array(values), of_label, color=colour, markerfacecolor=style.PAPER)
        ax.annotate(
            in_figure(str(one)),
            (at[-1], values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.0,
            color=colour,
        )
        for x, value in zip(at, values, strict=True):
            text = f"{one}, {name(rungs[x])} hops: {metric.quantity(value / metric.scale)}"
            drawing.tip(ax, x, value, text)
    log_axis(ax, times["median_s"] * metric.scale, "y")
    for rule in of.keys() - set(rungs):
        ax.axhline(of[rule] * metric.scale, color=style.MUTED, linewidth=0.9)
    _rungs(ax, rungs, labelled=True)
    ax.set_xlim(-0.4, len(rungs) - 0.2)
    ax.set_ylabel("ms per step")


LADDER = Figure(
    "ladder",
    "ladder",
    "Against the recurrent connections that an error may cross on its way back (0, reset cut: symmetric"
    " e-prop; 0: SnAp-1; all: BPTT), on {part.tasks}. Cosine of the gradient of W_in and W_rec to BPTT's at"
    " the same weights and trials, and its length over that of BPTT's, at the initial weights (open) and"
    f" after training (filled): means over seeds, bars their {BAND} intervals. Steps until half of the seeds"
    " met the stopping criterion, and the final figure: small dots are seeds. Milliseconds per step of each"
    " backend that was timed. Grey line: what learns with W_in and W_rec fixed (in the last row, on the"
    " fastest backend).",
    "Line plots of alignment, learning and step time against the number of hops; the tables below have the"
    " figures.",
    _ladder,
)
