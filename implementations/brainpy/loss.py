"""The loss of a batch: of the task, over the window, and of the firing rates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import brainpy.math as bm
import jax
import jax.numpy as jnp

from implementations.objective import Objective
from implementations.xla import judged


class TaskSums(NamedTuple):
    """What adds up over groups of trials."""

    loss: jax.Array  # (), the group's part of the task loss
    correct: jax.Array  # (), trials whose mean readout is largest at the target
    counts: jax.Array  # (n_rec,) int, spikes


def task_loss(objective: Objective, y: jax.Array, targets: jax.Array) -> jax.Array:
    """The loss of each step and trial, (steps, batch).

    Args:
        objective: says which loss.
        y: (steps, batch, n_out) readout.
        targets: (batch,) classes, or (steps, batch, n_out) where the loss is "squared_error".
    """
    if objective.loss == "squared_error":
        return 0.5 * jnp.square(y - targets).sum(axis=-1)
    at_target = jnp.take_along_axis(y, targets[None, :, None], axis=-1)[..., 0]
    return jax.nn.logsumexp(y, axis=-1) - at_target


def scaled(scale: jax.Array, losses: jax.Array) -> jax.Array:
    """The sum of the losses of steps and trials, times `scale` (), or that of each, (steps, batch)."""
    return scale * losses.sum() if scale.ndim == 0 else (scale * losses).sum()


def counted(scale: jax.Array, y: jax.Array) -> jax.Array:
    """(batch, n_out), the sum of y (steps, batch, n_out) over the steps whose `scale` is not 0."""
    return y.sum(axis=0) if scale.ndim == 0 else jnp.where(scale[..., None] > 0, y, 0).sum(axis=0)


def of_outputs(scale: jax.Array) -> jax.Array:
    """`scale`, to be multiplied with (steps, batch, n_out)."""
    return scale if scale.ndim == 0 else scale[..., None]


def minus_target(objective: Objective, targets: jax.Array, like: jax.Array) -> jax.Array:
    """What stands for the error y - target under the signal "target", for all steps or for each.

    Args:
        objective, targets: as `task_loss` takes them.
        like: (.., n_out), of the dtype wanted.

    Returns:
        (batch, n_out), or (steps, batch, n_out) where the loss is "squared_error".
    """
    if objective.loss == "squared_error":
        return -targets
    return -jax.nn.one_hot(targets, like.shape[-1], dtype=like.dtype)


def correct(objective: Objective, y_sum: jax.Array, targets: jax.Array) -> jax.Array:
    """How many trials have their sum of readouts, (batch, n_out), largest at the target; NaN for curves."""
    if objective.loss == "squared_error":
        return jnp.full((), jnp.nan, y_sum.dtype)
    return (y_sum.argmax(axis=-1) == targets).sum().astype(y_sum.dtype)


def rate_loss(objective: Objective, counts: jax.Array, n_ms: jax.Array) -> tuple[jax.Array, jax.Array]:
    """rate_cost sum_j (f_j - f0)^2 and the mean rate in Hz, of spikes (n_rec,) in n_ms of all trials."""
    rates = counts / n_ms
    cost = objective.rate_cost * jnp.square(rates - objective.rate_target_per_ms).sum()
    return cost, 1000.0 * rates.mean()


def summary(
    objective: Objective,
    groups: list[TaskSums],
    weights: list[jax.Array],
    n_batch: jax.Array,
    n_ms: jax.Array,
) -> tuple[tuple[jax.Array, ...], jax.Array]:
    """Figures of a batch in the order of `Metrics`, and c (n_rec,): the derivative of the loss by a spike.

    Args:
        objective: says what the loss is.
        groups: of trials that make up the batch.
        weights: all that the rule uses.
        n_batch: number of trials.
        n_ms: their duration in ms, summed up.
    """
    task = judged(jnp.stack([group.loss for group in groups]).sum(), weights)
    hits = jnp.stack([group.correct for group in groups]).sum()
    counts = jnp.stack([group.counts for group in groups]).sum(axis=0).astype(task.dtype)
    cost_of: Callable[..., Any] = bm.grad(
        lambda counts: rate_loss(objective, counts, n_ms), argnums=0, has_aux=True, return_value=True
    )
    c, cost, rate_hz = cost_of(counts)
    return (task + cost, task, cost, hits / n_batch, rate_hz), c
