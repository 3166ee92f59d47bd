"""The part on what makes the comparison fair: every backend computes the published numbers."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import costs as summary
from benchmarks.judge.agreement import PUBLISHED_TOLERANCE, computes_published
from benchmarks.show.commands import PARITY
from benchmarks.show.names import Names
from benchmarks.show.sections.section import Pick, Section
from benchmarks.show.tables import Builder
from benchmarks.store.records import Records
from benchmarks.store.schema import DEVIATIONS

_GRADIENTS = DEVIATIONS[2:]


class Parity:
    """Tabulates what `parity` recorded."""

    def __init__(self, records: Records, names: Names) -> None:
        self._rows = summary.comparisons(records)
        self._names = names

    def sections(self) -> list[Section]:
        """The one section."""
        section = Section("parity", "Why the comparison is fair")
        if self._rows.empty:
            section.missing = (
                "What the backends compute was not held against the published numbers here. This does it:"
            )
            section.commands = [PARITY]
            return [section]
        rows = self._rows.assign(system=summary.SYSTEM, threads="all")
        rows = self._names.labelled(rows, machines=True)
        compared, left_out = rows[rows["status"] != "unavailable"], rows[rows["status"] == "unavailable"]
        section.lead = (
            "One batch in float64, whose spikes, loss and gradients were computed by the TensorFlow code"
            " published with the paper. Deviation: the largest absolute difference over the largest absolute"
            " value published. Rounding explains up to"
            f" {METRICS['deviation'].format(PUBLISHED_TOLERANCE)}; the tests demand that of every case, and"
            " compare more."
        )
        if len(compared):
            table = Builder(self._names.by_rule(compared), "Deviations from the published numbers.")
            self._names.case(table)
            table.figure("spikes", "spikes")
            for name, heading in (
                ("loss", "loss"),
                ("w_in", "dW in"),
                ("w_rec", "dW rec"),
                ("w_out", "dW out"),
            ):
                table.figure("deviation", name, heading=heading)
            table.text("verdict", _verdict, long=True)
            table.text("commit", lambda row: str(row["commit"])[:10])
            section.tables.append(table.build())
            section.picks.append(_pick(compared))
        reasons = dict.fromkeys(" ".join(str(row["reason"]).split()) for _, row in left_out.iterrows())
        section.notes += [f"Not compared: {'; '.join(reasons)}."] if reasons else []
        return [section]


def _verdict(row: Mapping[Hashable, Any]) -> str:
    if computes_published(row):
        return "agrees"
    return f"failed: {' '.join(str(row['reason']).split())}" if row["status"] == "failed" else "deviates"


def _pick(compared: pd.DataFrame) -> Pick:
    """Whether the costs compare at all."""
    holds = [computes_published(record) for record in compared.to_dict("records")]
    good, bad = compared[holds], compared[[not held for held in holds]]
    choice = f"{len(good)} of {len(compared)} cases compute the same"
    text = "Backend, rule and mode against the published code, in float64"
    if len(good):
        worst = METRICS["deviation"].format(float(good[["loss", *_GRADIENTS]].to_numpy().max()))
        text += f": no spike differs, no loss or gradient by more than {worst}"
    if len(bad):
        names = ", ".join(f"{row['label']} {row['rule']} {row['mode']}" for _, row in bad.iterrows())
        text += f". Not so: {names}; their costs do not compare"
    return Pick("Fairness", choice, text + ".")
