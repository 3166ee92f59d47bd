"""How figures look: one colour per rule, one marker and line per mode, for figures on paper and on a page."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib.style

INK = "#1f2328"
MUTED = "#6a737d"
GRID = "#dfe3e8"
PAPER = "#ffffff"

# Okabe and Ito's palette, which people with any colour vision tell apart; its pink and yellow are darkened,
# as lines that thin would fade on white. The second colour of each pair is for a dark page.
PALETTE = (
    ("#0072b2", "#58b0e8"),
    ("#d55e00", "#f58a42"),
    ("#009e73", "#3ccba0"),
    ("#a8518a", "#e39ac7"),
    ("#b88700", "#f0c242"),
    ("#56b4e9", "#9ad4f7"),
    ("#4d4d4d", "#b8bec6"),
)
_MARKERS = ("o", "D", "s", "^", "v", "P")
_LINES: tuple["Dash", ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))

LINE = 1.6
"""Points; a line that says something."""

Dash = Literal["-"] | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """Titles and colours by rule, markers and lines by mode: the same in every figure of a report.

    Colours alone must not tell rules apart, so each rule has a line style too where figures overlay them.
    `floors` are rules that others are held against: thin and grey, as what they draw is no rival.
    """

    rules: tuple[str, ...]
    modes: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    floors: frozenset[str] = frozenset()

    def title(self, rule: object) -> str:
        """The rule's name for people; its own where the package does not know it."""
        return self.titles.get(str(rule), str(rule))

    def colour(self, rule: str) -> str:
        """The rule's colour on white."""
        if rule in self.floors:
            return MUTED
        return PALETTE[self.rules.index(rule) % len(PALETTE)][0]

    def rule_line(self, rule: str) -> Dash:
        """The rule's line style."""
        if rule in self.floors:
            return "-"
        return _LINES[self.rules.index(rule) % len(_LINES)]

    def width(self, rule: str, usual: float) -> float:
        """Of the rule's line, where that of the others is `usual`."""
        return min(usual, 0.9) if rule in self.floors else usual

    def rule_marker(self, rule: str) -> str:
        """The rule's marker."""
        return _MARKERS[self.rules.index(rule) % len(_MARKERS)]

    def mode_marker(self, mode: str) -> str:
        """The mode's marker."""
        return _MARKERS[self.modes.index(mode) % len(_MARKERS)]

    def mode_line(self, mode: str) -> Dash:
        """The mode's line style."""
        return _LINES[self.modes.index(mode) % len(_LINES)]


def ordered(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """`names` without repeats: those in `known` in its order, then the others by name."""
    names, known = set(names), tuple(known)
    return (*(name for name in known if name in names), *sorted(names.difference(known)))


RC: dict[Any, Any] = {
    # DejaVu Sans lays the text out; it is the widest of the fonts a page may use instead, so none overlaps.
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": LINE,
    "svg.fonttype": "none",
    "svg.hashsalt": "eprop-bench",
}
"""Matplotlib settings of all figures, beside its defaults."""


def settings() -> AbstractContextManager[None]:
    """Within it a figure is made, laid out and written: Matplotlib's own defaults and `RC`.

    Whatever settings a user has, the same records give the same file. Theirs are back at the end.
    """
    return matplotlib.style.context(["default", RC])
