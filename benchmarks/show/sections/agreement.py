"""The sections on what makes costs compare: all compute the published numbers, and cards what NumPy does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import SYSTEM
from benchmarks.judge import agreement
from benchmarks.show import commands, sentences
from benchmarks.show.material import Material
from benchmarks.show.section import Part, Piece, Section
from benchmarks.show.tables import Builder
from benchmarks.store.schema import DEVIATIONS

_PARITY = (
    "One batch in float64, whose spikes, loss and gradients were computed by the TensorFlow code published"
    " with the paper. Deviation: the largest absolute difference over the largest absolute value published."
    f" Rounding explains up to {METRICS['deviation'].format(agreement.PUBLISHED_TOLERANCE)}; the tests demand"
    " that of every case, and compare more."
)
_BOUNDS = " and ".join(
    f"{METRICS['deviation'].format(bound)} in {dtype}" for dtype, bound in agreement.TOLERANCES.items()
)
_CONFORMANCE = (
    "Random problems of odd sizes against the NumPy backend in float64. Deviation: the largest absolute"
    " difference over the largest absolute value. No spike may differ, and no loss or gradient by more than"
    f" {_BOUNDS}."
)


@dataclass(frozen=True, kw_only=True)
class Held(Part):
    """The newest comparison of each case, labelled: those that ran, with `holds`, and the others."""

    compared: pd.DataFrame
    left_out: pd.DataFrame

    @classmethod
    def of(
        cls, material: Material, rows: pd.DataFrame, lead: str, holds: Callable[[Mapping[Any, Any]], bool]
    ) -> "list[Held]":
        """Nothing where there are no rows."""
        if rows.empty:
            return []
        rows = agreement.newest(rows).assign(system=SYSTEM, threads="all")
        rows = material.names.labelled(rows, machines=True)
        ran = rows["status"] != "unavailable"
        compared = rows[ran].assign(holds=[holds(row) for row in rows[ran].to_dict("records")])
        return [cls(lead=lead, compared=compared, left_out=rows[~ran])]

    def table(self, material: Material, caption: str, *more: str) -> Builder:
        """Case, columns named in `more`, deviations, verdict."""
        table = Builder(material.names.by_rule(self.compared), caption)
        material.names.case(table)
        for name in more:
            table.text(name, name)
        table.figure("spikes", "spikes").figure("deviation", "loss", heading="loss")
        for name in DEVIATIONS[2:]:
            table.figure("deviation", name, heading=f"d{name.replace('w_', 'W ')}")
        return table.text("verdict", sentences.verdict, long=True)


def _commit(row: Mapping[Any, Any]) -> str:
    return str(row["commit"])[:10]


def _parity(material: Material, part: Held) -> Iterator[Piece]:
    if len(part.compared):
        table = part.table(material, "Deviations from the published numbers.")
        yield table.text("commit", _commit).build()
        yield sentences.fairness(part.compared)
    yield from sentences.left_out(part.left_out)


def _conformance(material: Material, part: Held) -> Iterator[Piece]:
    if len(part.compared):
        yield sentences.conformance(material.names.by_rule(part.compared))
        table = part.table(
            material,
            "Deviations from NumPy in float64, of each case the newest comparison.",
            *("dtype", "engine"),
        )
        table.count("seed", "seed").text("commit", _commit)
        yield table.build(folded=f"Deviations of {len(part.compared)} cases")
    yield from sentences.left_out(material.names.by_rule(part.left_out))


PARITY = Section(
    "parity",
    "Why the comparison is fair",
    lambda material: Held.of(material, material.records.parity, _PARITY, agreement.computes_published),
    _parity,
    missing="What the backends compute was not held against the published numbers here. This does it:",
    command=commands.PARITY,
)

CONFORMANCE = Section(
    "card-conformance",
    "Whether the card computes the same",
    lambda material: Held.of(
        material, material.records.conformance, _CONFORMANCE, agreement.computes_as_numpy
    ),
    _conformance,
    missing="What the card computes was not held against NumPy here. This does it:",
    command=commands.GPU_CHECK,
    # where nothing ran on a card, the section on costs there says so
    wanted=lambda material: bool((material.records.measurements["device"] != "cpu").any()),
)
