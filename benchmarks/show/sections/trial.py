"""The section on what a network does: the picture that `raster` drew into the report's folder, if it did."""

import base64
from html import escape

from benchmarks.show.commands import RASTER, with_words
from benchmarks.show.figures.svg import Picture
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Commands, Pieces, section

_STEM = "raster"
_PNG = b"\x89PNG\r\n\x1a\n"
_CAPTION = "Input, spikes of the recurrent neurons, and readout of single trials; the title says of which."
_DESCRIPTION = "Raster plots of a trial: input spikes, spikes of the recurrent neurons, and the readout."


@section("trial", "What a network does in a trial")
def trial(material: Material) -> Pieces:
    """The picture, or the command that draws it into the report's folder."""
    yield Part()
    path = material.folder / f"{_STEM}.png"
    content = path.read_bytes() if path.is_file() else b""
    if not content.startswith(_PNG):
        text = "No trial was drawn. This draws one, which the next report shows:"
        yield Commands([with_words(RASTER, "--out", path)], text)
        return
    image = base64.b64encode(content).decode()
    inline = f'<img src="data:image/png;base64,{image}" alt="{escape(_DESCRIPTION)}">'
    yield Picture(_STEM, _CAPTION, _DESCRIPTION, inline, tips="[]", suffix=".png")
