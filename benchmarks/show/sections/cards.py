"""The sections on cards: time of a step, beside the backend's own loop and beside the least time there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.define import gpu_plan
from benchmarks.judge import floors
from benchmarks.judge.costs import SIZE
from benchmarks.show import sentences
from benchmarks.show.commands import GPU_CHECK
from benchmarks.show.material import Material
from benchmarks.show.section import Commands, Note, Part, Piece, Section
from benchmarks.show.tables import Builder


@dataclass(frozen=True, kw_only=True)
class Card(Part):
    """The newest run on a card; figures of other machines are in no ratio with it.

    Attributes:
        processes: as measured.
        rows: of `floors.steps`, labelled.
        work: of the size that most cases with a floor have, as a sentence.
    """

    processes: pd.DataFrame
    rows: pd.DataFrame
    work: str = ""

    @property
    def known(self) -> pd.DataFrame:
        """Rows whose floor is known."""
        return self.rows[self.rows["over"].notna()]

    @property
    def main(self) -> pd.DataFrame:
        """Those of the size that most of them have."""
        return floors.main_size(self.known)

    @property
    def under_roofs(self) -> pd.DataFrame:
        """Those that a roofline can show."""
        return floors.under_roofs(self.known) if len(self.known) else self.known

    @property
    def dtype(self) -> str:
        """Of these."""
        return str(self.under_roofs["dtype"].iloc[0])


def _parts(material: Material) -> list[Card]:
    found = floors.newest(material.records)
    if found is None:
        return []
    (run, processes), names = found, material.names
    rows = names.by_rule(names.labelled(floors.steps(material.records, processes)))
    environments = material.records.environments
    card = sentences.cards(environments[environments["machine"] == run.machine])
    part = Card(lead=f"{names.run_note(run)} {card}".strip(), processes=processes, rows=rows)
    return [part if part.known.empty else replace(part, work=names.work(part.main))]


def _cards(material: Material, part: Card) -> Iterator[Piece]:
    rows = part.rows
    table = Builder(rows, "Steps on a card: medians.")
    material.names.case(table)
    table.text("engine", "engine")
    table.count("batch", "batch").count("neurons", "n_rec").count("steps", "n_steps")
    table.figure("step_s", "step_s", heading="wall clock (ms)", best_within=["rule", *SIZE])
    table.figure("step_s", "event_s", heading="events (ms)")
    if rows["loop_s"].notna().any():
        table.figure("step_s", "loop_s", heading="own loop (ms)")
        table.text("its engine", "loop_engine").figure("gain", "gain")
    table.figure("step_s", "load_s", heading="to the card (ms)")
    table.figure("step_s", "unload_s", heading="back (ms)")
    yield table.figure("device_peak_bytes", "device_peak_bytes", heading="peak on the card (MiB)").build()
    yield Note(
        "Wall clock: from the call to the end of all work. Events: the device alone, where a framework has"
        " them. Transfers are no part of a step. Own loop: the backend was told to compute with the"
        " framework's operations, in a process right after the one beside it."
    )
    yield sentences.clocks(part.processes)
    lacks = sorted(set(gpu_plan.FALLBACKS) & set(rows.loc[rows["loop_s"].isna(), "backend"]))
    if lacks and rows.loc[rows["backend"].isin(lacks), "loop_s"].isna().all():
        text = f"The own loop of {', '.join(lacks)} was not timed on this machine. This does it:"
        yield Commands([GPU_CHECK], text)


def _roofline(material: Material, part: Card) -> Iterator[Piece]:
    reasons = dict.fromkeys(part.rows.loc[part.rows["floor_s"].isna(), "no_floor"].dropna())
    if part.known.empty:
        why = f": {'; '.join(reasons)}" if reasons else ""
        text = f"No floor of a step is recorded{why}. Of a card with a data sheet, this counts it:"
        yield Commands([GPU_CHECK], text)
        return
    table = Builder(
        part.known, "What a step computes and moves at least, the floors that follow, and its time."
    )
    material.names.case(table)
    table.count("batch", "batch").count("neurons", "n_rec")
    table.figure("operations", "operations").figure("moved_bytes", "moved_bytes")
    for name in ("memory", "arithmetic", "latency"):
        table.figure("step_s", f"{name}_floor_s", heading=f"{name} (ms)")
    table.figure("floor_s", "floor_s", heading="floor (ms)").text("set by", "floor_by")
    table.figure("step_s", "step_s", heading="measured (ms)")
    table.figure("over", "over", heading="measured over floor", best_within=["rule", *SIZE])
    yield table.build()
    yield Note(
        "Floor: the highest of three: what must move over the bandwidth, what must be computed over the peak"
        " outside of tensor cores, and the time steps one after the other. Counted from the equations and the"
        " spikes that the batch had: benchmarks/define/work.py has every term."
    )
    if reasons:
        yield Note(f"Without a floor: {'; '.join(reasons)}.")


CARDS = Section(
    "cards",
    "On a card",
    _parts,
    _cards,
    missing="Nothing was measured on a card. On a machine that has one, this does it:",
    command=GPU_CHECK,
)

ROOFLINE = Section("roofline", "How near a step is to what the card allows", _parts, _roofline)
