"""The figures. None knows a backend or rule: names, their order and their looks come with the data.

Every frame has the columns `label` (who ran: an ordered category, one panel or row each), `rule` and `mode`.
"""

from benchmarks.show.figures.drawing import Drawing, Tip
from benchmarks.show.figures.figure import Figure

__all__ = ["Drawing", "Figure", "Tip"]
