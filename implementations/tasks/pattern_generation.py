"""Pattern generation: a sum of sines at each output, on a frozen Poisson input."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import NMSE, Measure
from implementations.tasks.poisson import check_rates, poisson
from implementations.tasks.raster import Raster
from implementations.tasks.task import Quick, Recipe, Task, option
from implementations.types import Batch

_TARGET, _INPUT = range(2)  # streams of a seed: what its random numbers are for

# Of the published code, as it stands there.
_TAU_MS, _THRESHOLD, _RATE_COST, _STEPS = 30.0, 0.03, 300.0, 1000


@dataclass(frozen=True)
class PatternGeneration(Task):
    """Pattern generation, as in the code published with Bellec et al. 2020, in steps of 1 ms.

    Each output k has a target of its own, the sum over sines i

        s[t] = sum_i w_i sin(2 pi cycles_i t / (n_steps - 1) + phi_i),   w_i in [0.5, 2), phi_i in [0, 2 pi)
        target[t] = (s[t] - s[0]) / max_t |s[t] - s[0]|

    with uniform w and phi, so that a target begins and ends at 0 and reaches 1 or -1. Inputs are Poisson
    spikes. Both are frozen: a run sees one batch at every step. Its trials have the same target and, as in
    the published code, an input each; the published batch is one trial.

    Published: 2000 steps of plain gradient descent on that trial. Adam, which all rules and backends here
    share, is faster at any of the learning rates 0.001, 0.003 and 0.01; at 0.01 single seeds get stuck.

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
    scaled_readout: ClassVar[bool] = True
    recipe: ClassVar[Recipe] = Recipe(batch=1, learning_rate=0.003, steps=2000)
    # 100 LIF neurons. The published input is scaled by 1 - alpha, which this suite's is not; the threshold
    # over 1 - alpha instead gives the same spikes and gradients from the same weights.
    network: ClassVar[Network] = Network(
        n_in=100,
        n_regular=100,
        n_adaptive=0,
        n_out=1,
        tau_membrane_ms=_TAU_MS,
        tau_readout_ms=_TAU_MS,
        threshold=_THRESHOLD / (1.0 - math.exp(-1.0 / _TAU_MS)),
        refractory_steps=0,
    )

    n_in: int = 100
    n_out: int = option(1, "Outputs, each with a target of its own.")  # pyright: ignore
    n_steps: int = option(  # pyright: ignore
        _STEPS, "Length of a trial in steps of 1 ms: also the window of the loss."
    )
    cycles: tuple[int, ...] = (1, 2, 3, 5)
    input_rate_hz: float = option(50.0, "Rate of the inputs.")

    def __post_init__(self) -> None:
        checks.integer("n_in", self.n_in, 1)
        checks.integer("n_out", self.n_out, 1)
        if not isinstance(self.cycles, tuple) or not self.cycles:
            checks.fail("cycles", self.cycles, "a tuple of integers >= 1, at least one of them")
        for count in self.cycles:
            checks.integer("cycles", count, 1)
        # A period of at least two steps; fewer would alias, and could leave a target that is constant.
        checks.integer("n_steps", self.n_steps, 2 * max(self.cycles) + 2)
        check_rates(self, "input_rate_hz")

    @property
    def window(self) -> int:
        """All steps count."""
        return self.n_steps

    @property
    def objective(self) -> Objective:
        """Squared error at all steps.

        Published: 1/2 sum (y - target)^2 + 300/2 sum_j (f_j - f0)^2. The objective here has the first term's
        mean over the steps instead of its sum, so the second is divided by the published steps as well. What
        gradient descent at the published rate of 1e-4 does to that sum, it would do to this mean at 0.1.
        """
        return Objective("squared_error", self.window, rate_cost=0.5 * _RATE_COST / _STEPS)

    @property
    def raster(self) -> Raster:
        """All inputs alike, each output beside its target."""
        return Raster()

    def of_length(self, n_steps: int) -> Self:
        """With as many cycles."""
        return replace(self, n_steps=n_steps)

    @classmethod
    def quick(cls) -> Quick:
        """As published: small already, and one trial a step. After 80 to 100 steps the readout follows.

        Both ways of the gradient go through the squared error; what rules make of it, evidence accumulation
        says of each.
        """
        task = cls()
        return Quick(
            task=task,
            network=cls.network,
            objective=task.objective,
            recipe=replace(cls.recipe, steps=100, evaluate_every=20),
            counted_from=80,
        )

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
        return Batch.without_copies(spikes, np.repeat(np.stack(targets, axis=1)[None], size, axis=0))

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
