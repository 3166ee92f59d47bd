"""What the check of counts says."""

from collections.abc import Sequence

from benchmarks.define.counts import COLUMNS
from benchmarks.judge.counts import AS_EXPECTED, WRONG, Judged
from benchmarks.show.columns import columns

_TITLES = {column.name: column.title for column in COLUMNS}
UPDATE = "`make counts-update` and a commit of results/counts.json say that this is meant"


def lines(judged: Sequence[Judged]) -> list[str]:
    """A line for each case, worst first, with what changed of it."""
    order = (*WRONG, AS_EXPECTED)
    ranked = sorted(judged, key=lambda one: order.index(one.verdict) if one.verdict in order else len(order))
    return columns([_cells(one) for one in ranked]) if ranked else []


def headline(judged: Sequence[Judged]) -> str:
    """The outcome in a line."""
    counts = {name: sum(one.verdict == name for one in judged) for name in WRONG}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if told:
        return f"Counts: {told}; {UPDATE}"
    same = sum(one.verdict == AS_EXPECTED for one in judged)
    return f"Counts: all {same} as expected" if same else "Counts: nothing could be compared"


def _cells(one: Judged) -> tuple[str, ...]:
    ratio = "" if one.ratio is None else f"{one.ratio:.4f}"
    changed = "; ".join(
        f"{_TITLES[name]} {_number(pair[0])} -> {_number(pair[1])}" for name, pair in one.changed.items()
    )
    return (*one.key, ratio, one.verdict, one.reason or changed)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
