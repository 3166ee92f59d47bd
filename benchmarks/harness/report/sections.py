"""The whole report: its parts in their order."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.records import Records
from benchmarks.harness.report.costs import Costs
from benchmarks.harness.report.learning import Learning
from benchmarks.harness.report.names import Names
from benchmarks.harness.report.provenance import Provenance
from benchmarks.harness.report.section import Section


@dataclass(frozen=True)
class Report:
    """All that the templates print."""

    headlines: list[str]
    sections: list[Section]


def compose(records: Records, folder: Path) -> Report:
    """Compute the report and draw its figures into `folder`."""
    names = Names(records)
    sections = [
        *Learning(records, names, folder).sections(),
        *Costs(records, names, folder).sections(),
        *Provenance(records, names).sections(),
    ]
    findings = [finding[0].upper() + finding[1:] for section in sections for finding in section.findings]
    return Report(findings, sections)
