"""What goes into a learner and what comes out: `Batch`, `Gradients`, `Metrics`, `Activity`.

The interface of the backends and the tasks share these, and neither imports the other.
"""

from dataclasses import dataclass
from typing import Self, SupportsFloat

import numpy as np

from implementations import checks
from implementations.immutable import Immutable
from implementations.network import Network, check_range
from implementations.objective import Objective


@dataclass(frozen=True, eq=False)
class Batch(Immutable):
    """A batch of trials: read-only copies of what was given.

    Args:
        spikes: (batch, time, n_in) bool, input spikes.
        targets: (batch,) integers, the class of each trial; or (batch, time, n_out) float, the
            target of the readout at each step.
        mask: (batch, time) bool, the steps of each trial that count, of those in the window of the
            objective; None where all of these do. Task loss and its gradient are means over the steps that
            count, in all trials together; the answer of a trial is the readout that is largest over its own.

    Raises:
        InvalidArgument: (a ValueError) for wrong shapes or dtypes, an empty batch, or targets that
            are negative or not finite.
    """

    spikes: np.ndarray
    targets: np.ndarray
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        mask = None if self.mask is None else np.array(self.mask, order="C")
        self._take(np.array(self.spikes, order="C"), np.array(self.targets, order="C"), mask)

    @classmethod
    def without_copies(cls, spikes: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None) -> Self:
        """`Batch(spikes, targets, mask)` of arrays that nobody else has or will have: they become read-only.

        For tasks, which draw trials as fast as others copy them.
        """
        batch = object.__new__(cls)
        batch._take(np.asarray(spikes), np.asarray(targets), None if mask is None else np.asarray(mask))
        return batch

    def _take(self, spikes: np.ndarray, targets: np.ndarray, mask: np.ndarray | None) -> None:
        """Check the arrays and hold them, read-only."""
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
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != (n_batch, n_time)):
            was = checks.Description(f"of dtype {mask.dtype} and shape {mask.shape}")
            checks.fail("mask", was, f"bool of shape ({n_batch}, {n_time}), or None")
        for name, array in (("spikes", spikes), ("targets", targets), ("mask", mask)):
            if array is not None:
                array.setflags(write=False)
            object.__setattr__(self, name, array)

    def check_shared_out(self, devices: int) -> None:
        """Fail unless each of so many devices can have as many of the trials."""
        n_batch = len(self.spikes)
        if n_batch % devices:
            checks.fail(
                "batch",
                checks.Description(f"of {n_batch} trials"),
                f"of any multiple of {devices} trials, the number of devices",
            )

    def spike_words(self) -> np.ndarray:
        """(batch, time, words) uint32 for kernels that read bits: input i is bit i % 32 of word i // 32."""
        bits = np.packbits(self.spikes, axis=2, bitorder="little")
        words = np.zeros((*bits.shape[:2], -(-bits.shape[2] // 4) * 4), np.uint8)
        words[:, :, : bits.shape[2]] = bits
        return words.view("<u4")

    def targets_within(self, objective: Objective, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """The targets for kernels that take either kind: classes (batch,) and curves (batch, window, n_out).

        One of them is empty, by the loss of `objective`, which the batch fits.
        """
        if objective.loss == "cross_entropy":
            return self.targets.astype(np.int64), np.zeros((0, 0, 0), dtype)
        return np.zeros(0, np.int64), np.array(self.targets[:, -objective.window :], dtype, order="C")

    def shares(self, objective: Objective, dtype: np.dtype) -> np.ndarray:
        """(batch, window) by how much each step counts, on average 1; (0, 0) where all count alike.

        Kernels multiply loss and error of a step by it, so that sums over batch and window, divided by the
        number of their steps, are means over the steps that count.
        """
        if self.mask is None:
            return np.zeros((0, 0), dtype)
        counted = self.mask[:, -objective.window :]
        return counted * dtype.type(counted.size / counted.sum())

    def refuse_mask(self, engine: str, instead: str) -> None:
        """Fail where there is a mask, for an engine that takes none; `instead` says what does."""
        if self.mask is not None:
            checks.fail(
                "batch.mask", checks.Description("an array"), f"None where {engine} compute: {instead}"
            )

    def check_fits(self, network: Network, objective: Objective, dtype: np.dtype) -> None:
        """Fail unless a learner with this network, objective and dtype can take the batch.

        Values are looked at again: engines index with classes, and an array's owner can make it writable.
        """
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
        if self.mask is not None:
            without = np.flatnonzero(~self.mask[:, -objective.window :].any(axis=1))
            if len(without):
                checks.fail(
                    "batch.mask",
                    checks.Description(f"False at all steps of trial {without[0]} that are in the window"),
                    f"True at one or more of the last {objective.window} steps of each trial",
                )
        if objective.loss == "cross_entropy":
            if self.targets.ndim != 1:
                checks.fail(
                    "batch.targets",
                    checks.Description(f"of shape {self.targets.shape}"),
                    f"integers of shape ({n_batch},) where objective.loss is 'cross_entropy'",
                )
            for value, word in ((self.targets.max(), "high"), (self.targets.min(), "low")):
                if not 0 <= value < network.n_out:
                    checks.fail(
                        "batch.targets",
                        checks.Description(f"as {word} as {value}"),
                        f"0 to {network.n_out - 1}, as the network has {network.n_out} outputs",
                    )
        elif self.targets.shape != (n_batch, n_time, network.n_out):
            checks.fail(
                "batch.targets",
                checks.Description(f"of dtype {self.targets.dtype} and shape {self.targets.shape}"),
                f"float of shape {(n_batch, n_time, network.n_out)} where objective.loss is 'squared_error'",
            )
        else:
            check_range("batch.targets", self.targets, dtype)


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of the loss, in the learner's dtype.

    Attributes:
        w_in: (n_in, n_rec); w_rec: (n_rec, n_rec), diagonal 0; w_out: (n_rec, n_out).
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray


@dataclass(frozen=True)
class Metrics:
    """Figures of one batch, before the update; each is a number or, on a device, what float() makes one.

    Attributes:
        loss: task_loss + rate_loss.
        task_loss: cross-entropy in nats, or squared error, over the window, or what the mask of the batch
            leaves of it; NaN where the network has diverged (interface.py).
        rate_loss: firing-rate regularisation, cost included.
        accuracy: share of trials whose readout, averaged over the steps that count, is largest at the target;
            NaN where the loss is "squared_error".
        rate_hz: mean firing rate of the recurrent neurons.
    """

    loss: SupportsFloat
    task_loss: SupportsFloat
    rate_loss: SupportsFloat
    accuracy: SupportsFloat
    rate_hz: SupportsFloat


@dataclass(frozen=True, eq=False)
class Activity:
    """What a network did: spikes (batch, time, n_rec) bool, readout (batch, time, n_out) in the dtype."""

    spikes: np.ndarray
    readout: np.ndarray
