"""The whole report: its parts in their order."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.records import Records
from benchmarks.harness.report import trial
from benchmarks.harness.report.baseline import Baselines
from benchmarks.harness.report.cards import Cards
from benchmarks.harness.report.commits import Commits
from benchmarks.harness.report.comparing import Comparing
from benchmarks.harness.report.conformance import Conformance
from benchmarks.harness.report.costs import Costs
from benchmarks.harness.report.learning import Learning
from benchmarks.harness.report.names import Names
from benchmarks.harness.report.parity import Parity
from benchmarks.harness.report.provenance import Provenance
from benchmarks.harness.report.section import Pick, Section
from benchmarks.harness.report.settings import Settings


@dataclass(frozen=True)
class Report:
    """All that the templates print."""

    picks: list[Pick]
    sections: list[Section]


def compose(records: Records, folder: Path) -> Report:
    """Compute the report and draw its figures into `folder`."""
    names = Names(records)
    sections = [
        *Costs(records, names, folder).sections(),
        *Cards(records, names, folder).sections(),
        *Learning(records, names, folder).sections(),
        *Comparing(records, names, folder).sections(),
        *Settings(records, names, folder).sections(),
        *trial.sections(folder),
        *Parity(records, names).sections(),
        *Conformance(records, names).sections(),
        *Baselines(records, names, folder).sections(),
        *Commits(records, names).sections(),
        *Provenance(records, names).sections(),
    ]
    return Report([pick for section in sections for pick in section.picks], sections)
