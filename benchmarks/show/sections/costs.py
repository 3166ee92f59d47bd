"""The parts on costs: time of a step, memory, scaling, and what comes before the first step."""

from pathlib import Path

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import costs as summary
from benchmarks.show import figures as plots
from benchmarks.show import picks
from benchmarks.show import sentences as headlines
from benchmarks.show.commands import MEASURE, SCALING
from benchmarks.show.figures import svg
from benchmarks.show.names import Names, how
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Table
from benchmarks.store.records import Records

_NETWORKS = (
    "The notebook computes another network, as it is: its row shows what the step of a notebook costs, and is"
    " no member of the comparison."
)


class Costs:
    """Draws and tabulates what `measure` recorded."""

    def __init__(self, records: Records, names: Names, folder: Path) -> None:
        self._records = records
        self._names = names
        self._folder = folder
        self._costs = summary.costs(records)

    def sections(self) -> list[Section]:
        """All of them; without what was never measured."""
        found = (self._speed(), self._memory(), self._growth(), self._scaling(), self._start())
        return [section for section in found if section is not None]

    def _speed(self) -> Section:
        section = Section("speed", "Time of a training step")
        found = self._names.main(self._costs[self._costs["median_s"].notna()])
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
        baseline = main["speedup"].notna().any()
        drawn = plots.dots(
            main,
            "median_s",
            METRICS["step_s"],
            self._names.look,
            self._names.titles,
            spread=("q25_s", "q75_s"),
            samples=samples,
            second="speedup" if baseline else None,
        )
        beside = ", and ×: how many times as fast as the notebook's step of such a rule" if baseline else ""
        section.pictures.append(
            svg.save(
                drawn,
                "step-time",
                self._folder,
                caption="Time of a warm training step (gradient and update), one panel per learning rule. "
                f"Marks and figures: medians{beside}. Bars: quartiles. Small dots: the raw samples. Further"
                f" left is better. {work}",
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
        section.notes += [_NETWORKS] if baseline else []
        section.notes += self._names.other_runs(run)
        if not baseline:
            section.missing = (
                "The BrainPy notebook was not timed in this run, so that no ratio to it is shown. This times"
                " it along with the rest, where BrainPy is installed:"
            )
            section.commands = [MEASURE]
        own = picks.own(main)
        section.picks += picks.speed(own, self._names.titles, work)
        section.findings += headlines.speed(own, self._names.titles)
        section.findings += headlines.baseline(own, self._names.titles) if baseline else []
        return section

    def _times(self, rows: pd.DataFrame, caption: str, *, folded: str = "") -> Table:
        table = Builder(self._names.by_rule(rows), caption)
        self._names.case(table)
        table.figure("step_s", "median_s", heading="median (ms)", best_within=["system", "rule"])
        table.span("quartiles (ms)", "step_s", "q25_s", "q75_s")
        table.span("range (ms)", "step_s", "min_s", "max_s")
        table.count("samples", "samples").count("processes", "processes")
        table.figure("step_ratio", "ratio_rule", heading="× fastest of its rule")
        table.figure("step_ratio", "ratio_all", heading="× fastest of all")
        if rows["speedup"].notna().any():
            table.figure("speedup", "speedup", heading="as fast as the notebook")
        for metric in METRICS.values():
            if metric.measure is not None and rows[metric.column].notna().any():
                table.figure(metric, metric.column, best_within=["system", "rule"])
        return table.build(folded=folded)

    def _memory(self) -> Section:
        section = Section("memory", "Memory")
        costs = self._costs
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
                f"loaded. Strokes: what loading the batch took, for comparison. {work}",
                description="Dot plot of mebibytes per backend, rule and mode; the table below has them.",
            )
        )
        table = Builder(self._names.by_rule(main), "Memory, medians over processes. " + work)
        self._names.case(table)
        table.figure("peak_bytes", "peak_bytes", best_within=["system", "rule"])
        table.figure("batch_bytes", "batch_bytes").count("processes", "memory_processes")
        section.tables.append(table.build())
        grown = summary.growth(self._swept("n_steps", "peak_bytes"))
        section.picks += picks.memory(picks.own(main), grown, self._names.titles, work)
        return section

    def _swept(self, size: str, figure: str, least: int = 2) -> pd.DataFrame:
        """Labelled rows of the newest sweep through sizes, of one machine and run."""
        rows = summary.sweep(self._costs[self._costs[figure].notna()], size, least)
        return rows if rows.empty else self._names.labelled(rows)

    def _growth(self) -> Section:
        rows = self._swept("n_steps", "peak_bytes")
        section = Section("memory-growth", "Memory and the length of a trial")
        if rows.empty:
            section.missing = "Memory was not measured in trials of several lengths. This does it:"
            section.commands = [MEASURE]
            return section
        grown = summary.growth(rows)
        condition = self._condition(rows, "n_steps")
        section.lead = f"{condition} {self._names.run_note(self._names.run_of(rows))}"
        drawn = plots.lines(
            [("peak_bytes", METRICS["peak_bytes"], rows)],
            "n_steps",
            "steps of a trial",
            self._names.look,
            self._names.titles,
        )
        section.pictures.append(
            svg.save(
                drawn,
                "memory-growth",
                self._folder,
                caption="Peak memory of a training step against the number of steps of a trial, both axes "
                "logarithmic. A flat line: memory does not depend on the length. As many times the memory as"
                f" the length: it is proportional to it. {condition}",
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

    def _scaling(self) -> Section:
        section = Section("scaling", "Scaling with neurons and batch")
        for size, heading, stem in (
            ("n_rec", "recurrent neurons", "scaling-neurons"),
            ("batch", "trials per step", "scaling-batch"),
        ):
            parts = [
                (column, METRICS[metric], self._swept(size, column, least=3))  # two may meet by chance
                for column, metric in (("median_s", "step_s"), ("peak_bytes", "peak_bytes"))
            ]
            parts = [part for part in parts if not part[-1].empty]
            if not parts:
                section.missing = (
                    "Time and memory were not measured against the size of the network or of the batch. This"
                    " does it:"
                )
                section.commands = [SCALING]
                continue
            rows = parts[0][-1]
            condition = self._condition(rows, size)
            section.lead = section.lead or self._names.run_note(self._names.run_of(rows))
            section.pictures.append(
                svg.save(
                    plots.lines(parts, size, heading, self._names.look, self._names.titles),
                    stem,
                    self._folder,
                    caption=f"Time and peak memory of a training step against {heading}, all axes"
                    f" logarithmic. Medians. {condition}",
                    description=f"Line plots against {heading}, one column of panels per backend.",
                )
            )
            section.tables.append(self._sizes([rows for *_, rows in parts], size, heading, condition))
        return section

    def _sizes(self, parts: list[pd.DataFrame], size: str, heading: str, condition: str) -> Table:
        rows = pd.concat(parts).drop_duplicates([*summary.RUNNER, size])
        rows["label"] = rows["label"].astype(parts[0]["label"].dtype)
        rows = rows.sort_values(["rule", "label", "mode", size], key=self._names.order, kind="stable")
        table = Builder(rows, f"Against {heading}. {condition}")
        self._names.case(table)
        table.count(heading, size)
        table.figure("step_s", "median_s", heading="median step (ms)")
        table.span("range (ms)", "step_s", "min_s", "max_s").count("samples", "samples")
        table.figure("peak_bytes", "peak_bytes")
        return table.build(folded=f"Figures against {heading}")

    def _condition(self, rows: pd.DataFrame, swept: str) -> str:
        """What rows have in common that differ in one size."""
        first = rows.iloc[0]
        texts = {
            "batch": f"batch {first['batch']}",
            "n_steps": f"trials of {first['n_steps']} steps",
            "n_rec": f"{first['n_rec']} recurrent neurons",
        }
        sizes = [text for name, text in texts.items() if name != swept]
        text = ", ".join(sizes) + how(rows)
        return f"{text[0].upper()}{text[1:]}."

    def _start(self) -> Section | None:
        costs = self._costs
        found = self._names.main(costs[costs[["first_step_s", "import_s"]].notna().any(axis=1)])
        if found is None:
            return None
        run, main, _ = found
        section = Section(
            "start",
            "Before the first step: import and compilation",
            lead=f"What a process pays once. {self._names.work(main)} {self._names.run_note(run)}",
        )
        if main["first_step_s"].notna().any():
            drawn = plots.dots(
                main,
                "first_step_s",
                METRICS["first_step_s"],
                self._names.look,
                self._names.titles,
                reference="import_s",
            )
            section.pictures.append(
                svg.save(
                    drawn,
                    "start",
                    self._folder,
                    caption="The first training step of a process, which includes compiling, or loading what"
                    " an earlier process compiled. Strokes: import of the backend.",
                    description="Dot plot of seconds per backend, rule and mode; the table below has them.",
                )
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
