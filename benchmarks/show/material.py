"""What all parts of the report are made of: records, names for what they hold, and tables of them."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from benchmarks.judge import costs, ladder, learning, seconds
from benchmarks.show.commands import recorded
from benchmarks.show.names import Names
from benchmarks.store.records import Records


class Material:
    """Of one report.

    Attributes:
        records: as read, but for commands, which are to be copied: those that are safe to; and with seconds
            of training as `seconds.timed` has them.
        names: of rules, backends and machines, and their order.
        folder: where the report is written.
    """

    def __init__(self, records: Records, folder: Path) -> None:
        runs, measurements, libraries = (
            frame.assign(command=frame["command"].dropna().map(recorded))
            for frame in (records.runs, records.measurements, records.libraries)
        )
        records = replace(records, runs=runs, measurements=measurements, libraries=libraries)
        records = self.records = seconds.timed(records)
        self.names = Names(records)
        self.folder = folder

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Of `costs.costs`; runs on cards alone have sections of their own, beside any that used the CPU."""
        found = costs.costs(self.records)
        on_cpu = found.loc[found["device"] == "cpu", costs.RUN].drop_duplicates()
        return found if on_cpu.empty else found.merge(on_cpu, on=costs.RUN)

    @cached_property
    def ended(self) -> pd.DataFrame:
        """Of `learning.ended`."""
        return learning.ended(self.records)

    @cached_property
    def judged(self) -> pd.DataFrame:
        """Of `learning.judged`."""
        return learning.judged(self.records)

    @cached_property
    def climbed(self) -> list[pd.DataFrame]:
        """Of `ladder.climbed`."""
        return ladder.climbed(self.judged)

    @cached_property
    def comparisons(self) -> list[pd.DataFrame]:
        """Of `learning.main`, those that have several rules."""
        return [part for part in learning.main(self.judged) if part["rule"].nunique() > 1]

    @cached_property
    def tests(self) -> list[pd.DataFrame]:
        """Of `learning.between`, of each of `comparisons` as it is drawn."""
        return [learning.between(learning.drawn(part)) for part in self.comparisons]


class Part(SimpleNamespace):
    """Begins a section: its `lead`, which has the conditions, and whatever its figures are drawn from.

    Sections of one kind are told apart by `suffix`, in their links and files, and by `subtitle`.
    """

    lead: str = ""
    suffix: str = ""
    subtitle: str = ""
