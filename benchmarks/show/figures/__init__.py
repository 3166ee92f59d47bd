"""The figures. None knows a backend or rule: names, their order and their looks come with the data.

Every frame has the columns `label` (who ran: an ordered category, one panel or row each), `rule` and `mode`.
"""

from benchmarks.show.figures.compared import comparison
from benchmarks.show.figures.curves import beside_log, criterion, learning
from benchmarks.show.figures.dots import dots
from benchmarks.show.figures.drawing import Drawing, Tip
from benchmarks.show.figures.lines import lines
from benchmarks.show.figures.roofline import roofline
from benchmarks.show.figures.settings import along, tuned

__all__ = [
    "Drawing",
    "Tip",
    "along",
    "beside_log",
    "comparison",
    "criterion",
    "dots",
    "learning",
    "lines",
    "roofline",
    "tuned",
]
