"""The section on what a network does: the picture that `raster` drew into the report's folder, if it did."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.show.commands import RASTER
from benchmarks.show.figures.svg import Picture
from benchmarks.show.material import Material
from benchmarks.show.section import Commands, Part, Piece, Section

_STEM = "raster"
_CAPTION = "Input, spikes of the recurrent neurons, and readout of single trials; the title says of which."
_DESCRIPTION = "Raster plots of a trial: input spikes, spikes of the recurrent neurons, and the readout."


@dataclass(frozen=True, kw_only=True)
class Trial(Part):
    """The file of the picture, whether or not it is there."""

    path: Path


def _pieces(material: Material, part: Trial) -> Iterator[Piece]:
    if not part.path.exists():
        text = "No trial was drawn. This draws one, which the next report shows:"
        yield Commands([f"{RASTER} --out {part.path}"], text)
        return
    image = base64.b64encode(part.path.read_bytes()).decode()
    inline = f'<img src="data:image/png;base64,{image}" alt="{escape(_DESCRIPTION)}">'
    yield Picture(_STEM, _CAPTION, _DESCRIPTION, inline, tips="[]", suffix=".png")


TRIAL = Section(
    "trial",
    "What a network does in a trial",
    lambda material: [Trial(path=material.folder / f"{_STEM}.png")],
    _pieces,
)
