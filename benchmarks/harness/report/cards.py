"""The parts on cards: time of a step on both clocks, beside the backend's own loop and beside its floor."""

from pathlib import Path

import pandas as pd

from benchmarks.harness import gpu_plan
from benchmarks.harness.records import Records
from benchmarks.harness.report import plots, summary, svg
from benchmarks.harness.report.metrics import METRICS, significant
from benchmarks.harness.report.names import Names
from benchmarks.harness.report.reproduce import GPU_CHECK
from benchmarks.harness.report.section import Section
from benchmarks.harness.report.tables import Builder, Table

_SIZE = ["batch", "n_rec", "n_steps"]
_CASE = ["backend", "rule", "mode", "dtype", "device", *_SIZE]

_THROTTLE = {
    0x1: "idle",
    0x2: "clocks set by an application",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "clocks in step with another card",
    0x20: "temperature, by software",
    0x40: "temperature, by hardware",
    0x80: "power brake",
    0x100: "clocks of the display",
}
"""Bits of NVML's reasons for a lower clock than asked for."""


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
        section.lead = f"{self._names.run_note(run)} {_described(self._records, run.machine)}".strip()
        section.tables.append(self._times(rows))
        section.notes.append(
            "Wall clock: from the call to the end of all work. Events: the device alone, where a framework"
            " has them. Transfers are no part of a step. Own loop: the backend was told to compute with the"
            " framework's operations, in a process right after the one beside it."
        )
        section.notes.append(_clocks(here))
        lacks = sorted(set(gpu_plan.FALLBACKS) & set(rows.loc[rows["loop_s"].isna(), "backend"]))
        if lacks and rows.loc[rows["backend"].isin(lacks), "loop_s"].isna().all():
            section.missing = (
                f"The own loop of {', '.join(lacks)} was not timed on this machine. This does it:"
            )
            section.commands = [GPU_CHECK]
        return [section, self._floors(rows, section.lead)]

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
        table.text("engine", _or_dash("engine"))
        table.count("batch", "batch").count("neurons", "n_rec").count("steps", "n_steps")
        table.figure("step_s", "step_s", heading="wall clock (ms)", best_within=["rule", *_SIZE])
        table.figure("step_s", "event_s", heading="events (ms)")
        if rows["loop_s"].notna().any():
            table.figure("step_s", "loop_s", heading="own loop (ms)")
            table.text("its engine", _or_dash("loop_engine")).figure("gain", "gain")
        table.figure("step_s", "load_s", heading="to the card (ms)")
        table.figure("step_s", "unload_s", heading="back (ms)")
        table.figure("device_peak_bytes", "device_peak_bytes", heading="peak on the card (MiB)")
        return table.build()

    def _floors(self, rows: pd.DataFrame, lead: str) -> Section:
        """How far a step is from what the card allows."""
        section = Section("roofline", "How near a step is to what the card allows", lead=lead)
        known = rows[rows["over"].notna()]
        reasons = dict.fromkeys(rows.loc[rows["floor_s"].isna(), "no_floor"].dropna())
        if known.empty:
            why = f": {'; '.join(reasons)}" if reasons else ""
            section.missing = (
                f"No floor of a step is recorded{why}. Of a card with a data sheet, this counts it:"
            )
            section.commands = [GPU_CHECK]
            return section
        size = known.groupby(_SIZE, sort=False)["rule"].count().idxmax()  # that with the most cases
        main = known[(known[_SIZE] == list(size)).all(axis=1)]  # pyright: ignore
        condition = self._names.work(main)
        section.pictures.append(
            svg.save(
                plots.dots(
                    main.drop_duplicates(["label", "rule", "mode"]),
                    "step_s",
                    METRICS["step_s"],
                    self._names.look,
                    self._names.titles,
                    reference="floor_s",
                    second="over",
                ),
                "floors",
                self._folder,
                caption="Time of a training step on the card, and (strokes) the time that it takes there at"
                f" least; ×: measured over floor. {condition}",
                description="Dot plot of milliseconds and floors per rule and backend; the table below has"
                " the figures.",
            )
        )
        drawn = known[known["dtype"] == known["dtype"].mode().iloc[0]]
        roofs = ["operations", "moved_bytes", "memory_floor_s", "arithmetic_floor_s"]
        drawn = drawn[(drawn[roofs] > 0.0).all(axis=1)]
        if len(drawn):
            section.pictures.append(
                svg.save(
                    plots.roofline(drawn, self._names.look, self._names.titles),
                    "roofline",
                    self._folder,
                    caption="Roofline: operations per second against operations per byte, of steps of all"
                    f" sizes in {drawn['dtype'].iloc[0]}. The line: the bandwidth, then the arithmetic;"
                    " what lies far below it is held back by neither, but by time steps that wait for each"
                    " other.",
                    description="Roofline plot, one panel per backend; the table below has the figures.",
                )
            )
        section.tables.append(self._counts(known))
        section.notes.append(
            "Floor: the highest of three: what must move over the bandwidth, what must be computed over the"
            " peak outside of tensor cores, and the time steps one after the other. Counted from the"
            " equations and the spikes that the batch had: benchmarks/harness/roofline.py has every term."
        )
        if reasons:
            section.notes.append(f"Without a floor: {'; '.join(reasons)}.")
        return section

    def _counts(self, rows: pd.DataFrame) -> Table:
        table = Builder(
            rows, "What a step computes and moves at least, the floors that follow, and its time."
        )
        self._names.case(table)
        table.count("batch", "batch").count("neurons", "n_rec")
        table.figure("operations", "operations").figure("moved_bytes", "moved_bytes")
        for name in ("memory", "arithmetic", "latency"):
            table.figure("step_s", f"{name}_floor_s", heading=f"{name} (ms)")
        table.figure("floor_s", "floor_s", heading="floor (ms)").text("set by", _or_dash("floor_by"))
        table.figure("step_s", "step_s", heading="measured (ms)")
        return table.figure(
            "over", "over", heading="measured over floor", best_within=["rule", *_SIZE]
        ).build()


