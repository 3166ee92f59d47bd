"""Task loss over the window, its derivative by the readout, and the firing-rate loss, block by block."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.interface import Setting
from implementations.jax.arrays import Figures
from implementations.jax.scan.dynamics import Chunk
from implementations.network import Network
from implementations.objective import Objective
from implementations.xla import judged


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
        inside: (steps, 1) bool, whether a step is in the window; or (steps, batch), by how much it counts.

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
    if inside.dtype != np.bool_:
        return (inside * losses).sum(), inside[..., None] * derivative
    total = jnp.where(inside[:, 0], losses.sum(axis=1), 0).sum()
    return total, jnp.where(inside[..., None], derivative, 0)


def sent_back(static: Setting, ell: jax.Array, targets: jax.Array, inside: jax.Array) -> jax.Array:
    """What F sends to the neurons of a block, (steps, batch, n_out): the error, or minus the target.

    Args:
        static: says which signal of which loss.
        ell: (steps, batch, n_out), what `error` found.
        targets, inside: as `error` takes them.
    """
    if static.rule.signal == "error":
        return ell
    if static.objective.loss == "cross_entropy":
        targets = jax.nn.one_hot(targets, ell.shape[-1], dtype=ell.dtype)
    if inside.dtype != np.bool_:
        return inside[..., None] * -targets
    return jnp.where(inside[..., None], -targets, 0)


def add_block(
    objective: Objective, sums: Sums, z: jax.Array, y: jax.Array, targets: jax.Array, inside: jax.Array
) -> tuple[Sums, jax.Array]:
    """`sums` with a block z (steps, batch, n_rec), y (steps, batch, n_out) more, and what `error` returns."""
    loss, ell = error(objective, y, targets, inside)
    flat = z.reshape(-1, z.shape[-1]).astype(y.dtype)
    counts = jnp.rint(jnp.ones(len(flat), y.dtype) @ flat)  # a product, as XLA's sums over rows are slow
    return Sums(
        sums.loss + loss,
        sums.y + jnp.where(inside[..., None] > 0, y, 0).sum(axis=0),
        sums.counts + counts.astype(jnp.int32),
    ), ell


def steps_inside(objective: Objective, chunk: Chunk) -> jax.Array:
    """Which steps count: (blocks, steps, 1) bool, or (blocks, steps, trials), by how much."""
    if chunk.shares is not None:
        return chunk.shares
    n_blocks, n_steps = chunk.x.shape[:2]
    n = n_blocks * n_steps
    return jnp.asarray((np.arange(n) >= n - objective.window).reshape(n_blocks, n_steps, 1))


def figures(
    network: Network,
    objective: Objective,
    shape: tuple[int, int],
    weights: Sequence[jax.Array],
    sums: list[Sums],
    targets: list[jax.Array],
) -> tuple[Figures, jax.Array]:
    """All figures of a batch, and c (n_rec,), the derivative of its rate loss by a spike of each neuron.

    Args:
        network, objective: constants.
        shape: (batch, time) of the batch.
        weights: all that the rule uses.
        sums: of each chunk of trials.
        targets: of each chunk of trials.
    """
    dtype = weights[0].dtype
    n_batch, n_steps = shape
    total = jax.tree.map(
        lambda *parts: sum(parts[1:], parts[0]), *[(part.loss, part.counts) for part in sums]
    )
    task_loss = total[0] / (n_batch * objective.window)
    task_loss = judged(task_loss, weights)
    # rate_cost sum_j (f_j - f0)^2
    n_ms = n_batch * n_steps * network.dt_ms
    rates = total[1].astype(dtype) / n_ms
    excess = rates - objective.rate_target_per_ms
    rate_loss = objective.rate_cost * jnp.square(excess).sum()
    accuracy = jnp.full((), jnp.nan, dtype)
    if objective.loss == "cross_entropy":
        right = [part.y.argmax(axis=-1) == classes for part, classes in zip(sums, targets, strict=True)]
        accuracy = jnp.concatenate(right).mean(dtype=dtype)
    found = Figures(task_loss + rate_loss, task_loss, rate_loss, accuracy, 1000.0 * rates.mean())
    return found, (2.0 * objective.rate_cost / n_ms) * excess
