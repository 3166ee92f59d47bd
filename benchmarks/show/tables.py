"""Tables of the report, as rows of texts that both templates print."""

from collections.abc import Callable, Hashable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.judge.statistics import CONFIDENCE

BAND = f"{CONFIDENCE:.0%}".replace("%", "\u00a0%")
"""How sure intervals and bands are, e.g. 95 %."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and the number to sort by where it is one."""

    text: str
    value: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Column:
    """A heading; numbers are aligned to the right. `long`: its texts may take several lines."""

    heading: str
    number: bool = False
    long: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption: what it shows, and under which conditions.

    `folded`: what the page shows until the table is asked for; "" shows the table at once.
    `grouped`: rows with the same first cell belong together.
    """

    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    folded: str = ""
    grouped: bool = False


Row = Mapping[Hashable, Any]
OfMetric = str | Callable[[Row], str]


def _metric(metric: OfMetric, row: Row) -> Metric:
    return METRICS[metric(row) if callable(metric) else metric]


@dataclass
class Builder:
    """Turns a frame into a table, column by column."""

    frame: pd.DataFrame
    caption: str
    columns: list[Column] = field(default_factory=list)
    cells: list[list[Cell]] = field(default_factory=list)

    def text(self, heading: str, of: str | Callable[[Row], str], *, long: bool = False) -> "Builder":
        """A column of texts: a column of the frame (a dash where it has none), or a function of its rows."""
        get = of if callable(of) else lambda row: "–" if pd.isna(row[of]) else str(row[of])
        self.columns.append(Column(heading, long=long))
        self.cells.append([Cell(get(row)) for row in self._records])
        return self

    def figure(
        self, metric: OfMetric, of: str, *, heading: str = "", best_within: list[str] | None = None
    ) -> "Builder":
        """A column of figures, formatted as the metric says.

        Args:
            metric: its name in `METRICS`, or a function that gives the name for a row.
            of: the column of the frame.
            heading: instead of the metric's.
            best_within: mark the best figure among rows that agree in these columns, if they have several.
        """
        best = self._best(of, metric, best_within) if best_within is not None else set()
        heading = heading or METRICS[str(metric)].heading
        return self._numbers(heading, of, lambda row: _metric(metric, row).format(row[of]), best)

    def count(self, heading: str, of: str) -> "Builder":
        """A column of whole numbers."""
        return self._numbers(heading, of, lambda row: "–" if pd.isna(row[of]) else f"{row[of]}")

    def span(self, heading: str, metric: OfMetric, low: str, high: str) -> "Builder":
        """A column "low – high"; one figure where both print alike."""

        def text(row: Row) -> str:
            return " – ".join(dict.fromkeys(_metric(metric, row).format(row[end]) for end in (low, high)))

        return self._numbers(heading, low, text)

    def _numbers(
        self, heading: str, of: str, text: Callable[[Row], str], best: Set[int] = frozenset()
    ) -> "Builder":
        self.columns.append(Column(heading, number=True))
        self.cells.append(
            [
                Cell(text(row), None if pd.isna(row[of]) else float(row[of]), index in best)
                for index, row in enumerate(self._records)
            ]
        )
        return self

    def build(self, *, folded: str = "") -> Table:
        """The table; grouped where its first column repeats."""
        rows = [list(row) for row in zip(*self.cells, strict=True)]
        grouped = len({row[0].text for row in rows}) < len(rows)
        return Table(self.caption, self.columns, rows, folded, grouped)

    @cached_property
    def _records(self) -> list[dict[Hashable, Any]]:
        return self.frame.to_dict("records")

    def _best(self, of: str, metric: OfMetric, within: list[str]) -> set[int]:
        frame = self.frame.reset_index(drop=True)
        found: set[int] = set()
        groups = frame.groupby(within, dropna=False) if within else [("", frame)]
        for _, part in groups:
            values = part[of].dropna()
            if len(values) > 1:
                best = values.min() if METRICS[str(metric)].better == "lower" else values.max()
                found.update(int(index) for index in values.index[values == best])  # pyright: ignore
        return found
