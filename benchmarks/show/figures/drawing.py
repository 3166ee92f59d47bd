"""What a figure of the report is: a name, the section it belongs to, and how to draw it from the records.

To add one is to write one file: a module of this folder, or a plug-in, with a `Figure` at its top level.

    def draw(material, part):
        points = material.records.points
        ...
        return drawing

    RATES = Figure("rates", "learning", "Firing rates.", "Line plot of hertz.", draw, needs=("points",))
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.define import plugins
from benchmarks.show.material import Material, Part


@dataclass(frozen=True)
class Tip:
    """What a page shows where someone points at (x, y), in data coordinates of `axes`."""

    axes: Axes
    x: float
    y: float
    text: str


@dataclass
class Drawing:
    """A figure with its tips."""

    figure: Canvas
    tips: list[Tip] = field(default_factory=list)

    def tip(self, axes: Axes, x: float, y: float, text: str) -> None:
        """Add a value to point at."""
        self.tips.append(Tip(axes, x, y, text))


@dataclass(frozen=True)
class Figure:
    """A figure, as one file declares it.

    Attributes:
        name: of its files, NAME.svg and NAME.png; where a section has several parts, they add their own.
        section: the section's, as the links to it say: "speed", "learning".
        caption: what one sees, and the conditions; "{part.lead}" and the like are taken from the part.
        description: the same for those who can't see it.
        draw: from what the report is made of (records, names, what is computed of them)
            and what its section is about (see there); None where there is nothing to draw.
        needs: tables of `Records` without which there is nothing to draw; the section then says so.
        title: of the section, where it is one that the report does not have.
    """

    name: str
    section: str
    caption: str
    description: str
    draw: Callable[[Material, Part], Drawing | None]
    needs: tuple[str, ...] = ()
    title: str = ""


def declared() -> dict[str, Figure]:
    """Name -> figure: those of this folder, then those of plug-ins, as they are defined.

    Raises:
        PluginError: a plug-in's figure has a name that is taken.
    """
    found: dict[str, Figure] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        values = vars(import_module(f"{__package__}.{module.name}")).values()
        found |= {value.name: value for value in values if isinstance(value, Figure)}
    plugins.extend(found, lambda: ((one.name, one) for one in plugins.instances(Figure)), "figure")
    return found
