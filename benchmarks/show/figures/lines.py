"""A figure against a size, both logarithmic: one panel per label, one row of panels per figure."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.define.metrics import Metric
from benchmarks.show.figures.drawing import Drawing, styled
from benchmarks.show.figures.parts import WIDTH, Titles, legend, log_axis, present, size_axis
from benchmarks.show.figures.style import Look

_COLUMNS = 3


@styled
def lines(
    parts: list[tuple[str, Metric, pd.DataFrame]], size: str, heading: str, look: Look, titles: Titles
) -> Drawing:
    """Lines through the sizes.

    Args:
        parts: (column, its metric, rows that have it with `label`, `rule` and `mode`).
        size: a column of the rows, on the horizontal axes.
        heading: what `size` is, for these axes.
    """
    labels = list(dict.fromkeys(name for *_, rows in parts for name in present(rows)))
    columns = min(_COLUMNS, len(labels))
    blocks = -(-len(labels) // columns)
    width = WIDTH if columns > 1 else 4.6
    panel = 2.4 if len(parts) == 1 else 2.0
    drawing = Drawing(Figure(figsize=(width, 0.7 + panel * blocks * len(parts)), layout="constrained"))
    axes = drawing.figure.subplots(blocks * len(parts), columns, squeeze=False)
    for ax in axes.flat:
        ax.set_visible(False)
    for number, (column, metric, rows) in enumerate(parts):
        for place, label in enumerate(labels):
            block, at = divmod(place, columns)
            ax = axes[block * len(parts) + number, at]
            ax.set_visible(True)
            log_axis(ax, rows[column] * metric.scale, "y")
            size_axis(ax, rows[size])
            ax.set_xlim(rows[size].min() / 1.25, rows[size].max() * 1.25)
            ax.grid(visible=True)
            if number == 0:
                ax.set_title(label)
            if at == 0:
                ax.set_ylabel(metric.heading)
            else:
                ax.tick_params(labelleft=False)
            if number == len(parts) - 1:
                ax.set_xlabel(heading)
            else:
                ax.tick_params(labelbottom=False)
            for (rule, mode), part in rows[rows["label"] == label].groupby(["rule", "mode"], sort=False):
                _line(
                    drawing,
                    ax,
                    part.sort_values(size),
                    (size, column),
                    metric,
                    look,
                    titles,
                    (str(rule), str(mode)),
                )
    every = pd.concat([rows for *_, rows in parts])
    legend(drawing.figure, look, titles, every, lines=False)
    return drawing


def _line(
    drawing: Drawing,
    ax: Axes,
    part: pd.DataFrame,
    axes: tuple[str, str],
    metric: Metric,
    look: Look,
    titles: Titles,
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
        text = (
            f"{row['label']}, {titles.get(rule, rule)}, {mode}, {row[size]}: {metric.quantity(row[column])}"
        )
        drawing.tip(ax, float(row[size]), float(height), text)
