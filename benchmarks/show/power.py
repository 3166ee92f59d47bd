"""How good the gates are: what they are called, and a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.show.columns import columns

TITLES = {"counts": "counts", "pairs": "pairs of processes", "ranks": "ranks, the gate before"}
"""Gate -> for people."""

_HEADER = (
    "gate",
    "backend",
    "busy",
    "slowdown",
    "found",
    "cannot tell",
    "found faster",
    "comparisons",
    "pairs",
)


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each slowdown of each gate, backend and load."""
    told = [
        (
            row["gate"],
            row["backend"],
            str(row["busy"]),
            f"{row['slowdown']:.1%}",
            f"{row['found']:.1%}",
            f"{row['unknown']:.1%}",
            f"{row['reversed']:.1%}",
            str(row["draws"]),
            f"{row['pairs']:.1f}",
        )
        for row in rows
    ]
    return columns([_HEADER, *told]) if told else []
