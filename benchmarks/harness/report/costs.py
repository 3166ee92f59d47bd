"""The parts on costs: time of a step, memory, and what comes before the first step."""

from pathlib import Path

import pandas as pd

from benchmarks.harness.records import Records
from benchmarks.harness.report import headlines, plots, summary, svg
from benchmarks.harness.report.metrics import METRICS
from benchmarks.harness.report.names import Names, threads_text
from benchmarks.harness.report.reproduce import MEASURE
from benchmarks.harness.report.section import Section
from benchmarks.harness.report.tables import Builder, Table


class Costs:
    """Draws and tabulates the newest timing run."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder

    def sections(self) -> list[Section]:
        """All of them; without what was never measured."""
        found = (self._speed(), self._memory(), self._growth(), self._start())
        return [section for section in found if section is not None]

    def _speed(self) -> Section:
        section = Section("speed", "Time of a training step")
        costs = summary.costs(self._records)
        found = self._names.main(costs[costs["median_s"].notna()])
        if found is None:
            section.missing = "No step was timed: seconds per training step are missing. This measures them:"
            section.commands = [MEASURE]
            return section
        run, main, others = found
        work = self._names.work(main)
        section.lead = f"{work} {self._names.run_note(run)}"
        samples = summary.samples_of(self._records, main).merge(
            main[[*summary.RUN, *summary.WORKLOAD, *summary.RUNNER, "label"]],
            on=[*summary.RUN, *summary.WORKLOAD, *summary.RUNNER],
        )
        drawn = plots.dots(
            main, "median_s", METRICS["step_s"], self._names.look, self._names.titles, samples=samples
        )
        section.pictures.append(
            svg.save(
                drawn,
                "step-time",
                self._folder,
                caption="Time of a warm training step (gradient and update), one panel per learning rule. "
                "Marks and figures: medians. Small dots: the raw samples. Further left is better. "
                f"{work}",
                description="Dot plot of milliseconds per training step for each backend, rule and mode; the "
                "table below has the figures.",
            )
        )
        section.tables.append(self._times(main, "Time of a training step. " + work))
        section.tables += [
            self._times(
                part, "Time of a training step. " + self._names.work(part), folded=self._names.work(part)
            )
            for part in others
        ]
        section.notes += self._names.other_runs(run)
        section.findings += headlines.speed(main, self._names.titles)
        return section

    def _times(self, rows: pd.DataFrame, caption: str, *, folded: str = "") -> Table:
        table = Builder(self._names.by_rule(rows), caption)
        self._names.case(table)
        table.figure("step_s", "median_s", heading="median (ms)", best_within=["rule"])
        table.span("quartiles (ms)", "step_s", "q25_s", "q75_s")
        table.span("range (ms)", "step_s", "min_s", "max_s")
        table.count("samples", "samples").count("processes", "processes")
        table.figure("step_ratio", "ratio_rule", heading="× fastest of its rule")
        table.figure("step_ratio", "ratio_all", heading="× fastest of all")
        return table.build(folded=folded)

    def _memory(self) -> Section:
        section = Section("memory", "Memory")
        costs = summary.costs(self._records)
        found = self._names.main(costs[costs["peak_bytes"].notna()], costs[costs["median_s"].notna()])
        if found is None:
            section.missing = "No memory was measured. It is measured along with the time of a step:"
            section.commands = [MEASURE]
            return section
        run, main, _ = found
        work = self._names.work(main)
        section.lead = f"{work} {self._names.run_note(run)}"
        drawn = plots.dots(
            main,
            "peak_bytes",
            METRICS["peak_bytes"],
            self._names.look,
            self._names.titles,
            reference="batch_bytes",
        )
        section.pictures.append(
            svg.save(
                drawn,
                "memory",
                self._folder,
                caption="Peak memory of training steps: growth of the process above its state with the batch "
                f"loaded. Bars: what loading the batch took, for comparison. {work}",
                description="Dot plot of mebibytes per backend, rule and mode; the table below has them.",
            )
        )
        table = Builder(
            self._names.by_rule(main), "Memory, medians over processes. " + self._names.work(main)
        )
        self._names.case(table)
        table.figure("peak_bytes", "peak_bytes", best_within=["rule"])
        table.figure("batch_bytes", "batch_bytes").count("processes", "memory_processes")
        section.tables.append(table.build())
        return section

    def _growth(self) -> Section | None:
        rows = summary.sweeps(summary.costs(self._records))
        if rows.empty:
            return None
        run = self._names.newest(rows)
        rows = self._names.labelled(run.of(rows))
        # One workload apart from the length: batch and size of the network of the most rows.
        alike = ["system", "dtype", "batch", "n_rec"]
        rows = max((part for _, part in rows.groupby(alike)), key=len)
        rows = self._names.labelled(rows)
        grown = summary.growth(rows)
        first = rows.iloc[0]
        condition = (
            f"Batch {first['batch']}, {first['n_rec']} recurrent neurons, {first['dtype']}, "
            f"{threads_text(rows['threads'])}."
        )
        section = Section(
            "memory-growth",
            "Memory and the length of a trial",
            lead=f"{condition} {self._names.run_note(run)}",
        )
        section.pictures.append(
            svg.save(
                plots.growth(rows, self._names.look, self._names.titles),
                "memory-growth",
                self._folder,
                caption="Peak memory of a training step against the number of steps of a trial, both axes "
                f"logarithmic. A flat line: memory does not depend on the length. {condition}",
                description="Line plots of memory against trial length, one panel per backend.",
            )
        )
        grown = grown.merge(rows[[*summary.RUNNER, "label"]].drop_duplicates(), on=summary.RUNNER)
        grown["label"] = grown["label"].astype(rows["label"].dtype)
        table = Builder(self._names.by_rule(grown), f"How peak memory grows with the trial. {condition}")
        self._names.case(table)
        table.span("steps of a trial", "step", "shortest", "longest")
        table.figure("peak_bytes", "shortest_bytes", heading="at the shortest (MiB)")
        table.figure("peak_bytes", "longest_bytes", heading="at the longest (MiB)")
        table.figure("bytes_per_step", "bytes_per_step", best_within=["rule"])
        section.tables.append(table.build())
        section.findings += headlines.memory(grown)
        return section

    def _start(self) -> Section | None:
        costs = summary.costs(self._records)
        found = self._names.main(costs[costs[["first_step_s", "import_s"]].notna().any(axis=1)])
        if found is None:
            return None
        run, main, _ = found
        section = Section(
            "start",
            "Before the first step",
            lead=f"What a process pays once. {self._names.work(main)} {self._names.run_note(run)}",
        )
        table = Builder(
            self._names.by_rule(main),
            "Import of the backend, building the learner, loading the batch, and the first training step, "
            f"which includes compiling, or loading what an earlier process compiled. Medians over "
            f"processes. {self._names.work(main)}",
        )
        self._names.case(table)
        for name in ("import_s", "build_s", "load_s", "first_step_s"):
            table.figure(name, name)
        table.figure("step_s", "median_s", heading="warm step (ms)")
        section.tables.append(table.build())
        return section
