"""Costs of a step by backend, rule and mode: time, memory, how both grow, and what comes before the first."""

from typing import Any

from benchmarks.define.metrics import METRICS
from benchmarks.show.figures.dot_plot import dots
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.figures.size_lines import lines
from benchmarks.show.material import Material, Part


def _step_time(material: Material, part: Part) -> Drawing:
    return dots(
        part.rows,
        "median_s",
        METRICS["step_s"],
        material.names.look,
        spread=("q25_s", "q75_s"),
        samples=part.samples,
        second="speedup" if part.baseline else None,
    )


def _memory(material: Material, part: Part) -> Drawing:
    look = material.names.look
    return dots(part.rows, "peak_bytes", METRICS["peak_bytes"], look, reference="batch_bytes")


def _memory_growth(material: Material, part: Part) -> Drawing:
    columns = [("peak_bytes", METRICS["peak_bytes"], part.rows)]
    return lines(columns, "n_steps", "steps of a trial", material.names.look)


def _scaling(size: str, heading: str) -> Any:
    def draw(material: Material, part: Part) -> Drawing | None:
        columns = part.columns[size]
        return lines(columns, size, heading, material.names.look) if columns else None

    return draw


def _start(material: Material, part: Part) -> Drawing | None:
    if part.rows["first_step_s"].isna().all():
        return None
    look = material.names.look
    return dots(part.rows, "first_step_s", METRICS["first_step_s"], look, reference="import_s")


STEP_TIME = Figure(
    "step-time",
    "speed",
    "Time of a warm training step (gradient and update), one panel per learning rule. Marks and figures:"
    " medians{part.beside}. Bars: quartiles. Small dots: the raw samples. Further left is better."
    " {part.work}",
    "Dot plot of milliseconds per training step for each backend, rule and mode; the table below has the"
    " figures.",
    _step_time,
)

MEMORY = Figure(
    "memory",
    "memory",
    "Peak memory of training steps: growth of the process above its state with the batch loaded. Strokes:"
    " what loading the batch took, for comparison. {part.work}",
    "Dot plot of mebibytes per backend, rule and mode; the table below has them.",
    _memory,
)

MEMORY_GROWTH = Figure(
    "memory-growth",
    "memory-growth",
    "Peak memory of a training step against the number of steps of a trial, both axes logarithmic. A flat"
    " line: memory does not depend on the length. As many times the memory as the length: it is proportional"
    " to it. {part.condition}",
    "Line plots of memory against trial length, one panel per backend.",
    _memory_growth,
)

SCALING_NEURONS, SCALING_BATCH = (
    Figure(
        name,
        "scaling",
        f"Time and peak memory of a training step against {heading}, all axes logarithmic. Medians."
        f" {{part.conditions[{size}]}}",
        f"Line plots against {heading}, one column of panels per backend.",
        _scaling(size, heading),
    )
    for name, size, heading in (
        ("scaling-neurons", "n_rec", "recurrent neurons"),
        ("scaling-batch", "batch", "trials per step"),
    )
)

START = Figure(
    "start",
    "start",
    "The first training step of a process, which includes compiling, or loading what an earlier process"
    " compiled. Strokes: import of the backend.",
    "Dot plot of seconds per backend, rule and mode; the table below has them.",
    _start,
)
