"""Pattern generation: a sum of sines at each output, on a frozen Poisson input."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from implementations import checks
from implementations.network import seed_sequence
from implementations.tasks.measure import NMSE, Measure
from implementations.tasks.poisson import poisson
from implementations.types import Batch

_TARGET, _INPUT = range(2)  # streams of a seed: what its random numbers are for


@dataclass(frozen=True)
class PatternGeneration:
    """Pattern generation, as in the code published with Bellec et al. 2020, in steps of 1 ms.

    Each output k has a target of its own, the sum over sines i

        s[t] = sum_i w_i sin(2 pi cycles_i t / (n_steps - 1) + phi_i),   w_i in [0.5, 2), phi_i in [0, 2 pi)
        target[t] = (s[t] - s[0]) / max_t |s[t] - s[0]|

    with uniform w and phi, so that a target begins and ends at 0 and reaches 1 or -1. Inputs are Poisson
    spikes. Both are frozen: a run sees one batch at every step. Its trials have the same target and, as in
    the published code, an input each; the published batch is one trial.

    Args:
        n_in: number of inputs.
        n_out: number of outputs, each with a target.
        n_steps: length of a trial.
        cycles: of each sine in a trial, whole numbers; those of the published 1, 2, 3 and 5 Hz in 1 s.
        input_rate_hz: rate of each input.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    name: ClassVar[str] = "pattern_generation"
    measure: ClassVar[Measure] = NMSE
    frozen: ClassVar[bool] = True

    n_in: int = 100
    n_out: int = 1
    n_steps: int = 1000
    cycles: tuple[int, ...] = (1, 2, 3, 5)
    input_rate_hz: float = 50.0

    def __post_init__(self) -> None:
        checks.integer("n_in", self.n_in, 1)
        checks.integer("n_out", self.n_out, 1)
        if not isinstance(self.cycles, tuple) or not self.cycles:
            checks.fail("cycles", self.cycles, "a tuple of integers >= 1, at least one of them")
        for count in self.cycles:
            checks.integer("cycles", count, 1)
        # A period of at least two steps; fewer would alias, and could leave a target that is constant.
        checks.integer("n_steps", self.n_steps, 2 * max(self.cycles) + 2)
        if checks.number("input_rate_hz", self.input_rate_hz, minimum=0.0) > 1000.0:
            checks.fail("input_rate_hz", self.input_rate_hz, "at most 1000, one spike per step")

    @property
    def window(self) -> int:
        """All steps count."""
        return self.n_steps

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw the pattern of a seed; its first trials and outputs are the same however many there are.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.

        Returns:
            Spikes (size, n_steps, n_in) and targets (size, n_steps, n_out) float64, the same in each trial.
        """
        checks.integer("size", size, 1)
        sequence = seed_sequence(seed)
        spikes = np.zeros((size, self.n_steps, self.n_in), np.bool_)
        for number, trial in enumerate(spikes):
            trial[tuple(poisson(_stream(sequence, _INPUT, number), self.input_rate_hz, trial.shape))] = True
        targets = [self._target(_stream(sequence, _TARGET, number)) for number in range(self.n_out)]
        return Batch(spikes, np.repeat(np.stack(targets, axis=1)[None], size, axis=0))

    def _target(self, rng: np.random.Generator) -> np.ndarray:
        """(n_steps,)"""
        weights = rng.uniform(0.5, 2.0, (len(self.cycles), 1))
        phases = rng.uniform(0.0, 2.0 * np.pi, (len(self.cycles), 1))
        angles = 2.0 * np.pi * np.array(self.cycles)[:, None] * np.linspace(0.0, 1.0, self.n_steps)
        target = (weights * np.sin(angles + phases)).sum(axis=0)
        target -= target[0]
        return target / np.abs(target).max()


def _stream(sequence: np.random.SeedSequence, *key: int) -> np.random.Generator:
    """An independent stream of a seed; unlike `spawn`, the same one at each call."""
    child = np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, *key))
    return np.random.default_rng(child)
