"""The whole report: its parts in their order."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.show.names import Names
from benchmarks.show.sections import trial
from benchmarks.show.sections.baseline import Baselines
from benchmarks.show.sections.cards import Cards
from benchmarks.show.sections.commits import Commits
from benchmarks.show.sections.comparing import Comparing
from benchmarks.show.sections.conformance import Conformance
from benchmarks.show.sections.costs import Costs
from benchmarks.show.sections.learning import Learning
from benchmarks.show.sections.parity import Parity
from benchmarks.show.sections.provenance import Provenance
from benchmarks.show.sections.section import Pick, Section
from benchmarks.show.sections.settings import Settings
from benchmarks.store.records import Records


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
