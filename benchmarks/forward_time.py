"""Time of a forward pass without a gradient: ASV."""

from typing import Any

from benchmarks.define.asv_parameters import CASE, REPEAT
from benchmarks.run.asv_classes import Timed


class ForwardTime(Timed, parameters={**CASE, "rule": ["eprop_symmetric"], "mode": ["adjoint"]}):
    """Spikes, readout and loss of a batch, nothing kept for a gradient; the same for every rule and mode."""

    work = "evaluate"
    repeat = REPEAT

    def time_evaluate(self, *_: Any) -> None:
        """One evaluation."""
        self.prepared.evaluate()
