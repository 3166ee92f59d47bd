"""The part on cards: both clocks, transfers, memory on the device, and the floor of a step beside it."""

from typing import Any

import pandas as pd

from benchmarks.harness.records import Records
from benchmarks.harness.report import summary
from benchmarks.harness.report.metrics import Metric, significant
from benchmarks.harness.report.names import Names
from benchmarks.harness.report.section import Section
from benchmarks.harness.report.tables import Builder

GPU_CHECK = "make gpu-check"
_MS = Metric("time", "ms", "lower", 1e3, significant)
_MIB = Metric("memory", "MiB", "lower", 2.0**-20, significant)
_TIMES = Metric("times", "×", "lower", 1.0, significant)


class Cards:
    """Tabulates what was measured on cards; figures of other machines are in no ratio with them."""

    def __init__(self, records: Records, names: Names) -> None:
        self._records = records
        self._names = names

    def sections(self) -> list[Section]:
        """The one section."""
        section = Section("cards", "On a card")
        rows = self._records.measurements
        rows = rows[(rows["device"] != "cpu") & (rows["status"] == "ok")]
        rows = rows[~summary.of_asv(rows)] if len(rows) else rows
        if rows.empty:
            section.missing = "Nothing was measured on a card. On a machine that has one, this does it:"
            section.commands = [GPU_CHECK]
            return [section]
        run = summary.timing_runs(rows)[0]
        rows = run.of(rows)
        section.lead = f"{self._names.run_note(run)} {_described(self._records, run.machine)}".strip()
        section.tables.append(self._table(rows))
        section.notes.append(
            "Wall clock: from the call to the end of all work. Events: the device alone, where a framework"
            " has them. Transfers are no part of a step. Floor: the highest of what must move over the"
            " bandwidth, what must be computed over the peak, and the time steps one after the other; every"
            " term is in benchmarks/harness/roofline.py."
        )
        return [section]

    def _table(self, rows: pd.DataFrame) -> Any:
        samples = self._records.samples.groupby("measurement")[["step_s", "event_s"]].median()
        rows = rows.join(samples, on="measurement")
        timed = rows["first_step_s"].notna()
        rows = rows.assign(step_s=rows["step_s"].where(timed))
        case = [*summary.RUNNER, *summary.WORKLOAD, "engine"]
        figures = ["step_s", "event_s", "load_s", "unload_s", "device_peak_bytes", "floor_s"]
        found = rows.groupby(case, dropna=False, sort=False).agg(
            {**dict.fromkeys(figures, "median"), "floor_by": "first"}
        )
        found = found.reset_index()
        found["over"] = found["step_s"] / found["floor_s"]
        found = self._names.by_rule(self._names.labelled(found))
        table = Builder(found, "Steps on a card: medians.")
        self._names.case(table)
        table.text("engine", lambda row: "–" if pd.isna(row["engine"]) else str(row["engine"]))
        table.count("batch", "batch").count("neurons", "n_rec").count("steps", "n_steps")
        table.figure(_MS, "step_s", heading="wall clock (ms)")
        table.figure(_MS, "event_s", heading="events (ms)")
        table.figure(_MS, "load_s", heading="to the card (ms)")
        table.figure(_MS, "unload_s", heading="back (ms)")
        table.figure(_MIB, "device_peak_bytes", heading="peak on the card (MiB)")
        table.figure(_MS, "floor_s", heading="floor (ms)")
        table.text("set by", lambda row: "–" if pd.isna(row["floor_by"]) else str(row["floor_by"]))
        table.figure(_TIMES, "over", heading="measured over floor")
        return table.build()


def _described(records: Records, machine: str) -> str:
    """The cards of a machine, as a sentence; "" where nothing is known."""
    rows = records.environments[records.environments["machine"] == machine]
    cards = next((cards for cards in rows["cards"] if isinstance(cards, list) and cards), [])
    parts = [", ".join(f"{name} {value}" for name, value in card.items() if value) for card in cards]
    return f"Card: {'; '.join(parts)}." if parts else ""
