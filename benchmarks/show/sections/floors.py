"""How near a step on a card is to the least time that the card allows: floors and the roofline."""

from pathlib import Path

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import costs as summary
from benchmarks.show import figures as plots
from benchmarks.show.commands import GPU_CHECK
from benchmarks.show.figures import svg
from benchmarks.show.names import Names
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Table


class Floors:
    """Draws and tabulates floors of steps that a case's record counts."""

    def __init__(self, names: Names, folder: Path) -> None:
        self._names = names
        self._folder = folder

    def section(self, rows: pd.DataFrame, lead: str) -> Section:
        """Of cases with their `over` (measured over floor, NaN where no floor is known)."""
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
        size = known.groupby(summary.SIZE, sort=False)["rule"].count().idxmax()  # that with the most cases
        main = known[(known[summary.SIZE] == list(size)).all(axis=1)]  # pyright: ignore
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
            " equations and the spikes that the batch had: benchmarks/define/work.py has every term."
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
        table.figure("floor_s", "floor_s", heading="floor (ms)").text("set by", "floor_by")
        table.figure("step_s", "step_s", heading="measured (ms)")
        return table.figure(
            "over", "over", heading="measured over floor", best_within=["rule", *summary.SIZE]
        ).build()
