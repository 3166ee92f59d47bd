"""Training runs of one experiment: the test figure over training, and when the criterion was met."""

import math

import pandas as pd
from matplotlib.figure import Figure as Canvas

from benchmarks.define.metrics import METRICS
from benchmarks.show.figures import style
from benchmarks.show.figures.axes import WIDTH, key, legend, log_axis, named_lines, note, present
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.seed_curves import seeds_and_mean
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material, Part
from benchmarks.show.record_texts import in_figure
from benchmarks.show.tables import BAND


def _learning(material: Material, part: Part) -> Drawing:
    """Test figure against training steps (left) and seconds of training (right), one row per label."""
    points: pd.DataFrame = part.points
    look = material.names.look_of(points["mode"])
    metric = part.metric
    labels = present(points)
    drawing = Drawing(Canvas(figsize=(WIDTH, 0.75 + 2.15 * len(labels)), layout="constrained"))
    axes = drawing.figure.subplots(len(labels), 2, squeeze=False, sharex="col", sharey=True)
    for row, label in zip(axes, labels, strict=True):
        here = points[points["label"] == label]
        for ax, x in zip(row, ("step", "train_s"), strict=True):
            for rule in (rule for rule in look.rules if rule in set(here["rule"])):
                for mode, of_mode in here[here["rule"] == rule].groupby("mode", sort=False):
                    seeds_and_mean(drawing, ax, of_mode, x, part.figure, look, (rule, str(mode)))
            ax.grid(visible=True, axis="y")
            if part.chance is not None:
                line = {"color": style.MUTED, "linewidth": 0.8, "linestyle": (0, (1, 2))}
                ax.axhline(part.chance * metric.scale, **line)
        row[0].set_title(in_figure(label))
        row[0].set_ylabel(metric.heading)
    if part.chance is not None:
        note(axes[0, 0], "chance", (1.0, part.chance * metric.scale), data="y", ha="right")
    longest = points.groupby("label", observed=True)["train_s"].max()
    if longest.max() > 4.0 * longest.min():
        log_axis(axes[0, 1], points.loc[points["train_s"] > 0, "train_s"])
    else:
        axes[0, 1].set_xlim(left=0.0)
    axes[0, 0].set_xlim(left=0.0)
    axes[-1, 0].set_xlabel("training steps")
    axes[-1, 1].set_xlabel("seconds of training")
    legend(drawing.figure, look, points, lines=True)
    return drawing


def _criterion(material: Material, part: Part) -> Drawing:
    """Steps (left) and seconds (right) until the stopping criterion: one row per label and rule."""
    runs: pd.DataFrame = part.runs
    look: Look = material.names.look
    several = runs["mode"].nunique() > 1
    groups = {
        f"{label}, {look.title(rule)}" + f", {mode}" * several: (rule, rows)
        for label in present(runs)
        for rule in look.rules
        for mode in look.modes
        if len(rows := runs[(runs["label"] == label) & (runs["rule"] == rule) & (runs["mode"] == mode)])
    }
    drawing = Drawing(Canvas(figsize=(WIDTH, 0.95 + 0.22 * len(groups)), layout="constrained"))
    axes = drawing.figure.subplots(1, 2, sharey=True)
    for ax, met, end, heading in (
        (axes[0], "criterion_step", "last_step", "training steps"),
        (axes[1], "criterion_s", "train_s", "seconds of training, logarithmic"),
    ):
        metric = METRICS["step" if end == "last_step" else "train_s"]
        named_lines(ax, list(groups))
        for y, (rule, rows) in enumerate(groups.values()):
            colour = look.colour(rule)
            for _, run in rows.iterrows():
                reached = pd.notna(run[met])
                x = float(run[met] if reached else run[end])
                if math.isnan(x):
                    continue  # seconds of shared workers, which compare with nothing
                mark, face = ("o", colour) if reached else (">", style.PAPER)
                ax.plot([x], [y], mark, color=colour, markerfacecolor=face, ms=4.5, alpha=0.75)
                text = "meets the criterion after" if reached else "has not met the criterion after"
                text = f"{run['label']}, {look.title(rule)}, seed {run['seed']} {text} {metric.quantity(x)}"
                drawing.tip(ax, x, y, text)
            if rows[met].notna().any() and rows[end].notna().all():
                middle = rows[met].median()
                ax.plot([middle, middle], [y - 0.32, y + 0.32], color=colour, linewidth=2.2)
        ax.set_xlabel(heading)
    axes[0].set_xlim(left=0.0)
    log_axis(axes[1], pd.concat([runs["criterion_s"], runs["train_s"]]))
    keys = [
        key("a seed meets it", "o"),
        key("a seed ends without", ">", filled=False),
        key("median of those that meet it", "|", markersize=9.0, markeredgewidth=2.2),
    ]
    drawing.figure.legend(handles=keys, loc="outside upper left", ncols=3, columnspacing=1.4)
    return drawing


LEARNING = Figure(
    "learning",
    "learning",
    "{part.metric.title} on fresh trials against training steps (left) and seconds of training steps alone"
    " (right: no data, evaluation or compilation). Thin lines: seeds. Thick line and band: their mean and its"
    f" {BAND} confidence interval (bootstrap over seeds), as far as all seeds go. Triangles on top: a seed"
    " meets the stopping criterion. {part.lead}",
    "Line plots of {part.metric.name} over training, one row for each of: {part.labels}; one line per"
    " learning rule.",
    _learning,
)

CRITERION = Figure(
    "criterion",
    "learning",
    "Training steps (left) and seconds (right) until the {part.criterion} is met. Open triangles:"
    " seeds that ended without meeting it, where they ended. {part.lead}",
    "Dot plot of steps and seconds per backend and rule; the table below has medians.",
    _criterion,
)
