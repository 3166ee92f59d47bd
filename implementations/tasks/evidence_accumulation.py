"""Evidence accumulation: on which side were most cues, some time ago?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from implementations import checks, rules
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import ACCURACY, Measure
from implementations.tasks.poisson import check_groups, check_rates, poisson
from implementations.tasks.raster import Raster, equal_groups
from implementations.tasks.task import Quick, Recipe, Reference, Task, option
from implementations.types import Batch


@dataclass(frozen=True)
class EvidenceAccumulation(Task):
    """Evidence accumulation (Bellec et al. 2020, fig. 4, and their published code), in steps of 1 ms.

    The inputs form 4 groups of n_in/4: left cue, right cue, recall, noise. Per trial a favoured side is
    drawn; then each cue is, independently, on the other side with `p_unfavoured`. Cue k = 0.. lasts for the
    last `cue_ms` of its `interval_ms`. After the cues there are `delay_ms`, of which the recall group is
    active in the last `recall_ms`. The target is 1 where most cues were right, else 0.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, an even number of cues (which could
            tie), or an `n_in` that is no multiple of 4.
    """

    name: ClassVar[str] = "evidence_accumulation"
    measure: ClassVar[Measure] = ACCURACY
    network: ClassVar[Network] = Network()
    recipe: ClassVar[Recipe] = Recipe(steps=600)
    # From one cue to more than published; delays up to twice the adaptation's half-life.
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "n_cues": (1, 3, 5, 7, 9, 11),
        "delay_ms": (300, 600, 1200, 1800, 2400),
    }

    n_in: int = option(40, "a multiple of 4")
    n_cues: int = option(7, "Cues per trial; odd.", "cues")
    cue_ms: int = option(100, "Duration of a cue.")
    interval_ms: int = option(150, "Time from one cue to the next.")
    delay_ms: int = option(1200, "Time from the last cue to the end of the trial.", "delay (ms)")
    recall_ms: int = option(
        150, "The end of the delay, in which the answer counts: also the window of the loss."
    )
    cue_rate_hz: float = option(40.0, "Rate of the inputs of a cue.")
    noise_rate_hz: float = option(10.0, "Rate of the noise inputs.")
    p_unfavoured: float = option(0.3, "Probability of a cue on the side that is not favoured.")

    def __post_init__(self) -> None:
        check_groups(self.n_in, "left cue", "right cue", "recall", "noise")
        checks.integer("n_cues", self.n_cues, 1)
        if self.n_cues % 2 == 0:
            checks.fail("n_cues", self.n_cues, "any odd integer, so that no trial is a tie")
        checks.integer("interval_ms", self.interval_ms, 1)
        checks.integer("cue_ms", self.cue_ms, 1)
        if self.cue_ms > self.interval_ms:
            checks.fail("cue_ms", self.cue_ms, f"at most interval_ms, {self.interval_ms}")
        checks.integer("recall_ms", self.recall_ms, 1)
        checks.integer("delay_ms", self.delay_ms, 1)
        if self.recall_ms > self.delay_ms:
            checks.fail("recall_ms", self.recall_ms, f"at most delay_ms, {self.delay_ms}")
        check_rates(self, "cue_rate_hz", "noise_rate_hz")
        if not 0.0 <= checks.number("p_unfavoured", self.p_unfavoured) <= 1.0:
            checks.fail("p_unfavoured", self.p_unfavoured, "any number in [0, 1]")

    @property
    def n_out(self) -> int:
        """Two answers: left and right."""
        return 2

    @property
    def window(self) -> int:
        """The answer counts while the recall group is active."""
        return self.recall_ms

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        return self.n_cues * self.interval_ms + self.delay_ms

    @property
    def objective(self) -> Objective:
        """Cross-entropy while the recall group is active."""
        return Objective("cross_entropy", self.window)

    @property
    def raster(self) -> Raster:
        """Input groups as the BrainPy notebook draws them, and the probability of each side."""
        group = self.n_in // 4
        rows = (
            ("noise", 3, None),
            ("recall", 2, None),
            ("left cue", 0, "#e5484d"),
            ("right cue", 1, "#0072b2"),
        )
        return Raster(equal_groups(group, rows), ("left", "right"), self.window)

    @classmethod
    def references(cls) -> tuple[Reference, ...]:
        """Of others who trained this task."""
        source = "LevinaLab/neuromodRNNs: sparse connections in a grid"
        return Reference("BPTT", 0.968, source, 0.038), Reference("e-prop", 0.861, source, 0.040)

    def of_length(self, n_steps: int) -> Self:
        """By the delay."""
        return replace(self, delay_ms=n_steps - self.n_cues * self.interval_ms)

    def shortest(self) -> Self:
        """All cues, and no more delay than the answer takes."""
        return replace(self, delay_ms=self.recall_ms)

    @classmethod
    def quick(cls) -> Quick:
        """One cue, over when the delay begins: half of the trials are wrong where nothing was learned.

        The published cost of 1 for firing rates outweighs the task at first in trials this short. With 0.1
        all rules are below 10 % (mean of four seeds) after 80 steps, and a slower learning rate keeps them
        there. Rounding moves the error of one seed by some per cent, as training is chaotic; of four, half.
        """
        task = cls(n_cues=1, interval_ms=100, delay_ms=200, recall_ms=100)
        return Quick(
            task=task,
            network=Network(n_regular=20, n_adaptive=20),
            objective=replace(task.objective, rate_cost=0.1),
            recipe=Recipe(batch=64, learning_rate=0.003, steps=120, evaluate_every=20),
            counted_from=80,
            seeds=(0, 1, 2, 3),
            rules=rules.learning(),
        )

    def cue_start(self, cue: int) -> int:
        """First step of cue number `cue`."""
        return cue * self.interval_ms + self.interval_ms - self.cue_ms

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw `size` trials.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.

        Returns:
            Spikes (size, n_steps, n_in) and targets (size,), 1 for right.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        group = self.n_in // 4
        # (batch, cue), True for a cue on the right
        p_right = np.where(rng.random((size, 1)) < 0.5, self.p_unfavoured, 1.0 - self.p_unfavoured)
        right = rng.random((size, self.n_cues)) < p_right

        spikes = np.zeros((size, self.n_steps, self.n_in), np.bool_)
        trial, cue, step, neuron = poisson(rng, self.cue_rate_hz, (size, self.n_cues, self.cue_ms, group))
        step += cue * self.interval_ms + (self.interval_ms - self.cue_ms)
        spikes[trial, step, neuron + group * right[trial, cue]] = True
        trial, step, neuron = poisson(rng, self.cue_rate_hz, (size, self.recall_ms, group))
        spikes[trial, step + self.n_steps - self.recall_ms, neuron + 2 * group] = True
        trial, step, neuron = poisson(rng, self.noise_rate_hz, (size, self.n_steps, group))
        spikes[trial, step, neuron + 3 * group] = True
        return Batch.without_copies(spikes, (2 * right.sum(axis=1) > self.n_cues).astype(np.int64))
