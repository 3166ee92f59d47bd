"""What a plot gives: a figure, and the values under its marks for who points at them."""

from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure


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

    figure: Figure
    tips: list[Tip] = field(default_factory=list)

    def tip(self, axes: Axes, x: float, y: float, text: str) -> None:
        """Add a value to point at."""
        self.tips.append(Tip(axes, x, y, text))
