"""A figure as files (.svg, .png, on white) and as SVG for a page, coloured by the page's variables."""

import io
import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.transforms import Bbox

from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.material import Material, Part
from benchmarks.store import files

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Picture:
    """A saved figure: stem and suffix of its file, caption and description, what a page shows, and tips.

    The stem is unique within a report; it also keeps the SVG's ids apart on the page.

    `tips` is a JSON list of [x, y, text], in the units of the SVG's viewBox.
    """

    stem: str
    caption: str
    description: str
    inline: str
    tips: str
    suffix: str = ".svg"


def picture(figure: Figure, material: Material, part: Part, folder: Path) -> Picture | None:
    """Draw a figure and write it into `folder`, as .svg and .png; None where there is nothing to draw.

    Args:
        material: what the report is made of.
        part: what the figure's section is about; its `suffix` is added to the names of the files.
        folder: exists.

    Raises:
        CannotWrite: older files stay what they were.
    """
    # Matplotlib asks for some settings when it writes: SVG text as text, and ids that do not change.
    with style.settings():
        drawing = figure.draw(material, part)
        if drawing is None:
            return None
        caption, description = (text.format(part=part) for text in (figure.caption, figure.description))
        return _save(drawing, figure.name + part.suffix, folder, caption, description)


def _save(drawing: Drawing, stem: str, folder: Path, caption: str, description: str) -> Picture:
    figure = drawing.figure
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")  # it stays so, or tips would lie beside what they tell of
    tight = figure.get_tightbbox()
    paper = {"facecolor": style.PAPER, "bbox_inches": tight.padded(0.08)}
    # Without a date, the same records give the same file, byte by byte.
    metadata = {"Date": None, "Title": caption}
    with files.replaced(folder / f"{stem}.png") as temporary:
        figure.savefig(temporary, dpi=160, metadata={"Title": caption}, **paper)
    alone = _source(figure, metadata=metadata, **paper)
    files.write_text(folder / f"{stem}.svg", _with_fonts(alone))
    box = tight.padded(0.04)
    inline = _inline(_source(figure, metadata={"Date": None}, bbox_inches=box), stem, description)
    return Picture(stem, caption, description, inline, _tips(drawing, box))


def _source(figure: Canvas, **how: Any) -> str:
    """As SVG."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", **how)
    return buffer.getvalue()


def _tips(drawing: Drawing, box: Bbox) -> str:
    """Where the tips lie in the SVG, whose unit is a point (1/72 inch) and whose y goes down."""
    found = []
    for tip in drawing.tips:
        x, y = tip.axes.transData.transform((tip.x, tip.y)) / drawing.figure.dpi
        if np.isfinite([x, y]).all():
            found.append([round((x - box.x0) * 72, 1), round((box.y1 - y) * 72, 1), tip.text])
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _with_fonts(source: str) -> str:
    """Let the reader's system choose a font instead of asking for the one that laid the text out."""
    return source.replace("'DejaVu Sans'", _FONTS)


def _inline(source: str, stem: str, description: str) -> str:
    """The <svg> element alone: scalable, with unique ids, and with the page's colours."""
    source = source[source.index("<svg") :]
    source = re.sub(r"<metadata>.*?</metadata>", "", source, flags=re.DOTALL)
    source = re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL)
    source = source.replace("xlink:href", "href")
    source = re.sub(r'\bid="([^"]+)"', rf'id="{stem}-\1"', source)
    source = re.sub(r'href="#([^"]+)"', rf'href="#{stem}-\1"', source)
    source = re.sub(r"url\(#([^)]+)\)", rf"url(#{stem}-\1)", source)
    source = source.replace("'DejaVu Sans'", "var(--sans)")
    variables = {style.INK: "--ink", style.MUTED: "--muted", style.GRID: "--grid", style.PAPER: "--paper"}
    variables |= {light: f"--c{i}" for i, (light, _) in enumerate(style.PALETTE)}
    for colour, variable in variables.items():
        source = source.replace(colour, f"var({variable})")
    head, body = source.split(">", 1)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    assert box is not None  # Matplotlib always writes one
    opening = (
        f'<svg viewBox="{box[0][9:-1]}" role="img" aria-label="{escape(description)}" '
        f'style="--w: {float(box[1]) * 4 / 3:.0f}px"'
    )
    return f"{opening}>{_compact(body)}"


def _compact(body: str) -> str:
    """Without the indentation, which is a tenth of the size."""
    return re.sub(r"\n\s*", "\n", body).strip()
