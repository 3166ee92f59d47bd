"""Performance profiles: how many of a rule's runs, over all tasks, score more than so much."""

import numpy as np
import pandas as pd

from benchmarks.judge.statistics import profile
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import legend, panels
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.material import Material, Part

_AT = np.linspace(0.0, 1.0, 201)


def _profile(material: Material, part: Part) -> Drawing | None:
    """A line per rule, each task counting as much."""
    scored: pd.DataFrame = part.scored.dropna(subset="score")
    if scored.empty:
        return None
    look = material.names.look_of(scored["mode"])
    drawing, [[ax]] = panels(1, 1, 2.8)
    for rule in [rule for rule in look.rules if rule in set(scored["rule"])]:
        of_rule = scored[scored["rule"] == rule]
        shares = [profile(runs["score"].to_numpy(float), _AT) for _, runs in of_rule.groupby("task")]
        share = 100.0 * np.mean(shares, axis=0)
        line = {"color": look.colour(rule), "linestyle": look.rule_line(rule)}
        ax.plot(_AT, share, **line, linewidth=look.width(rule, style.LINE))
        for at in (0.5, 0.8, 0.9):
            place = int(np.searchsorted(_AT, at))
            text = f"{look.title(rule)}: {share[place]:.0f} % of runs score more than {at:g}"
            drawing.tip(ax, at, float(share[place]), text)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(-2.0, 102.0)
    ax.set_xlabel("score (0: guessing, 1: no error)")
    ax.set_ylabel("runs that score more (%)")
    ax.grid(visible=True)
    legend(drawing.figure, look, scored, lines=True)
    return drawing


PROFILE = Figure(
    "profile",
    "tasks",
    "Performance profiles (Agarwal et al. 2021): the share of a rule's runs whose score is higher, mean over"
    " tasks. {part.lead}",
    "Line plot: share of runs against score per learning rule; the table below has the figures.",
    _profile,
)
