"""A section of the report: how one is declared, and what both templates print of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.show.commands import FIGURE, GPU_CHECK, MEASURE, PARITY, TRAIN
from benchmarks.show.figures import svg
from benchmarks.show.figures.figure import Figure
from benchmarks.show.figures.svg import Picture
from benchmarks.show.material import Material
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


class Finding(str):
    """A sentence at the top of a section, computed from the records."""


class Note(str):
    """A sentence below the tables."""


@dataclass(frozen=True)
class Commands:
    """Code to run; `missing` says what it would add."""

    commands: Sequence[str]
    missing: str = ""


Piece = Pick | Finding | Note | Table | Picture | Commands


@dataclass(frozen=True)
class Part:
    """What one section is about; kinds of sections have more.

    Attributes:
        lead: the conditions, above all else.
        suffix, subtitle: what sections of one kind are told apart by, in their links and files, and titles.
    """

    lead: str = ""
    suffix: str = ""
    subtitle: str = ""


@dataclass(frozen=True)
class Section:
    """A section, as a module declares it.

    Attributes:
        ident: links to it, and figures, say this.
        title: its heading.
        parts: what the records have for it, a section each.
        pieces: all but the figures, of each part.
        missing, command: said instead where there is no part; "" leaves the section out.
        wanted: whether that is to be said, of these records.
    """

    ident: str
    title: str
    parts: Callable[[Material], Sequence[Any]]
    pieces: Callable[[Material, Any], Iterator[Piece]]
    missing: str = ""
    command: str = ""
    wanted: Callable[[Material], bool] = lambda material: True

    def compose(self, material: Material, figures: Sequence[Figure]) -> "list[Composed]":
        """The sections, or one that says what is missing; `figures`: those that belong here."""
        parts = self.parts(material)
        if not parts:
            lacks = Commands([self.command], self.missing)
            there = self.missing and self.wanted(material)
            return [Composed.of(self.ident, self.title, "", [lacks])] if there else []
        return [
            Composed.of(
                self.ident + part.suffix,
                self.title + part.subtitle,
                part.lead,
                [piece for figure in figures for piece in drawn(figure, material, part)],
                self.pieces(material, part),
            )
            for part in parts
        ]


@dataclass
class Composed:
    """A section as it is printed. Texts are plain; `picks` stand at the top of the page, `findings` at that
    of their section; `commands` are code, `missing` says what they would add."""

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

    @classmethod
    def of(cls, ident: str, title: str, lead: str, *pieces: Any) -> "Composed":
        """Put each piece where its kind belongs."""
        found = cls(ident, title, lead)
        lists = {
            Pick: found.picks,
            Finding: found.findings,
            Note: found.notes,
            Table: found.tables,
            Picture: found.pictures,
        }
        for piece in (piece for several in pieces for piece in several):
            if isinstance(piece, Commands):
                if piece.missing not in found.missing:
                    found.missing = f"{found.missing} {piece.missing}".strip()
                found.commands += [text for text in piece.commands if text not in found.commands]
            else:
                lists[type(piece)].append(piece)
        return found


_ADDS = {
    **dict.fromkeys(("runs", "points", "criteria"), TRAIN),
    "finals": FIGURE,
    **dict.fromkeys(("measurements", "samples"), MEASURE),
    "parity": PARITY,
    **dict.fromkeys(("conformance", "fallbacks"), GPU_CHECK),
}
"""Table of `Records` -> the command that adds rows to it."""


def drawn(figure: Figure, material: Material, part: Part) -> Iterator[Picture | Commands]:
    """A figure's picture, or what it lacks."""
    for name in figure.needs:
        if getattr(material.records, name).empty:
            text = f"For the figure {figure.name!r} the records have no {name}. This adds them:"
            yield Commands([_ADDS[name]], text)
            return
    picture = svg.picture(figure, material, part, material.folder)
    if picture is not None:
        yield picture
