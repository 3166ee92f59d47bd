"""Time of a training step, at the size of the notebook that this suite started from: ASV."""

from typing import Any

from benchmarks.define.asv_parameters import CASE, NOTEBOOK, PATTERN, REPEAT
from benchmarks.run.asv_classes import Timed


class StepTime(Timed, parameters=CASE):
    """Gradients and update, up to their end; trials loaded and everything compiled before."""

    repeat = REPEAT

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()


class PatternStepTime(Timed, parameters=PATTERN):
    """The same of pattern generation."""

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()


class NotebookStepTime(Timed, parameters=NOTEBOOK):
    """The same of the notebook's own network and step, which the others are compared with."""

    repeat = REPEAT

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()
