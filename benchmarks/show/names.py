"""How the report names and orders what it compares: rules, backends, machines, workloads, runs."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

import implementations as impl
from benchmarks.define.cases import BATCH
from benchmarks.define.problem import NOTEBOOK, SYSTEM
from benchmarks.judge import costs as summary
from benchmarks.show.figures.style import Look, ordered
from benchmarks.show.tables import Builder
from benchmarks.store.records import Records
from implementations import rules

SYSTEMS = {SYSTEM: "", NOTEBOOK: "BrainPy notebook"}
"""System -> its name for people; "" for the one whose backends are compared."""

HEADINGS = {
    "learning_rate": "learning rate",
    "rate_cost": "rate cost",
    "tau_adaptation_ms": "adaptation time constant (ms)",
    "batch": "trials per step",
    "n_cues": "cues",
    "delay_ms": "delay (ms)",
}
"""Knob -> its name for people."""

_PUBLISHED = (BATCH, impl.EvidenceAccumulation().n_steps, impl.Network().n_rec)


class Names:
    """Names and order of everything in `records`, the same in all parts of the report.

    Attributes:
        titles: rule -> its name for people.
        rules: those that the records have, in the package's order.
        look: how figures show rules and modes.
        letters: digest of a machine -> the letter that stands for it; the table of machines has both.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self.titles = {name: rules.get(name).title for name in impl.RULES}
        tables = (records.runs, records.measurements, records.parity, records.conformance)
        both = pd.concat([frame[["rule", "mode"]] for frame in tables])
        self.rules = ordered(both["rule"], impl.RULES)
        self.look = Look(self.rules, ordered(both["mode"], rules.MODES))
        machines = dict.fromkeys(records.environments["machine"])
        self.letters = {str(machine): _letter(index) for index, machine in enumerate(machines)}

    def main(
        self, costs: pd.DataFrame, timed: pd.DataFrame | None = None
    ) -> tuple[summary.TimingRun, pd.DataFrame, list[pd.DataFrame]] | None:
        """A run, its main workload, and the others that are not sizes of a sweep.

        The run is the newest; where that is a sweep through sizes with fewer cases at its main size than an
        older run has, it gives way to that. The main workload is the one with the most cases, of equals the
        published one, unless `timed` has rows of another that `costs` has too.
        """
        if costs.empty:
            return None
        run = self._main_run(costs if timed is None or timed.empty else timed)
        parts = self._workloads(run.of(costs))
        wanted = [] if timed is None else self._workloads(run.of(timed))
        if not parts:
            run = self._main_run(costs)
            parts = self._workloads(run.of(costs))
        if wanted:
            work = tuple(wanted[0][summary.WORKLOAD].iloc[0])
            parts.sort(key=lambda part: tuple(part[summary.WORKLOAD].iloc[0]) != work)  # stable
        swept = {
            tuple(row)
            for size in ("batch", "n_rec")
            for row in summary.sweep(run.of(costs), size, least=3)[summary.WORKLOAD].itertuples(index=False)
        }
        main, *others = parts
        others = [part for part in others if tuple(part[summary.WORKLOAD].iloc[0]) not in swept]
        return run, self.labelled(main), [self.labelled(part) for part in others]

    def _main_run(self, costs: pd.DataFrame) -> summary.TimingRun:
        here = set(zip(costs["machine"], costs["run"], strict=True))
        runs = [
            run for run in summary.timing_runs(self._records.measurements) if (run.machine, run.run) in here
        ]

        def cases(run: summary.TimingRun) -> int:
            return len(self._workloads(run.of(costs))[0])

        def swept(run: summary.TimingRun) -> bool:
            return any(len(summary.sweep(run.of(costs), size, least=3)) for size in ("batch", "n_rec"))

        newest = runs[0]
        if swept(newest):
            return next((run for run in runs if not swept(run) and cases(run) > cases(newest)), newest)
        return newest

    def _workloads(self, costs: pd.DataFrame) -> list[pd.DataFrame]:
        """Split by workload: that with the most cases first, of equals the published one or the longest."""

        def rank(part: pd.DataFrame) -> tuple[int, bool, int]:
            first = part.iloc[0]
            published = (first["batch"], first["n_steps"], first["n_rec"]) == _PUBLISHED
            return int((part["system"] == SYSTEM).sum()), published, int(first["n_steps"])

        parts = [part for _, part in costs.groupby(summary.WORKLOAD, dropna=False)]
        return sorted(parts, key=rank, reverse=True)

    def run_of(self, rows: pd.DataFrame) -> summary.TimingRun:
        """The run of rows that are of one."""
        first = rows.iloc[0]
        known = summary.timing_runs(self._records.measurements)
        return next(run for run in known if (run.machine, run.run) == (first["machine"], first["run"]))

    def labelled(self, rows: pd.DataFrame, *, machines: bool = False) -> pd.DataFrame:
        """With `label`: backend or other system, and what else tells runners apart. Sorted by it and rule."""
        rows = rows.copy()
        names = pd.Series(
            [
                str(row["backend"])
                if row["system"] == SYSTEM
                else SYSTEMS.get(row["system"]) or row["system"]
                for row in rows[["system", "backend"]].to_dict("records")
            ],
            index=rows.index,
            dtype=str,
        )
        if rows["device"].nunique() > 1:
            names += " " + rows["device"]
        if rows["threads"].nunique() > 1:
            names += [f", {threads_text(pd.Series([count]))}" for count in rows["threads"]]
        if machines and rows["machine"].nunique() > 1:
            names += [f", machine {self.machine(machine)}" for machine in rows["machine"]]
        order = rows.assign(name=names).sort_values(["system", "backend", "name"], key=self.order)["name"]
        rows["label"] = pd.Categorical(names, categories=list(dict.fromkeys(order)), ordered=True)
        return rows.sort_values(["label", "rule"], key=self.order, kind="stable")

    def by_rule(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Sorted by rule, then backend, then mode."""
        return rows.sort_values(["rule", "label", "mode"], key=self.order, kind="stable")

    def order(self, column: pd.Series) -> pd.Series:
        """Sort key: systems, backends and rules in the order of the package, unknown ones after them."""
        known = {"system": tuple(SYSTEMS), "backend": impl.BACKENDS, "rule": impl.RULES}.get(str(column.name))
        if known is None:
            return column
        names = ordered(column, known)
        return column.map({name: index for index, name in enumerate(names)})

    def rule(self, row: Mapping[Hashable, Any]) -> str:
        """The title of a row's rule; its name where the package does not know it."""
        return self.titles.get(row["rule"]) or str(row["rule"])

    def case(self, table: Builder) -> None:
        """Add the columns that name a row of `costs`."""
        table.text("rule", self.rule).text("backend", lambda row: str(row["label"])).text("mode", "mode")

    def machine(self, machine: str) -> str:
        """The letter of a machine, or letters joined by "+"."""
        return "+".join(self.letters.get(part, part[:8]) for part in machine.split("+"))

    def work(self, rows: pd.DataFrame) -> str:
        """The workload that the rows share, as a sentence."""
        first = rows.iloc[0]
        return (
            f"Batch {first['batch']}, trials of {first['n_steps']} steps, "
            f"{first['n_rec']} recurrent neurons{how(rows)}."
        )

    def run_note(self, run: summary.TimingRun) -> str:
        """Which run is shown, as a sentence."""
        machine = f" on machine {self.machine(run.machine)}" if len(self.letters) > 1 else ""
        return f"Run {run.run}{machine}, started {run.started}."

    def other_runs(self, shown: summary.TimingRun) -> list[str]:
        """A note on the runs that are not shown, if there are any."""
        measured = self._records.measurements
        others = [run for run in summary.timing_runs(measured[~summary.of_asv(measured)]) if run != shown]
        if not others:
            return []
        names = ", ".join(f"{run.run} (machine {self.machine(run.machine)})" for run in others)
        return [
            f"Other runs are recorded too and not shown here, as only figures of one run compare: {names}."
        ]


def how(rows: pd.DataFrame) -> str:
    """Precision and threads that the rows share, after a comma; what was not recorded is left out."""
    parts = [str(rows["dtype"].iloc[0]), threads_text(rows["threads"])]
    return "".join(f", {part}" for part in parts if not part.startswith("unknown"))


def threads_text(threads: pd.Series) -> str:
    """E.g. "2 threads", "1 or 2 threads", "all threads"."""
    texts = sorted(set(threads), key=lambda text: (text == "all", len(text), text))
    return f"{' or '.join(texts)} {'thread' if texts == ['1'] else 'threads'}"


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)
