"""The table of `gpu-check --tune`: each choice about the kernels beside its default."""

from benchmarks.judge.kernel_choices import Choice, Timed, choices
from benchmarks.show.columns import columns

_WIDTH = 100


def table(timed: Timed) -> str:
    """A line for each variant, and which of them gain more than noise."""
    found = choices(timed)
    rows = [["", "ms", "of defaults", "drift", "deviation", "spikes"], *map(_cells, found)]
    lines = columns(rows)
    lines += [f"failed: {one.name}: {_first(one.reason)}" for one in found if one.reason]
    faster = sorted((one for one in found if one.faster), key=lambda one: one.share or 0.0)
    lines += [f"faster: {one.name}: {one.share:.3f} of the defaults" for one in faster]
    if not faster:
        lines.append("no choice is faster than the defaults by more than noise")
    return "\n".join(lines)


def _cells(one: Choice) -> list[str]:
    numbers = ((one.step_ms, ".4g"), (one.share, ".3f"), (one.drift, ".3f"), (one.deviation, ".1e"))
    cells = ["-" if value is None else format(value, spec) for value, spec in numbers]
    return [one.name, *cells, "-" if one.spikes is None else str(one.spikes)]


def _first(text: str | None) -> str:
    return ((text or "").strip().splitlines() or [""])[0][:_WIDTH]
