"""Evidence accumulation: on which side were most cues, some time ago?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from implementations import checks
from implementations.network import seed_sequence
from implementations.tasks.measure import ACCURACY, Measure
from implementations.tasks.poisson import poisson
from implementations.types import Batch


@dataclass(frozen=True)
class EvidenceAccumulation:
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
    frozen: ClassVar[bool] = False

    n_in: int = 40
    n_cues: int = 7
    cue_ms: int = 100
    interval_ms: int = 150
    delay_ms: int = 1200
    recall_ms: int = 150
    cue_rate_hz: float = 40.0
    noise_rate_hz: float = 10.0
    p_unfavoured: float = 0.3

    def __post_init__(self) -> None:
        checks.integer("n_in", self.n_in, 4)
        if self.n_in % 4:
            checks.fail("n_in", self.n_in, "any multiple of 4: left cue, right cue, recall, noise")
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
        for name in ("cue_rate_hz", "noise_rate_hz"):
            if checks.number(name, getattr(self, name), minimum=0.0) > 1000.0:
                checks.fail(name, getattr(self, name), "at most 1000, one spike per step")
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
        return Batch(spikes, (2 * right.sum(axis=1) > self.n_cues).astype(np.int64))
