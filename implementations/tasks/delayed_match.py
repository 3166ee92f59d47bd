"""Delayed match to sample: is the second cue what the first one was?"""

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
from implementations.tasks.task import Quick, Recipe, Reference, Task, option
from implementations.types import Batch

_TAU_MS, _THRESHOLD = 20.0, 0.03  # of the published code


@dataclass(frozen=True)
class DelayedMatch(Task):
    """Delayed match to sample, as in the code of LevinaLab/neuromodRNNs (GitHub), in steps of 1 ms.

    The inputs form 3 groups of n_in/3: background, first cue, second cue. After `fixation_ms` comes the first
    cue, after `delay_ms` more the second, with which the trial ends; each is on with 1/2, and its group is
    silent where it is not. The target is 1 where both are on or both are off. The answer counts in the last
    `recall_ms`.

    There networks have sparse connections, in a grid, and beta 1.8; here they are dense, and beta is 1.7 as
    in all tasks. The threshold there is for potentials that are scaled by 1 - alpha, which this suite's are
    not. Published: BPTT 99.7 +- 0.5 %, e-prop 74.0 +- 11.5 % right after 2000 steps, over 20 seeds.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, or an `n_in` that is no multiple of 3.
    """

    name: ClassVar[str] = "delayed_match"
    measure: ClassVar[Measure] = OURS
    network: ClassVar[Network] = Network(
        n_in=60,
        tau_membrane_ms=_TAU_MS,
        tau_adaptation_ms=1400.0,
        threshold=_THRESHOLD / (1.0 - float(np.exp(-1.0 / _TAU_MS))),
    )
    recipe: ClassVar[Recipe] = Recipe(batch=64, learning_rate=0.005, steps=600)
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {"delay_ms": (100, 300, 700, 1400)}

    n_in: int = option(60, "a multiple of 3")
    fixation_ms: int = option(50, "Time before the first cue.")
    cue_ms: int = option(150, "Duration of a cue.")
    delay_ms: int = option(700, "Time between the cues.", "delay (ms)")
    recall_ms: int = option(50, "The end of the second cue, in which the answer counts.")
    cue_rate_hz: float = option(40.0, "Rate of the inputs of a cue.")
    noise_rate_hz: float = option(10.0, "Rate of the background.")

    def __post_init__(self) -> None:
        check_groups(self.n_in, "background", "first cue", "second cue")
        checks.integer("fixation_ms", self.fixation_ms, 0)
        checks.integer("cue_ms", self.cue_ms, 1)
        checks.integer("delay_ms", self.delay_ms, 0)
        checks.integer("recall_ms", self.recall_ms, 1)
        if self.recall_ms > self.n_steps:
            checks.fail("recall_ms", self.recall_ms, f"at most {self.n_steps}, the length of the trial")
        check_rates(self, "cue_rate_hz", "noise_rate_hz")

    @property
    def n_out(self) -> int:
        """Two answers."""
        return 2

    @property
    def window(self) -> int:
        """The answer counts at the end of the second cue."""
        return self.recall_ms

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        return self.fixation_ms + 2 * self.cue_ms + self.delay_ms

    @property
    def objective(self) -> Objective:
        """Cross-entropy at the end; the published weight of the rates."""
        return Objective("cross_entropy", self.window, rate_cost=0.1)

    @property
    def raster(self) -> Raster:
        """The groups, and the probability of each answer."""
        group = self.n_in // 3
        rows = (("background", 0, None), ("first cue", 1, "#e5484d"), ("second cue", 2, "#0072b2"))
        return Raster(equal_groups(group, rows), ("no match", "match"), self.window)

    @classmethod
    def references(cls) -> tuple[Reference, ...]:
        """Of the code that the task is from."""
        source = "LevinaLab/neuromodRNNs: 20 seeds, 2000 steps, sparse connections in a grid"
        return Reference("BPTT", 0.997, source, 0.005), Reference("e-prop", 0.740, source, 0.115)

    def of_length(self, n_steps: int) -> Self:
        """By the delay."""
        return replace(self, delay_ms=n_steps - self.fixation_ms - 2 * self.cue_ms)

    def shortest(self) -> Self:
        """One cue right after the other."""
        return replace(self, delay_ms=0)

    @classmethod
    def quick(cls) -> Quick:
        """With cues that follow soon, and are told by more spikes."""
        task = cls(n_in=30, fixation_ms=0, cue_ms=50, delay_ms=50, cue_rate_hz=100.0)
        network = replace(cls.network, n_in=30, n_regular=20, n_adaptive=20, tau_adaptation_ms=200.0)
        return Quick(
            task=task,
            network=network,
            objective=task.objective,
            recipe=Recipe(batch=64, learning_rate=0.01, steps=200, evaluate_every=20),
            counted_from=160,
        )

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw `size` trials.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.

        Returns:
            Spikes (size, n_steps, n_in) and targets (size,), 1 for a match.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        group = self.n_in // 3
        on = rng.random((size, 2)) < 0.5
        spikes = np.zeros((size, self.n_steps, self.n_in), np.bool_)
        for cue, start in enumerate((self.fixation_ms, self.n_steps - self.cue_ms)):
            first = (1 + cue) * group
            add_poisson(rng, spikes, self.cue_rate_hz, start, self.cue_ms, first, group, on[:, cue])
        add_poisson(rng, spikes, self.noise_rate_hz, 0, self.n_steps, 0, group)
        return Batch.without_copies(spikes, (on[:, 0] == on[:, 1]).astype(np.int64))
