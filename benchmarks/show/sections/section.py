"""A part of the report, as both templates print it."""

from dataclasses import dataclass, field

from benchmarks.show.figures.svg import Picture
from benchmarks.show.tables import Table


@dataclass(frozen=True)
class Pick:
    """What to pick: for a `purpose` like "Speed", a `choice`, and in `text` by how much, and how sure it is.

    `where`: the conditions.
    """

    purpose: str
    choice: str
    text: str
    where: str = ""


@dataclass
class Section:
    """One part of the report. Texts are plain; `picks` stand at the top of the page, `findings` at
    that of their part; `commands` are code, `missing` says what they would add."""

    ident: str
    title: str
    lead: str = ""
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    picks: list[Pick] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    missing: str = ""
    commands: list[str] = field(default_factory=list)
