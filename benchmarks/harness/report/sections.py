"""The parts of the report, in their order: each with what it shows, or which command adds what is missing."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import implementations as impl
from benchmarks.harness.records import Records
from benchmarks.harness.report import headlines, plots, reproduce, summary, svg
from benchmarks.harness.report.metrics import METRICS
from benchmarks.harness.report.reproduce import MEASURE, TRAIN
from benchmarks.harness.report.style import Look, ordered
from benchmarks.harness.report.tables import Builder, Table
from implementations import rules

REPORT = "python -m benchmarks report"


@dataclass
class Section:
    """One part of the report. Texts are plain; `commands` are code, `missing` says what they would add."""

    ident: str
    title: str
    lead: str = ""
    pictures: list[svg.Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: str = ""
    commands: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All that the templates print."""

    headlines: list[str]
    sections: list[Section]


def compose(records: Records, folder: Path) -> Report:
    """Compute the report and draw its figures into `folder`."""
    return _Composer(records, folder).compose()


class _Composer:
    def __init__(self, records: Records, folder: Path) -> None:
        self._records = records
        self._folder = folder
        self._titles = {name: rules.get(name).title for name in impl.RULES}
        both = pd.concat([frame[["rule", "mode"]] for frame in (records.runs, records.measurements)])
        self._rules = ordered(both["rule"], impl.RULES)
        self._look = Look(self._rules, ordered(both["mode"], rules.MODES))
        # Machines are told apart by letters; their digests are in the table of machines.
        machines = dict.fromkeys(records.environments["machine"])
        self._letters = {str(machine): _letter(index) for index, machine in enumerate(machines)}
        self._sentences: list[str] = []

    def compose(self) -> Report:
        sections = [
            *self._learning(),
            self._speed(),
            self._memory(),
            self._growth(),
            self._start(),
            self._incomplete(),
            self._machines(),
            self._problems(),
            self._reproduce(),
        ]
        sentences = [sentence[0].upper() + sentence[1:] for sentence in self._sentences]
        return Report(sentences, [section for section in sections if section is not None])

    # Training ----------------------------------------------------------------------------------------------

    def _learning(self) -> list[Section]:
        names = summary.experiments(self._records)
        if not names:
            return [
                Section(
                    "learning",
                    "How well each rule learns",
                    missing="No training run is recorded: accuracy curves, final accuracy and the stopping "
                    "criterion are missing. This adds them:",
                    commands=[f"{TRAIN} --seeds 3"],
                )
            ]
        return [self._experiment(name, index, len(names)) for index, name in enumerate(names)]

    def _experiment(self, name: str, index: int, count: int) -> Section:
        rows = summary.training(self._records)
        rows = self._labelled(rows[rows["experiment"] == name], machines=True)
        points = summary.curves(self._records)
        points = points[points["experiment"] == name].merge(
            rows[[*summary.TRAINING, "label"]], on=summary.TRAINING
        )
        finals = summary.finals(self._records)[["file", "criterion_step"]]
        points = points.merge(finals, on="file")
        points["label"] = points["label"].astype(rows["label"].dtype)
        figure = summary.figure_of(points)
        metric = METRICS[figure]
        settings = self._records.runs.set_index("experiment")["settings"]
        chosen: Mapping[str, Any] = settings[[name]].iloc[0]
        condition = self._condition(rows, chosen)
        suffix = "" if count == 1 else f"-{index + 1}"
        section = Section(
            f"learning{suffix}",
            "How well each rule learns" + ("" if index == 0 else f": other settings ({index})"),
            lead=condition,
        )
        look = Look(self._rules, ordered(points["mode"], rules.MODES))
        drawn = plots.learning(points, figure, look, self._titles, _chance(chosen, figure))
        section.pictures.append(
            svg.save(
                drawn,
                f"learning{suffix}",
                self._folder,
                caption=f"{metric.name.capitalize()} on fresh trials against training steps (left) and"
                " seconds of training steps alone (right: no data, evaluation or compilation). Thin lines:"
                " seeds. Thick line and band: their median and range, as far as all seeds go. Triangles on"
                f" top: a seed meets the stopping criterion. {condition}",
                description=f"Line plots of {metric.name} over training, one row for each of: "
                f"{', '.join(rows['label'].cat.categories)}; one line per learning rule.",
            )
        )
        rows = rows.sort_values(["label", "rule"], key=self._order)
        start = Builder(
            rows,
            f"Final {metric.name}: median and range over seeds of each seed's median over its last "
            f"{summary.FINAL_STEPS} training steps.",
        )
        start.text("backend", "label").text("rule", self._rule)
        if rows["mode"].nunique() > 1:
            start.text("mode", "mode")
        start.count("seeds", "seeds")
        start.figure(metric, "final", heading=f"final {metric.heading}", best_within=["label"])
        start.span("range", figure, "final_min", "final_max")
        start.span("training steps", "step", "least_steps", "most_steps")
        start.figure("train_s", "train_s")
        section.tables.append(start.build())
        section.tables.append(self._criterion(rows))
        unfinished = int(rows["unfinished"].sum())
        if unfinished:
            section.notes.append(
                f"{unfinished} of {int(rows['seeds'].sum())} runs have no end: interrupted, or still running."
                " They count as far as they went."
            )
        if rows["machine"].nunique() > 1:
            section.notes.append(
                "The runs come from several machines, each shown on its own: their seconds do not compare."
            )
        if index == 0:
            self._sentences += headlines.learning(rows, self._titles)
            if figure == "test_accuracy":
                self._sentences += headlines.accuracy(rows, self._titles)
        return section

    def _criterion(self, rows: pd.DataFrame) -> Table:
        table = Builder(
            rows,
            "Until the published stopping criterion (error of a validation batch below 7\u00a0%, then also"
            " the mean of 8 fresh batches): medians and ranges over the seeds that met it.",
        )
        table.text("backend", "label").text("rule", self._rule)
        if rows["mode"].nunique() > 1:
            table.text("mode", "mode")
        table.text("seeds that met it", lambda row: f"{row['met']} of {row['seeds']}")
        table.figure("step", "criterion_step", heading="median training steps", best_within=["label"])
        table.span("range", "step", "criterion_step_min", "criterion_step_max")
        table.figure("train_s", "criterion_s", heading="median seconds", best_within=["machine"])
        table.span("range (s)", "train_s", "criterion_s_min", "criterion_s_max")
        return table.build()

    def _condition(self, rows: pd.DataFrame, settings: Mapping[str, Any]) -> str:
        first = rows.iloc[0]
        network = _object(settings, "network")
        sizes = [network.get(name) for name in ("n_in", "n_regular", "n_adaptive", "n_out")]
        parts = [f"Task {str(first['task']).replace('_', ' ')}"]
        if self._records.runs["system"].nunique() > 1:
            parts.append(f"system {first['system']}")
        if all(isinstance(size, int) for size in sizes):
            n_in, regular, adaptive, n_out = sizes
            parts.append(f"{n_in} inputs, {regular} regular and {adaptive} adaptive neurons, {n_out} outputs")
        parts += [f"batch {first['batch']}", str(first["dtype"]), _threads(rows["threads"])]
        rate = _object(settings, "optimizer").get("learning_rate")
        if rate is not None:
            parts.append(f"learning rate {rate:g}")
        if settings.get("test_trials") is not None:
            parts.append(f"{settings['test_trials']} fresh test trials per point")
        return "; ".join(parts) + "."

    # Costs -------------------------------------------------------------------------------------------------

    def _speed(self) -> Section:
        section = Section("speed", "Time of a training step")
        costs = summary.costs(self._records)
        found = self._main(costs[costs["median_s"].notna()])
        if found is None:
            section.missing = "No step was timed: seconds per training step are missing. This measures them:"
            section.commands = [MEASURE]
            return section
        run, main, others = found
        section.lead = f"{self._work(main)} {self._run_note(run)}"
        samples = summary.samples_of(self._records, main).merge(
            main[[*summary.RUN, *summary.WORKLOAD, *summary.RUNNER, "label"]],
            on=[*summary.RUN, *summary.WORKLOAD, *summary.RUNNER],
        )
        drawn = plots.dots(main, "median_s", METRICS["step_s"], self._look, self._titles, samples=samples)
        section.pictures.append(
            svg.save(
                drawn,
                "step-time",
                self._folder,
                caption="Time of a warm training step (gradient and update), one panel per learning rule. "
                "Marks and figures: medians. Small dots: the raw samples. Further left is better. "
                f"{self._work(main)}",
                description="Dot plot of milliseconds per training step for each backend, rule and mode; the "
                "table below has the figures.",
            )
        )
        section.tables.append(self._times(main, "Time of a training step. " + self._work(main)))
        section.tables += [
            self._times(part, "Time of a training step. " + self._work(part), folded=self._work(part))
            for part in others
        ]
        section.notes += self._other_runs(run)
        self._sentences += headlines.speed(main, self._titles)
        return section

    def _times(self, rows: pd.DataFrame, caption: str, *, folded: str = "") -> Table:
        table = Builder(self._by_rule(rows), caption)
        self._case(table)
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
        found = self._main(costs[costs["peak_bytes"].notna()], costs[costs["median_s"].notna()])
        if found is None:
            section.missing = "No memory was measured. It is measured along with the time of a step:"
            section.commands = [MEASURE]
            return section
        run, main, _ = found
        section.lead = f"{self._work(main)} {self._run_note(run)}"
        drawn = plots.dots(
            main, "peak_bytes", METRICS["peak_bytes"], self._look, self._titles, reference="batch_bytes"
        )
        section.pictures.append(
            svg.save(
                drawn,
                "memory",
                self._folder,
                caption="Peak memory of training steps: growth of the process above its state with the batch "
                f"loaded. Bars: what loading the batch took, for comparison. {self._work(main)}",
                description="Dot plot of mebibytes per backend, rule and mode; the table below has them.",
            )
        )
        table = Builder(self._by_rule(main), "Memory, medians over processes. " + self._work(main))
        self._case(table)
        table.figure("peak_bytes", "peak_bytes", best_within=["rule"])
        table.figure("batch_bytes", "batch_bytes").count("processes", "memory_processes")
        section.tables.append(table.build())
        return section

    def _growth(self) -> Section | None:
        rows = summary.sweeps(summary.costs(self._records))
        if rows.empty:
            return None
        run = self._newest(rows)
        rows = self._labelled(run.of(rows))
        # One workload apart from the length: batch and size of the network of the most rows.
        alike = ["system", "dtype", "batch", "n_rec"]
        rows = max((part for _, part in rows.groupby(alike)), key=len)
        rows = self._labelled(rows)
        grown = summary.growth(rows)
        first = rows.iloc[0]
        condition = (
            f"Batch {first['batch']}, {first['n_rec']} recurrent neurons, {first['dtype']}, "
            f"{_threads(rows['threads'])}."
        )
        section = Section(
            "memory-growth", "Memory and the length of a trial", lead=f"{condition} {self._run_note(run)}"
        )
        section.pictures.append(
            svg.save(
                plots.growth(rows, self._look, self._titles),
                "memory-growth",
                self._folder,
                caption="Peak memory of a training step against the number of steps of a trial, both axes "
                f"logarithmic. A flat line: memory does not depend on the length. {condition}",
                description="Line plots of memory against trial length, one panel per backend.",
            )
        )
        grown = grown.merge(rows[[*summary.RUNNER, "label"]].drop_duplicates(), on=summary.RUNNER)
        grown["label"] = grown["label"].astype(rows["label"].dtype)
        table = Builder(self._by_rule(grown), f"How peak memory grows with the trial. {condition}")
        self._case(table)
        table.span("steps of a trial", "step", "shortest", "longest")
        table.figure("peak_bytes", "shortest_bytes", heading="at the shortest (MiB)")
        table.figure("peak_bytes", "longest_bytes", heading="at the longest (MiB)")
        table.figure("bytes_per_step", "bytes_per_step", best_within=["rule"])
        section.tables.append(table.build())
        self._sentences += headlines.memory(grown)
        return section

    def _start(self) -> Section | None:
        costs = summary.costs(self._records)
        found = self._main(costs[costs[["first_step_s", "import_s"]].notna().any(axis=1)])
        if found is None:
            return None
        run, main, _ = found
        section = Section(
            "start",
            "Before the first step",
            lead=f"What a process pays once. {self._work(main)} {self._run_note(run)}",
        )
        table = Builder(
            self._by_rule(main),
            "Import of the backend, building the learner, loading the batch, and the first training step, "
            f"which includes compilation. Medians over processes. {self._work(main)}",
        )
        self._case(table)
        for name in ("import_s", "build_s", "load_s", "first_step_s"):
            table.figure(name, name)
        table.figure("step_s", "median_s", heading="warm step (ms)")
        section.tables.append(table.build())
        return section

    # What else a reader must know --------------------------------------------------------------------------

    def _incomplete(self) -> Section | None:
        rows = summary.incomplete(self._records)
        if rows.empty:
            return None
        rows = self._labelled(rows).sort_values(["label", "rule"], key=self._order)
        table = Builder(rows, "Cases of the newest run without a figure, and why.")
        self._case(table)
        table.count("steps", "n_steps").text("status", "status")
        table.text("reason", lambda row: " ".join(str(row["reason"] or "not given").split()), long=True)
        return Section("incomplete", "Unavailable and failed cases", tables=[table.build()])

    def _machines(self) -> Section:
        rows = self._records.environments
        table = Builder(
            rows, "Where the records were made. Figures of different machines are never compared."
        )
        table.text("machine", lambda row: f"{self._letters[row['machine']]} ({row['machine'][:8]})")
        table.text("used for", "source").text("processor", _or_dash("processor"), long=True)
        table.text("cores", _or_dash("cores")).text("memory", _gibibytes)
        if rows["accelerators"].map(len).any():
            table.text("accelerators", lambda row: ", ".join(map(str, row["accelerators"])) or "–")
        table.text("system", _or_dash("system")).text("Python", _or_dash("python"))
        table.text(
            "versions",
            lambda row: ", ".join(f"{k} {v}" for k, v in sorted(row["versions"].items())),
            long=True,
        )
        table.text(
            "commit", lambda row: f"{str(row['commit'] or '–')[:10]}{' + changes' * bool(row['dirty'])}"
        )
        threads = pd.concat([self._records.runs["threads"], self._records.measurements["threads"]])
        return Section(
            "machines",
            "Machines and versions",
            lead=f"CPU threads: {_threads(threads)}.",
            tables=[table.build()],
        )

    def _problems(self) -> Section | None:
        problems = self._records.problems
        if not problems:
            return None
        frame = pd.DataFrame([{"file": problem.file, "what": problem.what} for problem in problems])
        table = (
            Builder(frame, "These are not part of the report.")
            .text("file", "file", long=True)
            .text("what", "what", long=True)
        )
        return Section("problems", "Files that could not be read in full", tables=[table.build()])

    def _reproduce(self) -> Section:
        return Section(
            "reproduce",
            "How to reproduce",
            lead="From a checkout of the commit above, with the package versions above installed. Records "
            "are described in results/README.md; raw samples are kept there.",
            commands=[
                *reproduce.train(self._records.runs),
                *reproduce.measure(self._records.measurements),
                REPORT,
            ],
        )

    # Names -------------------------------------------------------------------------------------------------

    def _main(
        self, costs: pd.DataFrame, timed: pd.DataFrame | None = None
    ) -> tuple[summary.TimingRun, pd.DataFrame, list[pd.DataFrame]] | None:
        """The newest run, its main workload, and the others; the main one of `timed` if it is there."""
        if costs.empty:
            return None
        run = self._newest(costs)
        parts = summary.workloads(run.of(costs))
        wanted = [] if timed is None else summary.workloads(run.of(timed))
        if wanted:
            work = tuple(wanted[0][summary.WORKLOAD].iloc[0])
            parts.sort(key=lambda part: tuple(part[summary.WORKLOAD].iloc[0]) != work)  # stable
        main, *others = (self._labelled(part) for part in parts)
        return run, main, others

    def _newest(self, rows: pd.DataFrame) -> summary.TimingRun:
        known = summary.timing_runs(self._records.measurements)
        here = set(zip(rows["machine"], rows["run"], strict=True))
        return next(run for run in known if (run.machine, run.run) in here)

    def _labelled(self, rows: pd.DataFrame, *, machines: bool = False) -> pd.DataFrame:
        """With `label`, the backend and what else tells runners apart; sorted by label and rule."""
        rows = rows.copy()
        names = rows["backend"].astype(str)
        if rows["device"].nunique() > 1:
            names += " " + rows["device"]
        if rows["threads"].nunique() > 1:
            names += [f", {_threads(pd.Series([count]))}" for count in rows["threads"]]
        if machines and rows["machine"].nunique() > 1:
            names += [f", machine {self._machine(machine)}" for machine in rows["machine"]]
        order = rows.assign(name=names).sort_values(["backend", "name"], key=self._order)["name"]
        rows["label"] = pd.Categorical(names, categories=list(dict.fromkeys(order)), ordered=True)
        return rows.sort_values(["label", "rule"], key=self._order, kind="stable")

    def _machine(self, machine: str) -> str:
        return "+".join(self._letters.get(part, part[:8]) for part in machine.split("+"))

    def _order(self, column: pd.Series) -> pd.Series:
        """Sort key: backends and rules in the order of the package, unknown ones after them."""
        known = {"backend": impl.BACKENDS, "rule": impl.RULES}.get(str(column.name))
        if known is None:
            return column
        names = ordered(column, known)
        return column.map({name: index for index, name in enumerate(names)})

    def _by_rule(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.sort_values(["rule", "label", "mode"], key=self._order, kind="stable")

    def _rule(self, row: Mapping[Hashable, Any]) -> str:
        return self._titles.get(row["rule"]) or str(row["rule"])

    def _case(self, table: Builder) -> None:
        table.text("rule", self._rule).text("backend", lambda row: str(row["label"])).text("mode", "mode")

    def _work(self, rows: pd.DataFrame) -> str:
        first = rows.iloc[0]
        several = self._records.measurements["system"].nunique() > 1
        system = f"System {first['system']}, batch" if several else "Batch"
        return (
            f"{system} {first['batch']}, trials of {first['n_steps']} steps, "
            f"{first['n_rec']} recurrent neurons, {first['dtype']}, {_threads(rows['threads'])}."
        )

    def _run_note(self, run: summary.TimingRun) -> str:
        machine = f" on machine {self._machine(run.machine)}" if len(self._letters) > 1 else ""
        return f"Run {run.run}{machine}, started {run.started}."

    def _other_runs(self, shown: summary.TimingRun) -> list[str]:
        others = [run for run in summary.timing_runs(self._records.measurements) if run != shown]
        if not others:
            return []
        names = ", ".join(f"{run.run} (machine {self._machine(run.machine)})" for run in others)
        return [f"Older runs are recorded too and not shown, as only figures of one run compare: {names}."]


def _chance(settings: Mapping[str, Any], figure: str) -> float | None:
    """What guessing scores: one of n_out classes."""
    n_out = _object(settings, "network").get("n_out")
    if figure != "test_accuracy" or not isinstance(n_out, int) or n_out < 1:
        return None
    return 1.0 / n_out


def _object(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the settings; empty where the records lack it."""
    part = settings.get(name)
    return part if isinstance(part, dict) else {}


def _threads(threads: pd.Series) -> str:
    """E.g. "2 threads", "1 or 2 threads", "all threads"."""
    texts = sorted(set(threads), key=lambda text: (text == "all", len(text), text))
    return f"{' or '.join(texts)} {'thread' if texts == ['1'] else 'threads'}"


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _or_dash(name: str) -> Any:
    return lambda row: "–" if pd.isna(row[name]) else str(row[name])


def _gibibytes(row: Mapping[Hashable, Any]) -> str:
    size = row["memory_bytes"]
    return "–" if pd.isna(size) else f"{float(size) / 2**30:.1f} GiB"
