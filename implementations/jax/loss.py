"""Task loss over the window, its derivative by the readout, and the firing-rate loss, block by block."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.jax.dynamics import Weights
from implementations.network import Network
from implementations.objective import Objective


class Sums(NamedTuple):
    """What a pass adds up over the blocks of some trials."""

    loss: jax.Array  # () task loss, not yet a mean
    y: jax.Array  # (batch, n_out) sum of the readout over the window
    counts: jax.Array  # (n_rec,) int32 spikes

    @classmethod
    def zeros(cls, network: Network, n_batch: int, dtype: np.dtype) -> "Sums":
        """Before the first block."""
        return cls(
            jnp.zeros((), dtype),
            jnp.zeros((n_batch, network.n_out), dtype),
            jnp.zeros(network.n_rec, jnp.int32),
        )


def error(
    objective: Objective, y: jax.Array, targets: jax.Array, inside: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Task loss of a block, summed over steps and trials, and its derivative by the readout.

    Args:
        objective: which loss.
        y: (steps, batch, n_out).
        targets: (batch,) classes, or (steps, batch, n_out) curves.
        inside: (steps,) bool, whether a step is in the window.

    Returns:
        () and (steps, batch, n_out), 0 outside the window.
    """
    if objective.loss == "cross_entropy":
        onehot = jax.nn.one_hot(targets, y.shape[-1], dtype=y.dtype)
        log_p = jax.nn.log_softmax(y)
        losses = -jnp.sum(log_p * onehot, axis=-1)
        derivative = jnp.exp(log_p) - onehot
    else:
        derivative = y - targets
        losses = 0.5 * jnp.sum(jnp.square(derivative), axis=-1)
    total = jnp.where(inside, losses.sum(axis=1), 0).sum()
    return total, jnp.where(inside[:, None, None], derivative, 0)


def add_block(
    objective: Objective, sums: Sums, z: jax.Array, y: jax.Array, targets: jax.Array, inside: jax.Array
) -> tuple[Sums, jax.Array]:
    """`sums` with a block z (steps, batch, n_rec), y (steps, batch, n_out) more, and what `error` returns."""
    loss, ell = error(objective, y, targets, inside)
    flat = z.reshape(-1, z.shape[-1]).astype(y.dtype)
    counts = jnp.rint(jnp.ones(len(flat), y.dtype) @ flat)  # a product, as XLA's sums over rows are slow
    return Sums(
        sums.loss + loss,
        sums.y + jnp.where(inside[:, None, None], y, 0).sum(axis=0),
        sums.counts + counts.astype(jnp.int32),
    ), ell


def steps_inside(n_blocks: int, n_steps: int, window: int) -> np.ndarray:
    """(n_blocks, n_steps) bool: which steps are among the last `window`."""
    n = n_blocks * n_steps
    return (np.arange(n) >= n - window).reshape(n_blocks, n_steps)


class RateLoss(NamedTuple):
    """Firing-rate loss of a batch: rate_cost sum_j (f_j - f0)^2."""

    loss: jax.Array
    rate_hz: jax.Array
    c: jax.Array  # (n_rec,) derivative of the loss by one spike of neuron j


def rate_loss(
    network: Network, objective: Objective, counts: jax.Array, n_trial_steps: int, dtype: np.dtype
) -> RateLoss:
    """From the spikes of each neuron, counts (n_rec,), in `n_trial_steps` = batch * time."""
    n_ms = n_trial_steps * network.dt_ms
    rates = counts.astype(dtype) / n_ms
    error = rates - objective.rate_target_per_ms
    loss = objective.rate_cost * jnp.square(error).sum()
    return RateLoss(loss, 1000.0 * rates.mean(), (2.0 * objective.rate_cost / n_ms) * error)


class Figures(NamedTuple):
    """The fields of `interface.Metrics`, on the device."""

    loss: jax.Array
    task_loss: jax.Array
    rate_loss: jax.Array
    accuracy: jax.Array
    rate_hz: jax.Array


def figures(
    objective: Objective, weights: Weights, sums: list[Sums], targets: list[jax.Array], rate: RateLoss
) -> Figures:
    """All figures of a batch, from the sums and targets of its chunks of trials."""
    n_batch = sum(len(part.y) for part in sums)
    loss = sum(part.loss for part in sums) / (n_batch * objective.window)
    # a neuron with a NaN potential is just silent: divergence has to show
    finite = jnp.all(jnp.stack([jnp.isfinite(w).all() for w in weights]))
    loss = jnp.where(finite, loss, jnp.nan)
    accuracy = jnp.full((), jnp.nan, loss.dtype)
    if objective.loss == "cross_entropy":
        correct = sum(
            jnp.sum(part.y.argmax(axis=-1) == classes) for part, classes in zip(sums, targets, strict=True)
        )
        accuracy = correct / jnp.asarray(n_batch, loss.dtype)
    return Figures(loss + rate.loss, loss, rate.loss, accuracy, rate.rate_hz)
