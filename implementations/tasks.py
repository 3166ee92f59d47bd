"""Tasks: seeded batches of trials. `Batch` holds one, a task's `batch` method draws it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of trials.

    Args:
        spikes: (batch, time, n_in) bool, input spikes.
        targets: (batch,) integers, the class of each trial; or (batch, time, n_out) float, the
            target of the readout at each step.

    Raises:
        InvalidArgument: (a ValueError) for wrong shapes or dtypes, an empty batch, or targets that
            are negative or not finite.
    """

    spikes: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        spikes, targets = np.asarray(self.spikes), np.asarray(self.targets)
        if spikes.dtype != np.bool_:
            checks.fail("spikes", checks.Description(f"of dtype {spikes.dtype}"), "bool")
        if spikes.ndim != 3 or spikes.size == 0:
            checks.fail(
                "spikes",
                checks.Description(f"of shape {spikes.shape}"),
                "of shape (batch, time, n_in), none of them 0",
            )
        n_batch, n_time, _ = spikes.shape
        if np.issubdtype(targets.dtype, np.integer):
            if targets.shape != (n_batch,):
                checks.fail(
                    "targets", checks.Description(f"of shape {targets.shape}"), f"of shape ({n_batch},)"
                )
            if targets.min() < 0:
                checks.fail("targets", checks.Description(f"as low as {targets.min()}"), ">= 0")
        elif np.issubdtype(targets.dtype, np.floating):
            if targets.ndim != 3 or targets.shape[:2] != (n_batch, n_time) or targets.size == 0:
                checks.fail(
                    "targets",
                    checks.Description(f"of shape {targets.shape}"),
                    f"of shape ({n_batch}, {n_time}, n_out) where they are float",
                )
            if not np.isfinite(targets).all():
                checks.fail(
                    "targets", checks.Description("an array with NaN or infinity"), "finite everywhere"
                )
        else:
            checks.fail(
                "targets", checks.Description(f"of dtype {targets.dtype}"), "of an integer or float dtype"
            )
        object.__setattr__(self, "spikes", spikes)
        object.__setattr__(self, "targets", targets)

    def check_fits(self, network: Network, objective: Objective) -> None:
        """Fail unless a learner with this network and objective can take the batch."""
        n_batch, n_time, n_in = self.spikes.shape
        if n_in != network.n_in:
            checks.fail(
                "batch.spikes",
                checks.Description(f"of shape {self.spikes.shape}"),
                f"of shape (batch, time, {network.n_in})",
            )
        if n_time < objective.window:
            checks.fail(
                "batch.spikes",
                checks.Description(f"{n_time} steps long"),
                f"at least as long as objective.window, {objective.window} steps",
            )
        if objective.loss == "cross_entropy":
            if self.targets.ndim != 1:
                checks.fail(
                    "batch.targets",
                    checks.Description(f"of shape {self.targets.shape}"),
                    f"integers of shape ({n_batch},) where objective.loss is 'cross_entropy'",
                )
            if self.targets.max() >= network.n_out:
                checks.fail(
                    "batch.targets",
                    checks.Description(f"as high as {self.targets.max()}"),
                    f"0 to {network.n_out - 1}, as the network has {network.n_out} outputs",
                )
        elif self.targets.shape != (n_batch, n_time, network.n_out):
            checks.fail(
                "batch.targets",
                checks.Description(f"of dtype {self.targets.dtype} and shape {self.targets.shape}"),
                f"float of shape {(n_batch, n_time, network.n_out)} where objective.loss is 'squared_error'",
            )


class Task(Protocol):
    """Draws trials for a network with `n_in` inputs."""

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        ...

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """`size` fresh trials; the same seed gives the same ones."""
        ...


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
        trial, cue, step, neuron = _poisson(rng, self.cue_rate_hz, (size, self.n_cues, self.cue_ms, group))
        step += cue * self.interval_ms + (self.interval_ms - self.cue_ms)
        spikes[trial, step, neuron + group * right[trial, cue]] = True
        trial, step, neuron = _poisson(rng, self.cue_rate_hz, (size, self.recall_ms, group))
        spikes[trial, step + self.n_steps - self.recall_ms, neuron + 2 * group] = True
        trial, step, neuron = _poisson(rng, self.noise_rate_hz, (size, self.n_steps, group))
        spikes[trial, step, neuron + 3 * group] = True
        return Batch(spikes, (2 * right.sum(axis=1) > self.n_cues).astype(np.int64))


def _poisson(rng: np.random.Generator, rate_hz: float, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Indices, per axis of `shape`, of the cells that spike, each with rate_hz/1000 and independently.

    The gaps between successes of independent trials are geometric. Drawing gaps costs one random number
    per spike instead of one per cell, which is 50 times fewer at the rates of this task.
    """
    size = int(np.prod(shape))
    p = rate_hz / 1000.0
    if p == 0.0:
        return [np.zeros(0, np.int64) for _ in shape]
    chunk = int(size * p + 6.0 * np.sqrt(size * p) + 8.0)  # nearly always enough the first time
    cells = np.cumsum(rng.geometric(p, chunk)) - 1
    while cells[-1] < size:
        cells = np.concatenate([cells, cells[-1] + np.cumsum(rng.geometric(p, chunk))])
    return list(np.unravel_index(cells[: np.searchsorted(cells, size)], shape))
