"""The part on whether a card computes the same: fresh random problems, held against NumPy in float64."""

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import SYSTEM
from benchmarks.judge.agreement import TOLERANCES, computes_as_numpy
from benchmarks.show.commands import GPU_CHECK
from benchmarks.show.names import Names
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Row, Table
from benchmarks.store.records import Records

_CASE = ["machine", "backend", "rule", "mode", "dtype", "device"]


class Conformance:
    """Tabulates what `gpu-check` compared; of each case the newest comparison."""

    def __init__(self, records: Records, names: Names) -> None:
        rows = records.conformance.sort_values("started", kind="stable")
        self._rows = rows.drop_duplicates(_CASE, keep="last")
        self._names = names
        self._measured = (records.measurements["device"] != "cpu").any()

    def sections(self) -> list[Section]:
        """The one section; none where nothing ran on a card, as the part on costs there says so."""
        section = Section("card-conformance", "Whether the card computes the same")
        if self._rows.empty:
            if not self._measured:
                return []
            section.missing = "What the card computes was not held against NumPy here. This does it:"
            section.commands = [GPU_CHECK]
            return [section]
        rows = self._rows.assign(system=SYSTEM, threads="all")
        rows = self._names.by_rule(self._names.labelled(rows, machines=True))
        compared, left_out = rows[rows["status"] != "unavailable"], rows[rows["status"] == "unavailable"]
        holds = pd.Series(
            [computes_as_numpy(row) for row in compared.to_dict("records")], compared.index, dtype=bool
        )
        bounds = " and ".join(
            f"{METRICS['deviation'].format(bound)} in {dtype}" for dtype, bound in TOLERANCES.items()
        )
        section.lead = (
            "Random problems of odd sizes against the NumPy backend in float64. Deviation: the largest"
            f" absolute difference over the largest absolute value. No spike may differ, and no loss or"
            f" gradient by more than {bounds}."
        )
        if len(compared):
            wrong = [
                f"{row['label']} {row['rule']} {row['mode']} {row['dtype']} (seed {row['seed']})"
                for row in compared[~holds].to_dict("records")
            ]
            found = f"{int(holds.sum())} of {len(compared)} cases compute what NumPy does"
            section.findings.append(
                found + (f". Not so: {', '.join(wrong)}; their costs do not compare." if wrong else ".")
            )
            section.tables.append(self._table(compared))
        reasons = dict.fromkeys(" ".join(str(reason).split()) for reason in left_out["reason"])
        section.notes += [f"Not compared: {'; '.join(reasons)}."] if reasons else []
        return [section]

    def _table(self, rows: pd.DataFrame) -> Table:
        table = Builder(rows, "Deviations from NumPy in float64, of each case the newest comparison.")
        self._names.case(table)
        table.text("dtype", "dtype").text("engine", "engine")
        table.figure("spikes", "spikes").figure("deviation", "loss", heading="loss")
        for name in ("w_in", "w_rec", "w_out"):
            table.figure("deviation", name, heading=f"d{name.replace('w_', 'W ')}")
        table.text("verdict", _verdict, long=True).count("seed", "seed")
        table.text("commit", lambda row: str(row["commit"])[:10])
        return table.build(folded=f"Deviations of {len(rows)} cases")


def _verdict(row: Row) -> str:
    if computes_as_numpy(row):
        return "agrees"
    return f"failed: {' '.join(str(row['reason']).split())}" if row["status"] == "failed" else "deviates"
