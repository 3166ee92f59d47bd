"""The sections on what makes costs compare: all compute the published numbers, and cards what NumPy does."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.names import SYSTEM
from benchmarks.judge import agreement
from benchmarks.show import commands, sentences
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Pieces, section
from benchmarks.show.tables import Builder
from benchmarks.store.schema import DEVIATIONS

_deviation = METRICS["deviation"].format
_BOUNDS = " and ".join(f"{_deviation(bound)} in {dtype}" for dtype, bound in agreement.TOLERANCES.items())


def _held(
    material: Material, rows: pd.DataFrame, holds: Callable[[Mapping[Any, Any]], bool]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest comparison of each case, labelled: those that ran, with `holds`, and the others."""
    rows = agreement.newest(rows).assign(system=SYSTEM, threads="all")
    rows = material.names.labelled(rows, machines=True)
    ran = rows["status"] != "unavailable"
    return rows[ran].assign(holds=[holds(row) for row in rows[ran].to_dict("records")]), rows[~ran]


def _deviations(material: Material, rows: pd.DataFrame, caption: str, *more: str) -> Builder:
    """Case, columns named in `more`, deviations and verdict."""
    table = material.names.cases(rows, caption)
    for name in more:
        table.text(name, name)
    table.figure("spikes", "spikes").figure("deviation", "loss", heading="loss")
    for name in DEVIATIONS[2:]:
        table.figure("deviation", name, heading=f"d{name.replace('w_', 'W ')}")
    return table.text("verdict", sentences.verdict, long=True)


def _commit(row: Mapping[Any, Any]) -> str:
    return str(row["commit"])[:10]


@section(
    "parity",
    "Why the comparison is fair",
    "What the backends compute was not held against the published numbers here. This does it:",
    commands.PARITY,
)
def parity(material: Material) -> Pieces:
    """Every backend computes the published numbers."""
    if material.records.parity.empty:
        return
    compared, left_out = _held(material, material.records.parity, agreement.computes_published)
    yield Part(
        lead="One batch in float64, whose spikes, loss and gradients were computed by the TensorFlow code"
        " published with the paper. Deviation: the largest absolute difference over the largest absolute"
        f" value published. Rounding explains up to {_deviation(agreement.PUBLISHED_TOLERANCE)}; the tests"
        " demand that of every case, and compare more."
    )
    if len(compared):
        table = _deviations(material, compared, "Deviations from the published numbers.")
        yield table.text("commit", _commit).build()
        yield sentences.fairness(compared)
    yield from sentences.left_out(left_out)


@section(
    "card-conformance",
    "Whether the card computes the same",
    "What the card computes was not held against NumPy here. This does it:",
    commands.GPU_CHECK,
    # where nothing ran on a card, the section on costs there says so
    wanted=lambda material: bool((material.records.measurements["device"] != "cpu").any()),
)
def conformance(material: Material) -> Pieces:
    """Fresh random problems, held against NumPy in float64."""
    if material.records.conformance.empty:
        return
    held = _held(material, material.records.conformance, agreement.computes_as_numpy)
    compared, left_out = map(material.names.by_rule, held)
    yield Part(
        lead="Random problems against the NumPy backend in float64: of the published size, of a few neurons,"
        " and of more than fit on a chip (wide: more than 128; widest: 1024). Deviation: the largest absolute"
        " difference over the largest absolute value. No spike may differ, and no loss or gradient"
        f" by more than {_BOUNDS}."
    )
    if len(compared):
        yield sentences.conformance(compared)
        caption = "Deviations from NumPy in float64, of each case the newest comparison."
        table = _deviations(material, compared, caption, "dtype", "size", "engine")
        table.count("seed", "seed").text("commit", _commit)
        yield table.build(folded=f"Deviations of {len(compared)} cases")
    yield from sentences.left_out(left_out)
