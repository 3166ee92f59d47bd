"""Time of a training step, at the size of the notebook that this suite started from: ASV."""

from typing import Any

from benchmarks.harness.suite import CASE, Timed


class StepTime(Timed, parameters=CASE):
    """Gradients and update, up to their end; trials loaded and everything compiled before."""

    # What the regression gate looks at: four processes in turns, of two samples and more, so that what a
    # process happens to get (its place in memory, a busy neighbour) does not pass for a change.
    rounds = 4
    repeat = (2, 6, 0.5)

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()
