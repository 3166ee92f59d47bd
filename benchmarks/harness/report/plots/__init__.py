"""The figures. None knows a backend or rule: names, their order and their looks come with the data.

Every frame has the columns `label` (who ran: an ordered category, one panel or row each), `rule` and `mode`.
"""

from benchmarks.harness.report.plots.compared import comparison
from benchmarks.harness.report.plots.curves import beside_log, criterion, learning
from benchmarks.harness.report.plots.dots import dots
from benchmarks.harness.report.plots.drawing import Drawing, Tip
from benchmarks.harness.report.plots.lines import lines
from benchmarks.harness.report.plots.roofline import roofline
from benchmarks.harness.report.plots.settings import along, tuned

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
