"""The table of gradients by hops: which rules it holds against BPTT, at which weights and on which trials."""

from dataclasses import dataclass

import implementations as impl
from implementations.rules import ALL

HOPS = (0, 1, 2, 4, 8, ALL)
"""Recurrent connections that an error may cross: as far as rules of the table go, and twice as far."""

WEIGHTS_SEED = 0
"""Of the initial weights, and of the trials that they are trained on."""

TRIALS, TRIALS_SEED = 16, 7
"""On which gradients are compared, and the seed of these trials."""

TRAINED = (0, 200)
"""Steps of BPTT, by the task's recipe, after which they are."""


@dataclass(frozen=True)
class Entry:
    """One gradient of the table: over so many hops, with the reset's or without, after steps of BPTT."""

    train_steps: int
    hops: float
    reset_gradient: bool

    @property
    def rule(self) -> impl.Rule:
        """In no table of rules: most of them explode."""
        name = f"{self.words} hops, reset {self.reset}"
        return impl.Rule(name, name, self.hops, self.reset_gradient, "readout", ("adjoint",), learns=False)

    @property
    def words(self) -> str:
        """The hops, as a record has them."""
        return "all" if self.hops == ALL else f"{self.hops}"

    @property
    def reset(self) -> str:
        """What becomes of the reset's gradient, as a record has it."""
        return "kept" if self.reset_gradient else "cut"


ENTRIES = tuple(Entry(steps, hops, reset) for steps in TRAINED for reset in (True, False) for hops in HOPS)
