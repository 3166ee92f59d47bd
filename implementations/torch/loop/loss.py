"""Task loss over the window, its derivative by the readout, and the firing-rate loss; all on the device."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from implementations.divergence import Bounds, weights_used
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import Rule
from implementations.torch.loop.dynamics import Loaded
from implementations.torch.weights import Tensors
from implementations.types import Metrics


class TaskLoss:
    """Adds up the task loss of a batch, over blocks of steps."""

    def __init__(self, objective: Objective, loaded: Loaded, n_out: int) -> None:
        n_steps, n_batch = loaded.shape
        self._classes = objective.loss == "cross_entropy"
        self._targets = loaded.targets
        self._shares = loaded.shares if loaded.shares.numel() else None
        self._scale = 1.0 / (n_batch * objective.window)
        self._window_start = n_steps - objective.window
        float64 = {"dtype": torch.float64, "device": loaded.x.device}
        self._loss = torch.zeros((), **float64)
        self._y_sum = torch.zeros((n_batch, n_out), **float64)

    def error(self, y: torch.Tensor, start: int) -> torch.Tensor:
        """Add the loss of a block inside the window, which begins at step `start`.

        Args:
            y: (steps, batch, n_out) readout.

        Returns:
            ell, (steps, batch, n_out): the derivative of the batch's loss by y.
        """
        shares = self._shares_of(y, start)
        counted = y if shares is None else y * (shares > 0)
        self._y_sum += counted.sum(dim=0, dtype=torch.float64)
        if self._classes:
            target = self._targets.expand(len(y), -1)[..., None]
            log_p = torch.log_softmax(y, dim=-1)
            at_target = log_p.gather(-1, target)
            at_target = at_target if shares is None else at_target * shares
            self._loss -= self._scale * at_target.sum(dtype=torch.float64)
            ell = log_p.exp_()
            ell.scatter_add_(-1, target, torch.full_like(target, -1, dtype=y.dtype))
        else:
            first = start - self._window_start
            ell = y - self._targets[first : first + len(y)]
            squares = ell.square() if shares is None else ell.square() * shares
            self._loss += 0.5 * self._scale * squares.sum(dtype=torch.float64)
        ell = ell.mul_(self._scale)
        return ell if shares is None else ell.mul_(shares)

    def target(self, y: torch.Tensor, start: int) -> torch.Tensor:
        """Minus the target, scaled as the error is: what the rule DRTP sends back, of the same steps.

        Args:
            y: as in `error`, for its shape.

        Returns:
            (steps, batch, n_out).
        """
        shares = self._shares_of(y, start)
        if not self._classes:
            first = start - self._window_start
            sent = self._targets[first : first + len(y)] * -self._scale
        else:
            sent = torch.zeros_like(y[0]).scatter_(-1, self._targets[:, None], -self._scale).expand_as(y)
        return sent if shares is None else sent * shares

    def _shares_of(self, y: torch.Tensor, start: int) -> torch.Tensor | None:
        """(steps, batch, 1) of the block y, which begins at step `start`."""
        first = start - self._window_start
        return None if self._shares is None else self._shares[first : first + len(y)]

    def result(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and accuracy; all blocks are in."""
        if not self._classes:
            return self._loss, torch.full_like(self._loss, torch.nan)
        correct = self._y_sum.argmax(dim=1) == self._targets
        return self._loss, correct.to(torch.float64).mean()


class RateLoss(NamedTuple):
    """Firing-rate loss of a batch: rate_cost sum_j (f_j - f0)^2."""

    loss: torch.Tensor
    rate_hz: torch.Tensor
    c: torch.Tensor  # (n_rec,) float64, derivative of the loss by one spike of neuron j

    @classmethod
    def of(
        cls, counts: torch.Tensor, shape: tuple[int, int], network: Network, objective: Objective
    ) -> "RateLoss":
        """From the spikes of each neuron, counts (n_rec,), in a batch of `shape` (time, batch)."""
        n_ms = shape[0] * shape[1] * network.dt_ms
        rates = counts.to(torch.float64) / n_ms
        error = rates - objective.rate_target_per_ms
        loss = objective.rate_cost * error.square().sum()
        return cls(loss, 1000.0 * rates.mean(), (2.0 * objective.rate_cost / n_ms) * error)


def metrics(task: TaskLoss, rate: RateLoss) -> Metrics:
    """All figures of a batch, of 0 dimensions, on the device."""
    task_loss, accuracy = task.result()
    return Metrics(task_loss + rate.loss, task_loss, rate.loss, accuracy, rate.rate_hz)


def judged(metrics: Metrics, weights: Tensors, rule: Rule) -> Metrics:
    """`divergence.judged` on the device."""
    bounds = Bounds.of(np.dtype(str(weights["w_in"].dtype).removeprefix("torch.")))
    largest = torch.stack([weights[name].abs().amax() for name in weights_used(rule)])
    loss: Any = metrics.loss
    task_loss: Any = metrics.task_loss  # tensors, both
    diverged = ~((largest <= bounds.weight).all() & (task_loss.abs() <= bounds.task_loss))
    loss, task_loss = (figure.masked_fill(diverged, torch.nan) for figure in (loss, task_loss))
    return replace(metrics, loss=loss, task_loss=task_loss)
