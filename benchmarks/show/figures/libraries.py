"""Libraries beside the backends: the time of a step of the same gradient."""

from benchmarks.define.metrics import METRICS
from benchmarks.show.figures.dot_plot import dots
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.material import Material, Part


def _libraries(material: Material, part: Part) -> Drawing | None:
    if part.rows is None or part.rows.empty:
        return None
    look = material.names.look
    return dots(
        part.rows, "median_s", METRICS["step_s"], look, spread=("min_s", "max_s"), second="library_times"
    )


LIBRARIES = Figure(
    "libraries",
    "libraries",
    "Time of a warm training step of libraries and backends that compute the same gradient, one panel per"
    " learning rule. Marks and figures: medians, and ×: how many times as long as the fastest backend's step."
    " Bars: all samples. Further left is better. {part.work}",
    "Dot plot of milliseconds per training step for each library and backend; the table below has them.",
    _libraries,
)
