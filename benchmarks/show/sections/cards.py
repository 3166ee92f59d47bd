"""The parts on cards: time of a step on both clocks, beside the backend's own loop and beside its floor."""

from pathlib import Path

import pandas as pd

from benchmarks.define import gpu_plan
from benchmarks.judge import costs as summary
from benchmarks.show.commands import GPU_CHECK
from benchmarks.show.names import Names
from benchmarks.show.sections.clocks import clocks, described
from benchmarks.show.sections.floors import Floors
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Table
from benchmarks.store.records import Records

_CASE = ["backend", "rule", "mode", "dtype", "device", *summary.SIZE]


class Cards:
    """Draws and tabulates what was measured on cards; figures of other machines are in no ratio with them."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder
        rows = records.measurements
        rows = rows[(rows["device"] != "cpu") & (rows["status"] == "ok")]
        self._measured = rows[~summary.of_asv(rows)] if len(rows) else rows

    def sections(self) -> list[Section]:
        """Times and floors; one that says what is missing where there are none."""
        section = Section("cards", "On a card")
        if self._measured.empty:
            section.missing = "Nothing was measured on a card. On a machine that has one, this does it:"
            section.commands = [GPU_CHECK]
            return [section]
        run = summary.timing_runs(self._measured)[0]
        here = run.of(self._measured)
        rows = self._cases(here)
        section.lead = f"{self._names.run_note(run)} {described(self._records, run.machine)}".strip()
        section.tables.append(self._times(rows))
        section.notes.append(
            "Wall clock: from the call to the end of all work. Events: the device alone, where a framework"
            " has them. Transfers are no part of a step. Own loop: the backend was told to compute with the"
            " framework's operations, in a process right after the one beside it."
        )
        section.notes.append(clocks(here))
        lacks = sorted(set(gpu_plan.FALLBACKS) & set(rows.loc[rows["loop_s"].isna(), "backend"]))
        if lacks and rows.loc[rows["backend"].isin(lacks), "loop_s"].isna().all():
            section.missing = (
                f"The own loop of {', '.join(lacks)} was not timed on this machine. This does it:"
            )
            section.commands = [GPU_CHECK]
        return [section, Floors(self._names, self._folder).section(rows, section.lead)]

    def _cases(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A row per case and engine: medians, with the own loop's time and engine."""
        samples = self._records.samples.groupby("measurement")[["step_s", "event_s"]].median()
        rows = rows.join(samples, on="measurement")
        timed = rows["first_step_s"].notna()  # a process that measures memory is warmed up otherwise
        rows = rows.assign(step_s=rows["step_s"].where(timed), event_s=rows["event_s"].where(timed))
        case = [*summary.RUNNER, *summary.WORKLOAD, "machine", "engine"]
        medians = ["step_s", "event_s", "load_s", "unload_s", "device_peak_bytes"]
        medians += ["operations", "moved_bytes", "floor_s"]
        medians += ["memory_floor_s", "arithmetic_floor_s", "latency_floor_s"]
        firsts = ["floor_by", "no_floor"]
        found = rows.groupby(case, dropna=False, sort=False).agg(
            {**dict.fromkeys(medians, "median"), **dict.fromkeys(firsts, "first")}
        )
        found = found.reset_index().merge(self._loops(str(rows["machine"].iloc[0])), on=_CASE, how="left")
        found["over"] = found["step_s"] / found["floor_s"]
        # the same engine twice is no comparison
        found["gain"] = (found["loop_s"] / found["step_s"]).where(found["loop_engine"] != found["engine"])
        return self._names.by_rule(self._names.labelled(found))

    def _loops(self, machine: str) -> pd.DataFrame:
        """Per case: loop_s and loop_engine of the newest run of own loops on this machine."""
        rows = self._records.fallbacks
        rows = rows[(rows["machine"] == machine) & (rows["status"] == "ok")]
        if len(rows):
            rows = summary.timing_runs(rows)[0].of(rows)
        samples = self._records.samples.groupby("measurement")["step_s"].median().rename("loop_s")
        rows = rows.join(samples, on="measurement")
        found = rows.groupby(_CASE, sort=False).agg({"loop_s": "median", "engine": "first"})
        return found.rename(columns={"engine": "loop_engine"}).reset_index()

    def _times(self, rows: pd.DataFrame) -> Table:
        table = Builder(rows, "Steps on a card: medians.")
        self._names.case(table)
        table.text("engine", "engine")
        table.count("batch", "batch").count("neurons", "n_rec").count("steps", "n_steps")
        table.figure("step_s", "step_s", heading="wall clock (ms)", best_within=["rule", *summary.SIZE])
        table.figure("step_s", "event_s", heading="events (ms)")
        if rows["loop_s"].notna().any():
            table.figure("step_s", "loop_s", heading="own loop (ms)")
            table.text("its engine", "loop_engine").figure("gain", "gain")
        table.figure("step_s", "load_s", heading="to the card (ms)")
        table.figure("step_s", "unload_s", heading="back (ms)")
        table.figure("device_peak_bytes", "device_peak_bytes", heading="peak on the card (MiB)")
        return table.build()
