"""Task loss over the window, its derivative by the readout, and the firing-rate loss."""

from typing import NamedTuple

import numpy as np

from implementations.network import Network
from implementations.numpy.dynamics import Loaded
from implementations.objective import Objective
from implementations.types import Metrics


class TaskLoss:
    """Adds up the task loss of a batch, over blocks of steps and groups of trials."""

    def __init__(self, objective: Objective, loaded: Loaded, n_out: int) -> None:
        self._classes = objective.loss == "cross_entropy"
        self._targets = loaded.targets
        self._shares = loaded.shares
        self._scale = 1.0 / (loaded.x.shape[1] * objective.window)
        self._window_start = len(loaded.x) - objective.window
        self._loss = 0.0
        self._y_sum = np.zeros((loaded.x.shape[1], n_out))

    def error(self, y: np.ndarray, start: int, trials: slice) -> np.ndarray:
        """Add the loss of a block inside the window.

        Args:
            y: (steps, trials, n_out) readout.
            start: first step of the block.
            trials: which trials of the batch these are.

        Returns:
            ell, (steps, trials, n_out): the derivative of the batch's loss by y.
        """
        shares = self._shares_of(start, start + len(y), trials)
        counted = y if shares is None else y * (shares > 0)
        self._y_sum[trials] += counted.sum(axis=0, dtype=np.float64)
        if self._classes:
            ell, total = _cross_entropy(y, self._targets[trials], shares)
        else:
            first = start - self._window_start
            ell = y - self._targets[first : first + len(y), trials]
            squares = np.square(ell)
            total = 0.5 * (squares if shares is None else shares * squares).sum(dtype=np.float64)
        self._loss += float(total) * self._scale
        ell *= self._scale
        if shares is not None:
            ell *= shares
        return ell

    def target(self, start: int, stop: int, trials: slice) -> np.ndarray:
        """(steps, trials, n_out), minus the target, scaled as the error is: what the rule DRTP sends back."""
        shares = self._shares_of(start, stop, trials)
        if not self._classes:
            first = self._window_start
            sent = -self._scale * self._targets[start - first : stop - first, trials]
        else:
            onehot = np.zeros(self._y_sum[trials].shape)
            onehot[np.arange(len(onehot)), self._targets[trials]] = -self._scale
            sent = np.broadcast_to(onehot, (stop - start, *onehot.shape))
        return sent if shares is None else sent * shares

    def _shares_of(self, start: int, stop: int, trials: slice) -> np.ndarray | None:
        """(steps, trials, 1) of a block."""
        first = self._window_start
        return None if self._shares is None else self._shares[start - first : stop - first, trials]

    def result(self) -> tuple[float, float]:
        """Loss and accuracy; all blocks and trials are in."""
        if not self._classes:
            return self._loss, float("nan")
        return self._loss, float((self._y_sum.argmax(axis=1) == self._targets).mean())


def _cross_entropy(
    y: np.ndarray, classes: np.ndarray, shares: np.ndarray | None
) -> tuple[np.ndarray, np.floating]:
    """softmax(y) - onehot, and the sum of -log softmax(y) at the targets, by shares (steps, batch, 1)."""
    at_target = (slice(None), np.arange(len(classes)), classes)  # of (steps, batch, n_out)
    shifted = y - y.max(axis=-1, keepdims=True)
    ell = np.exp(shifted)
    total = ell.sum(axis=-1, keepdims=True)
    if shares is None:
        loss = np.log(total).sum(dtype=np.float64) - shifted[at_target].sum(dtype=np.float64)
    else:
        loss = (shares[..., 0] * (np.log(total[..., 0]) - shifted[at_target])).sum(dtype=np.float64)
    ell /= total
    ell[at_target] -= 1
    return ell, loss


class RateLoss(NamedTuple):
    """Firing-rate loss of a batch: rate_cost sum_j (f_j - f0)^2."""

    loss: float
    rate_hz: float
    c: np.ndarray  # (n_rec,) derivative of the loss by one spike of neuron j

    @classmethod
    def of(
        cls, counts: np.ndarray, shape: tuple[int, int], network: Network, objective: Objective
    ) -> "RateLoss":
        """From the spikes of each neuron, counts (n_rec,), in a batch of `shape` (time, batch)."""
        n_ms = shape[0] * shape[1] * network.dt_ms
        rates = counts / n_ms
        error = rates - objective.rate_target_per_ms
        loss = objective.rate_cost * np.square(error).sum()
        return cls(float(loss), 1000.0 * float(rates.mean()), 2.0 * objective.rate_cost * error / n_ms)


def metrics(task: TaskLoss, rate: RateLoss) -> Metrics:
    """All figures of a batch."""
    loss, accuracy = task.result()
    return Metrics(loss + rate.loss, loss, rate.loss, accuracy, rate.rate_hz)
