"""The part on what a network does: the picture that `raster` drew into the report's folder, if it did."""

import base64
from html import escape
from pathlib import Path

from benchmarks.show.commands import RASTER
from benchmarks.show.figures.svg import Picture
from benchmarks.show.sections.section import Section

_STEM = "raster"
_DESCRIPTION = "Raster plots of a trial: input spikes, spikes of the recurrent neurons, and the readout."


def sections(folder: Path) -> list[Section]:
    """One, with the picture or with the command that draws it."""
    section = Section("trial", "What a network does in a trial")
    path = folder / f"{_STEM}.png"
    if not path.exists():
        section.missing = "No trial was drawn. This draws one, which the next report shows:"
        section.commands = [f"{RASTER} --out {path}"]
        return [section]
    image = base64.b64encode(path.read_bytes()).decode()
    inline = f'<img src="data:image/png;base64,{image}" alt="{escape(_DESCRIPTION)}">'
    caption = "Input, spikes of the recurrent neurons, and readout of single trials; the title says of which."
    section.pictures = [Picture(_STEM, caption, _DESCRIPTION, inline, tips="[]", suffix=".png")]
    return [section]