def _clocks(rows: pd.DataFrame) -> str:
    """Clocks, temperature and power over all processes, as a sentence."""
    parts = []
    for name, text, unit in (
        ("sm_before_mhz", "of the processors before the samples", "MHz"),
        ("sm_mhz", "and after them", "MHz"),
        ("memory_mhz", "of the memory", "MHz"),
        ("temperature_c", "temperature", "°C"),
        ("power_w", "power", "W"),
    ):
        values = rows[name].dropna()
        if len(values):
            ends = list(dict.fromkeys(significant(float(end)) for end in (values.min(), values.max())))
            parts.append(f"{text} {'–'.join(ends)}\u00a0{unit}")
    if not parts:
        return "Clocks of the card were not recorded."
    held = [text for text in dict.fromkeys(_reasons(rows)) if text]
    said = rows["throttle"].notna().any()
    back = f" Held back by: {', '.join(held)}." if held else " Not held back." if said else ""
    return f"Clocks over all processes: {', '.join(parts)}.{back}"


def _reasons(rows: pd.DataFrame) -> list[str]:
    """Why the card was slower than asked for; to be idle after the samples is no such reason."""
    found = []
    for text in rows["throttle"].dropna():
        try:
            mask = int(text, 16)
        except ValueError:
            found.append(str(text))
            continue
        found += [name for bit, name in _THROTTLE.items() if mask & bit and name != "idle"]
    return found


def _or_dash(name: str):
    return lambda row: "–" if pd.isna(row[name]) else str(row[name])


def _described(records: Records, machine: str) -> str:
    """The cards of a machine, as a sentence; "" where nothing is known."""
    rows = records.environments[records.environments["machine"] == machine]
    cards = next((cards for cards in rows["cards"] if isinstance(cards, list) and cards), [])
    parts = [", ".join(f"{name} {value}" for name, value in card.items() if value) for card in cards]
    return f"Card: {'; '.join(parts)}." if parts else ""
