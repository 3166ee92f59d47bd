"""How the report names and orders what it compares: rules, backends, machines, workloads, runs."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

import implementations as impl
from benchmarks.harness.records import Records
from benchmarks.harness.report import summary
from benchmarks.harness.report.style import Look, ordered
from benchmarks.harness.report.tables import Builder
from implementations import rules


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
        both = pd.concat([frame[["rule", "mode"]] for frame in (records.runs, records.measurements)])
        self.rules = ordered(both["rule"], impl.RULES)
        self.look = Look(self.rules, ordered(both["mode"], rules.MODES))
        machines = dict.fromkeys(records.environments["machine"])
        self.letters = {str(machine): _letter(index) for index, machine in enumerate(machines)}

    def main(
        self, costs: pd.DataFrame, timed: pd.DataFrame | None = None
    ) -> tuple[summary.TimingRun, pd.DataFrame, list[pd.DataFrame]] | None:
        """The newest run, its main workload, and the others; the main one of `timed` if it is there."""
        if costs.empty:
            return None
        run = self.newest(costs)
        parts = summary.workloads(run.of(costs))
        wanted = [] if timed is None else summary.workloads(run.of(timed))
        if wanted:
            work = tuple(wanted[0][summary.WORKLOAD].iloc[0])
            parts.sort(key=lambda part: tuple(part[summary.WORKLOAD].iloc[0]) != work)  # stable
        main, *others = (self.labelled(part) for part in parts)
        return run, main, others

    def newest(self, rows: pd.DataFrame) -> summary.TimingRun:
        """The newest of the runs that the rows come from."""
        known = summary.timing_runs(self._records.measurements)
        here = set(zip(rows["machine"], rows["run"], strict=True))
        return next(run for run in known if (run.machine, run.run) in here)

    def labelled(self, rows: pd.DataFrame, *, machines: bool = False) -> pd.DataFrame:
        """With `label`, the backend and what else tells runners apart; sorted by label and rule."""
        rows = rows.copy()
        names = rows["backend"].astype(str)
        if rows["device"].nunique() > 1:
            names += " " + rows["device"]
        if rows["threads"].nunique() > 1:
            names += [f", {threads_text(pd.Series([count]))}" for count in rows["threads"]]
        if machines and rows["machine"].nunique() > 1:
            names += [f", machine {self.machine(machine)}" for machine in rows["machine"]]
        order = rows.assign(name=names).sort_values(["backend", "name"], key=self.order)["name"]
        rows["label"] = pd.Categorical(names, categories=list(dict.fromkeys(order)), ordered=True)
        return rows.sort_values(["label", "rule"], key=self.order, kind="stable")

    def by_rule(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Sorted by rule, then backend, then mode."""
        return rows.sort_values(["rule", "label", "mode"], key=self.order, kind="stable")

    def order(self, column: pd.Series) -> pd.Series:
        """Sort key: backends and rules in the order of the package, unknown ones after them."""
        known = {"backend": impl.BACKENDS, "rule": impl.RULES}.get(str(column.name))
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
        several = self._records.measurements["system"].nunique() > 1
        system = f"System {first['system']}, batch" if several else "Batch"
        return (
            f"{system} {first['batch']}, trials of {first['n_steps']} steps, "
            f"{first['n_rec']} recurrent neurons, {first['dtype']}, {threads_text(rows['threads'])}."
        )

    def run_note(self, run: summary.TimingRun) -> str:
        """Which run is shown, as a sentence."""
        machine = f" on machine {self.machine(run.machine)}" if len(self.letters) > 1 else ""
        return f"Run {run.run}{machine}, started {run.started}."

    def other_runs(self, shown: summary.TimingRun) -> list[str]:
        """A note on the runs that are not shown, if there are any."""
        others = [run for run in summary.timing_runs(self._records.measurements) if run != shown]
        if not others:
            return []
        names = ", ".join(f"{run.run} (machine {self.machine(run.machine)})" for run in others)
        return [f"Older runs are recorded too and not shown, as only figures of one run compare: {names}."]


def threads_text(threads: pd.Series) -> str:
    """E.g. "2 threads", "1 or 2 threads", "all threads"."""
    texts = sorted(set(threads), key=lambda text: (text == "all", len(text), text))
    return f"{' or '.join(texts)} {'thread' if texts == ['1'] else 'threads'}"


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)
