"""A section of the report: how one is declared, and what both templates print of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.show.commands import FIGURE, GATE_POWER, GPU_CHECK, LADDER, LIBRARIES, MEASURE, PARITY, TRAIN
from benchmarks.show.figures import svg
from benchmarks.show.figures.drawing import Figure
from benchmarks.show.figures.svg import Picture
from benchmarks.show.material import Material, Part
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


Pieces = Iterator[Part | Pick | Finding | Note | Table | Picture | Commands]


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

    def add(self, piece: Any) -> None:
        """Put a piece where its kind belongs."""
        if isinstance(piece, Commands):
            self.commands += [text for text in piece.commands if text not in self.commands]
            if piece.missing not in self.missing:
                self.missing = f"{self.missing} {piece.missing}".strip()
            return
        kinds = {Pick: "picks", Finding: "findings", Note: "notes", Table: "tables", Picture: "pictures"}
        getattr(self, kinds[type(piece)]).append(piece)


@dataclass(frozen=True)
class Section:
    """A kind of section, as `section` declares it."""

    ident: str
    title: str
    missing: str
    command: str
    wanted: Callable[[Material], bool]
    pieces: Callable[[Material], Pieces]

    def compose(self, material: Material, figures: Sequence[Figure]) -> list[Composed]:
        """One for each part that the records have, with the figures that belong here; or what is missing."""
        found: list[Composed] = []
        for piece in self.pieces(material):
            if isinstance(piece, Part):
                found.append(Composed(self.ident + piece.suffix, self.title + piece.subtitle, piece.lead))
                for figure in figures:
                    _draw(figure, material, piece, found[-1])
            else:
                found[-1].add(piece)
        if not found and self.missing and self.wanted(material):
            found.append(Composed(self.ident, self.title))
            found[-1].add(Commands([self.command], self.missing))
        return found


def section(
    ident: str,
    title: str,
    missing: str = "",
    command: str = "",
    wanted: Callable[[Material], bool] = lambda _: True,
) -> Callable[[Callable[[Material], Pieces]], Section]:
    """Declare the section that a function writes: for each of its parts a `Part`, then the pieces of that.

    Args:
        ident: links to it, and figures, say this.
        title: its heading.
        missing: said where the function yields nothing; "" leaves the section out then.
        command: what would add it.
        wanted: whether that is to be said, of these records.
    """
    return lambda pieces: Section(ident, title, missing, command, wanted, pieces)


_ADDS = {
    **dict.fromkeys(("runs", "points", "criteria"), TRAIN),
    "finals": FIGURE,
    **dict.fromkeys(("alignments", "ladder"), LADDER),
    **dict.fromkeys(("measurements", "samples"), MEASURE),
    "parity": PARITY,
    "power": GATE_POWER,
    **dict.fromkeys(("conformance", "fallbacks"), GPU_CHECK),
    "library_parity": LIBRARIES[0],
    "libraries": LIBRARIES[1],
}
"""Table of `Records` -> the command that adds rows to it."""


def _draw(figure: Figure, material: Material, part: Part, there: Composed) -> None:
    """Add a figure's picture, or what it lacks."""
    for name in figure.needs:
        if getattr(material.records, name).empty:
            text = f"For the figure {figure.name!r} the records have no {name}. This adds them:"
            return there.add(Commands([_ADDS[name]], text))
    picture = svg.picture(figure, material, part, material.folder)
    if picture is not None:
        there.add(picture)
