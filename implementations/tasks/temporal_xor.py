"""Temporal XOR: were two symbols, one after the other, the same or not?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import OURS, Measure
from implementations.tasks.poisson import add_poisson, check_groups, check_rates
from implementations.tasks.raster import Raster, equal_groups
from implementations.tasks.task import Quick, Recipe, Task, option
from implementations.types import Batch


@dataclass(frozen=True)
class TemporalXor(Task):
    """Exclusive or in time (Elman 1990, doi 10.1207/s15516709cog1402_1), in steps of 1 ms.

    The smallest task that needs memory and a nonlinearity: neither symbol says anything of the answer by
    itself. The inputs form 4 groups of n_in/4: symbol 0, symbol 1, recall, noise. A trial is a symbol of
    `symbol_ms`, `delay_ms` of noise alone, another symbol, and `recall_ms` in which the answer counts; both
    symbols are 0 or 1 with 1/2. The target is 1 where they differ. Elman's bits follow one another at once;
    the coding by groups of Poisson inputs is that of evidence accumulation.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, or an `n_in` that is no multiple of 4.
    """

    name: ClassVar[str] = "temporal_xor"
    measure: ClassVar[Measure] = OURS
    network: ClassVar[Network] = Network(n_in=20, n_regular=20, n_adaptive=20, tau_adaptation_ms=200.0)
    recipe: ClassVar[Recipe] = Recipe(batch=64, learning_rate=0.01, steps=300)
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {"delay_ms": (25, 50, 100, 200, 400)}

    n_in: int = option(20, "a multiple of 4")
    symbol_ms: int = option(50, "Duration of a symbol.")
    delay_ms: int = option(50, "Time between the symbols.", "delay (ms)")
    recall_ms: int = option(50, "The end of the trial, in which the answer counts.")
    cue_rate_hz: float = option(100.0, "Rate of the inputs of a symbol.")
    noise_rate_hz: float = option(10.0, "Rate of the noise inputs.")

    def __post_init__(self) -> None:
        check_groups(self.n_in, "symbol 0", "symbol 1", "recall", "noise")
        checks.integer("symbol_ms", self.symbol_ms, 1)
        checks.integer("delay_ms", self.delay_ms, 0)
        checks.integer("recall_ms", self.recall_ms, 1)
        check_rates(self, "cue_rate_hz", "noise_rate_hz")

    @property
    def n_out(self) -> int:
        """Two answers."""
        return 2

    @property
    def window(self) -> int:
        """The answer counts while the recall group is active."""
        return self.recall_ms

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        return 2 * self.symbol_ms + self.delay_ms + self.recall_ms

    @property
    def objective(self) -> Objective:
        """Cross-entropy while the recall group is active; rates count for a tenth, as trials are short."""
        return Objective("cross_entropy", self.window, rate_cost=0.1)

    @property
    def raster(self) -> Raster:
        """The groups, and the probability of each answer."""
        group = self.n_in // 4
        rows = (("noise", 3, None), ("recall", 2, None), ("0", 0, "#e5484d"), ("1", 1, "#0072b2"))
        return Raster(equal_groups(group, rows), ("same", "different"), self.window)

    def of_length(self, n_steps: int) -> Self:
        """By the delay."""
        return replace(self, delay_ms=n_steps - 2 * self.symbol_ms - self.recall_ms)

    def shortest(self) -> Self:
        """One symbol right after the other."""
        return replace(self, delay_ms=0)

    @classmethod
    def quick(cls) -> Quick:
        """As it is, which takes seconds."""
        task = cls()
        return Quick(
            task=task,
            network=cls.network,
            objective=task.objective,
            recipe=replace(cls.recipe, steps=200, evaluate_every=20),
            counted_from=160,
        )

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw `size` trials.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.

        Returns:
            Spikes (size, n_steps, n_in) and targets (size,), 1 where the symbols differ.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        group, n_steps = self.n_in // 4, self.n_steps
        symbols = rng.integers(0, 2, (size, 2))
        spikes = np.zeros((size, n_steps, self.n_in), np.bool_)
        for place, start in enumerate((0, self.symbol_ms + self.delay_ms)):
            first = group * symbols[:, place]
            add_poisson(rng, spikes, self.cue_rate_hz, start, self.symbol_ms, first, group)
        add_poisson(rng, spikes, self.cue_rate_hz, n_steps - self.recall_ms, self.recall_ms, 2 * group, group)
        add_poisson(rng, spikes, self.noise_rate_hz, 0, n_steps, 3 * group, group)
        return Batch.without_copies(spikes, (symbols[:, 0] != symbols[:, 1]).astype(np.int64))
