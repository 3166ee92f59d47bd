"""How the report names and orders what it compares: rules, backends, machines, workloads, runs."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

import implementations as impl
from benchmarks.define.names import SYSTEM
from benchmarks.define.systems import SYSTEMS
from benchmarks.judge import costs
from benchmarks.show.figures.style import Look, ordered
from benchmarks.show.tables import Builder
from benchmarks.store.records import Records
from implementations import rules


class Names:
    """Names and order of everything in `records`, the same in all parts of the report.

    Attributes:
        look: how figures show rules and modes, those that the records have in the package's order.
        letters: digest of a machine -> the letter that stands for it; the table of machines has both.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        tables = (records.runs, records.measurements, records.parity, records.conformance)
        tables = (*tables, records.libraries, records.library_parity)
        both = pd.concat([frame[["rule", "mode"]] for frame in tables])
        there = rules.ordered(both["rule"])
        known = {name: rule for name in (*impl.RULES, *there) if (rule := rules.find(name)) is not None}
        self.look = Look(
            there,
            ordered(both["mode"], rules.MODES),
            {name: rule.title for name, rule in known.items()},
            frozenset(name for name, rule in known.items() if rule.feedback == "none"),
        )
        machines = dict.fromkeys(records.environments["machine"])
        self.letters = {str(machine): _letter(index) for index, machine in enumerate(machines)}

    def look_of(self, modes: pd.Series) -> Look:
        """The look of a figure that has only these modes."""
        return replace(self.look, modes=ordered(modes, rules.MODES))

    def labelled(self, rows: pd.DataFrame, *, machines: bool = False) -> pd.DataFrame:
        """With `label`: backend or other system, and what else tells runners apart. Sorted by it and rule."""
        rows = rows.copy()
        titles = {name: system.title or name for name, system in SYSTEMS.items()}
        runners = [
            backend if system == SYSTEM else titles.get(system, system)
            for system, backend in zip(rows["system"], rows["backend"], strict=True)
        ]
        names = pd.Series(runners, index=rows.index, dtype=str)
        if rows["device"].nunique() > 1:
            names += " " + rows["device"]
        if rows["threads"].nunique() > 1:
            names += [f", {threads_text(pd.Series([count]))}" for count in rows["threads"]]
        if machines and rows["machine"].nunique() > 1:
            names += [f", machine {self.machine(machine)}" for machine in rows["machine"]]
        order = rows.assign(name=names).sort_values(["system", "backend", "name"], key=self.order)["name"]
        rows["label"] = pd.Categorical(names, categories=list(dict.fromkeys(order)), ordered=True)
        return rows.sort_values(["label", "rule"], key=self.order, kind="stable")

    def by_rule(self, rows: pd.DataFrame, *then: str) -> pd.DataFrame:
        """Sorted by rule, then backend, then mode, and these columns."""
        return rows.sort_values(["rule", "label", "mode", *then], key=self.order, kind="stable")

    def order(self, column: pd.Series) -> pd.Series:
        """Sort key: systems, backends and rules in the order of the package, unknown ones after them."""
        known = {"system": tuple(SYSTEMS), "backend": impl.BACKENDS}.get(str(column.name))
        if known is None and column.name != "rule":
            return column
        names = rules.ordered(column) if known is None else ordered(column, known)
        return column.map({name: index for index, name in enumerate(names)})

    def rule(self, row: Mapping[Hashable, Any]) -> str:
        """The title of a row's rule; its name where the package does not know it."""
        return self.look.title(row["rule"])

    def case(self, table: Builder) -> Builder:
        """Add the columns that name a row of `costs`."""
        return table.text("rule", self.rule).text("backend", "label").text("mode", "mode")

    def cases(self, rows: pd.DataFrame, caption: str, *then: str) -> Builder:
        """A table of cases, `by_rule` and these columns; what names a case is there."""
        return self.case(Builder(self.by_rule(rows, *then), caption))

    def machine(self, machine: str) -> str:
        """The letter of a machine, or letters joined by "+"."""
        return "+".join(self.letters.get(part, part[:8]) for part in machine.split("+"))

    def work(self, rows: pd.DataFrame, varied: str = "") -> str:
        """The workload that the rows share, as a sentence; `varied`: the size that they differ in."""
        first = rows.iloc[0]
        texts = {
            "batch": f"batch {first['batch']}",
            "n_steps": f"trials of {first['n_steps']} steps",
            "n_rec": f"{first['n_rec']} recurrent neurons",
        }
        parts = [text for name, text in texts.items() if name != varied]
        parts.append(str(rows["dtype"].iloc[0]))
        if (rows["device"] == "cpu").any():  # a card has no threads that anybody chose
            parts.append(threads_text(rows["threads"]))
        text = ", ".join(part for part in parts if not part.startswith("unknown"))  # was not recorded
        return f"{text[0].upper()}{text[1:]}."

    def run_note(self, run: costs.TimingRun) -> str:
        """Which run is shown, as a sentence."""
        machine = f" on machine {self.machine(run.machine)}" if len(self.letters) > 1 else ""
        return f"Run {run.run}{machine}, started {run.started}."

    def run_of(self, rows: pd.DataFrame) -> str:
        """The same, of rows that are of one run."""
        first = rows.iloc[0]
        known = costs.timing_runs(self._records.measurements)
        return self.run_note(
            next(run for run in known if (run.machine, run.run) == (first["machine"], first["run"]))
        )

    def other_runs(self, shown: costs.TimingRun) -> list[str]:
        """A note on the runs that are not shown, if there are any."""
        measured = self._records.measurements
        others = [run for run in costs.timing_runs(measured[~costs.of_asv(measured)]) if run != shown]
        if not others:
            return []
        names = ", ".join(f"{run.run} (machine {self.machine(run.machine)})" for run in others)
        return [
            f"Other runs are recorded too and not shown beside it, as figures of one run compare: {names}."
        ]


def task_title(name: str) -> str:
    """Of a task, for people."""
    return name.replace("_", " ")


def mean_of(seeds: int, low: str = "", high: str = "") -> str:
    """E.g. "mean of 10 seeds (88.1 to 90.2)", "mean of 10 seeds", "one seed", which has no interval."""
    if seeds == 1:
        return "one seed"
    return f"mean of {seeds} seeds" + (f" ({low} to {high})" if low else "")


def threads_text(threads: pd.Series) -> str:
    """E.g. "2 threads", "1 or 2 threads", "all threads"."""
    texts = sorted(set(threads), key=lambda text: (text == "all", len(text), text))
    return f"{' or '.join(texts)} {'thread' if texts == ['1'] else 'threads'}"


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)
