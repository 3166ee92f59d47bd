"""A part of the report, as both templates print it."""

from dataclasses import dataclass, field

from benchmarks.harness.report.svg import Picture
from benchmarks.harness.report.tables import Table


@dataclass
class Section:
    """One part of the report. Texts are plain; `findings` stand at the top of the page;
    `commands` are code, `missing` says what they would add."""

    ident: str
    title: str
    lead: str = ""
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    missing: str = ""
    commands: list[str] = field(default_factory=list)
