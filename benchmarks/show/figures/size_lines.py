"""A figure against a size, both logarithmic: one panel per label, one row of panels per figure."""

import pandas as pd
from matplotlib.axes import Axes

from benchmarks.define.metrics import Metric
from benchmarks.show.figures.axes import leftmost, legend, log_axis, panels, present, ticked_axis
from benchmarks.show.figures.drawing import Drawing
from benchmarks.show.figures.style import Look
from benchmarks.show.record_texts import in_figure


def lines(columns: list[tuple[str, Metric, pd.DataFrame]], size: str, heading: str, look: Look) -> Drawing:
    """Lines through the sizes.

    Args:
        columns: (column, its metric, rows that have it with `label`, `rule` and `mode`).
        size: a column of the rows, on the horizontal axes.
        heading: what `size` is, for these axes.
    """
    labels = list(dict.fromkeys(name for *_, rows in columns for name in present(rows)))
    drawing, blocks = panels(len(labels), 3, 2.4 if len(columns) == 1 else 2.0, len(columns))
    for label, block in zip(labels, blocks, strict=True):
        for ax, (column, metric, rows) in zip(block, columns, strict=True):
            log_axis(ax, rows[column] * metric.scale, "y")
            ticked_axis(ax, rows[size], ".0f")
            ax.set_xlim(rows[size].min() / 1.25, rows[size].max() * 1.25)
            ax.grid(visible=True)
            if leftmost(ax):
                ax.set_ylabel(metric.heading)
            ax.tick_params(labelleft=leftmost(ax), labelbottom=ax is block[-1])
            for (rule, mode), part in rows[rows["label"] == label].groupby(["rule", "mode"], sort=False):
                case = (str(rule), str(mode))
                _line(drawing, ax, part.sort_values(size), (size, column), metric, look, case)
        block[0].set_title(in_figure(label))
        block[-1].set_xlabel(heading)
    legend(drawing.figure, look, pd.concat([rows for *_, rows in columns]), lines=False)
    return drawing


def _line(
    drawing: Drawing,
    ax: Axes,
    part: pd.DataFrame,
    axes: tuple[str, str],
    metric: Metric,
    look: Look,
    case: tuple[str, str],
) -> None:
    (size, column), (rule, mode) = axes, case
    y = part[column] * metric.scale
    ax.plot(
        part[size],
        y,
        color=look.colour(rule),
        linestyle=look.mode_line(mode),
        marker=look.rule_marker(rule),
        markersize=4.5,
        markerfacecolor="none",
        # Narrower for each rule, so that one shows under another that needs the same.
        linewidth=max(1.1, 3.2 - 1.05 * look.rules.index(rule)),
    )
    for (_, row), height in zip(part.iterrows(), y, strict=True):
        text = f"{row['label']}, {look.title(rule)}, {mode}, {row[size]}: {metric.quantity(row[column])}"
        drawing.tip(ax, float(row[size]), float(height), text)
