"""Copy and recall: random patterns of spikes, to be repeated when they are over."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import NMSE, Measure
from implementations.tasks.poisson import add_poisson, check_rates
from implementations.tasks.raster import InputGroup, Raster
from implementations.tasks.task import Quick, Recipe, Task, option
from implementations.types import Batch


@dataclass(frozen=True)
class CopyRecall(Task):
    """The copy task (Graves et al. 2014, arXiv 1410.5401, section 4.1) with spikes, in steps of 1 ms.

    `length` random patterns of `n_out` channels follow one another, `symbol_ms` each; a channel is active in
    a pattern with 1/2. After `delay_ms` a recall group is active for as long as all patterns took, and the
    readout is to follow them in their order: 1 where a channel was active, else 0. Only there the error
    counts. The inputs form n_out + 2 groups: the channels, recall, noise. There channels are bits, and
    patterns have one step; groups of Poisson inputs and delay are ours.

    How many patterns a network repeats grows with what it can keep: `length` is the ladder of difficulty.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, or an `n_in` that is no multiple of
            n_out + 2.
    """

    name: ClassVar[str] = "copy_recall"
    measure: ClassVar[Measure] = replace(
        NMSE, criterion_error=0.3, criterion_source="ours: most channels on their side of 1/2"
    )
    network: ClassVar[Network] = Network(n_in=30, n_out=4, tau_adaptation_ms=200.0)
    recipe: ClassVar[Recipe] = Recipe(batch=64, learning_rate=0.01, steps=600)
    scaled_readout: ClassVar[bool] = True
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {"length": (1, 2, 3, 4, 6)}

    n_in: int = option(30, "a multiple of n_out + 2")
    n_out: int = option(4, "Channels of a pattern.")  # pyright: ignore
    length: int = option(1, "Patterns to be repeated.", "patterns")
    symbol_ms: int = option(50, "Duration of a pattern.")
    delay_ms: int = option(25, "Time between patterns and recall.")
    cue_rate_hz: float = option(100.0, "Rate of the inputs of an active channel.")
    noise_rate_hz: float = option(10.0, "Rate of the noise inputs.")

    def __post_init__(self) -> None:
        checks.integer("n_out", self.n_out, 1)
        if checks.integer("n_in", self.n_in, 1) % (self.n_out + 2):
            checks.fail("n_in", self.n_in, f"any multiple of {self.n_out + 2}: channels, recall, noise")
        checks.integer("length", self.length, 1)
        checks.integer("symbol_ms", self.symbol_ms, 1)
        checks.integer("delay_ms", self.delay_ms, 0)
        check_rates(self, "cue_rate_hz", "noise_rate_hz")

    @property
    def window(self) -> int:
        """As long as the patterns took."""
        return self.length * self.symbol_ms

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        return 2 * self.window + self.delay_ms

    @property
    def objective(self) -> Objective:
        """Squared error during the recall."""
        return Objective("squared_error", self.window, rate_cost=0.1)

    @property
    def raster(self) -> Raster:
        """The groups, and each output beside its target."""
        group, shades = self.n_in // (self.n_out + 2), ("#e5484d", "#0072b2")
        channels = (
            InputGroup(f"channel {k + 1}", k * group, group, shades[k % 2]) for k in range(self.n_out)
        )
        others = (("noise", self.n_out + 1), ("recall", self.n_out))
        return Raster((*(InputGroup(name, place * group, group) for name, place in others), *channels))

    @classmethod
    def quick(cls) -> Quick:
        """Two channels of one pattern."""
        task = cls(n_in=20, n_out=2)
        return Quick(
            task=task,
            network=replace(cls.network, n_in=20, n_out=2, n_regular=20, n_adaptive=20),
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
            Spikes (size, n_steps, n_in), targets (size, n_steps, n_out) float64, and mask (size, n_steps),
            True during the recall.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        group, n_steps = self.n_in // (self.n_out + 2), self.n_steps
        active = rng.random((size, self.length, self.n_out)) < 0.5
        spikes = np.zeros((size, n_steps, self.n_in), np.bool_)
        for number in range(self.length):
            for channel in range(self.n_out):
                start, on = number * self.symbol_ms, active[:, number, channel]
                first = channel * group
                add_poisson(rng, spikes, self.cue_rate_hz, start, self.symbol_ms, first, group, on)
        recall = n_steps - self.window
        add_poisson(rng, spikes, self.cue_rate_hz, recall, self.window, self.n_out * group, group)
        add_poisson(rng, spikes, self.noise_rate_hz, 0, n_steps, (self.n_out + 1) * group, group)
        targets = np.zeros((size, n_steps, self.n_out))
        targets[:, recall:] = np.repeat(active, self.symbol_ms, axis=1)
        mask = np.zeros((size, n_steps), np.bool_)
        mask[:, recall:] = True
        return Batch.without_copies(spikes, targets, mask)
