"""Time of a training step, at the size of the notebook that this suite started from: ASV."""

from typing import Any

from benchmarks.harness.suite import CASE, REPEAT, ROUNDS, Timed


class StepTime(Timed, parameters=CASE):
    """Gradients and update, up to their end; trials loaded and everything compiled before."""

    rounds = ROUNDS
    repeat = REPEAT

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()
