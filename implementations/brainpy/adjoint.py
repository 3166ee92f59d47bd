"""What BPTT, the ladder and adjoint e-prop share: the gradient by BrainPy's differentiation, block by block.

A trial is run once, keeping its spikes and the states before each block of steps. Then, from the last block
to the first, a block is replayed and differentiated by the weights and by the states before it:

    cost of a block = sum_t <ell[t], y[t]> + <c, z[t]>  +  <lam, states after it>

where ell is the derivative of the task loss by y, c that of the rate loss by a spike, and lam, the
derivative by the states after it, what the block behind found. That is the whole gradient: nothing is
truncated. But what differentiation keeps of a block fits into the cache, and as its spikes are known, all
that the weights do in it, forward and backward, is one product each. A rule that tells its neurons something
else than W_out reads them out twice, and has two such y and ell.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import brainpy.math as bm
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import SpikingNetwork
from implementations.brainpy.loss import (
    TaskSums,
    correct,
    counted,
    minus_target,
    of_outputs,
    scaled,
    task_loss,
)
from implementations.brainpy.replay import Replay
from implementations.objective import Objective


class Recorded(NamedTuple):
    """What the way back needs, of `blocks` blocks of equal length."""

    starts: dict[str, jax.Array]  # (blocks, batch, n), states before each block
    z: jax.Array  # (blocks, steps, batch, n_rec) bool
    ell: jax.Array  # (blocks, steps, batch, n_out)


def record(
    network: SpikingNetwork, objective: Objective, x: jax.Array, targets: jax.Array, scale: jax.Array
) -> tuple[TaskSums, Recorded]:
    """Run a group of trials.

    Args:
        network: with its states at 0.
        objective: gives loss and window.
        x: (blocks, steps, batch, n_in) bool.
        targets: as `task_loss` takes them.
        scale: 1/(trials of the whole batch x window), or that of each step and trial, (window, batch).
    """
    n_blocks, n_steps, n_batch, _ = x.shape
    synapses = network.synapses()
    counts = bm.Variable(jnp.zeros_like(network.neurons.z.value))

    def step(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        z, y = network.update(x, synapses)
        counts.value = counts.value + z
        return z > 0, y

    def block(x: jax.Array) -> tuple[dict[str, jax.Array], jax.Array, jax.Array]:
        start = {name: state.value for name, state in network.states.items()}
        return start, *bm.for_loop(step, x)

    starts, z, y = bm.for_loop(block, x)
    window = y.reshape(n_blocks * n_steps, n_batch, -1)[-objective.window :]

    def loss(y: jax.Array) -> jax.Array:
        return scaled(scale, task_loss(objective, y, targets))

    loss_of: Callable[..., Any] = bm.grad(loss, argnums=0, return_value=True)
    error, total = loss_of(window)
    spikes = counts.value.astype(jnp.int32).sum(axis=0)
    sums = TaskSums(total, correct(objective, counted(scale, window), targets), spikes)
    return sums, Recorded(starts, z, _in_window(objective, error, y))


def go_back(
    network: Replay,
    objective: Objective,
    x: jax.Array,
    targets: jax.Array,
    scale: jax.Array,
    recorded: Recorded,
    c: jax.Array,
) -> dict[str, jax.Array]:
    """Gradients by name of a group of trials; arguments as above, and c (n_rec,)."""
    weights, states = network.by_weights, network.by_states
    lam = {name: bm.Variable(jnp.zeros_like(state.value)) for name, state in states.items()}
    total = {name: bm.Variable(jnp.zeros_like(weight.value)) for name, weight in network.trained.items()}
    errors = [recorded.ell]
    if network.told is not None:
        told = recorded.ell
        if network.rule.signal == "target":
            told = _in_window(objective, of_outputs(scale) * minus_target(objective, targets, told), told)
        errors.append(told)

    def cost(pre: jax.Array, known: jax.Array, errors: list[jax.Array]) -> jax.Array:
        """pre: (steps, batch, n_in + n_rec), [x[t], z[t-1]]; known: z[t]; one error for each readout."""
        synapses = network.synapses()
        currents = _product(pre, synapses.arriving)
        outputs = _product(known, synapses.readout)
        fixed = jax.tree.map(stop_gradient, synapses)

        def step(
            current: jax.Array, output: jax.Array, known: jax.Array, errors: list[jax.Array]
        ) -> jax.Array:
            z, readouts = network.replay(current, output, known, fixed)
            return sum(((error * y).sum() for error, y in zip(errors, readouts, strict=True)), (c * z).sum())

        of_steps = bm.for_loop(step, (currents, outputs, known, errors)).sum()
        return of_steps + sum((lam[name].value * states[name].value).sum() for name in states)

    def block(x: jax.Array, z: jax.Array, errors: list[jax.Array], start: dict[str, jax.Array]) -> None:
        network.begin(start)
        pre = jnp.concatenate([x, jnp.concatenate([start["z"][None] > 0, z[:-1]])], axis=-1)
        found = cost_of(pre, z, errors)
        for name in weights:
            total[name].value = total[name].value + found[name]
        for name in states:
            lam[name].value = found[name]

    cost_of: Callable[..., Any] = bm.grad(cost, grad_vars=weights | states)
    bm.for_loop(block, (x, recorded.z, errors, recorded.starts), reverse=True)
    return {name: part.value for name, part in total.items()}


def run(network: SpikingNetwork, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Spikes (steps, batch, n_rec) bool and readout (steps, batch, n_out) of a group of trials."""
    synapses = network.synapses()

    def step(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        z, y = network.update(x, synapses)
        return z > 0, y

    return bm.for_loop(step, x.reshape(-1, *x.shape[2:]))


def _in_window(objective: Objective, values: jax.Array, y: jax.Array) -> jax.Array:
    """`values` in the steps of the window and 0 before it, shaped as y (blocks, steps, batch, n_out)."""
    flat = jnp.zeros_like(y).reshape(-1, *y.shape[2:])
    return flat.at[len(flat) - objective.window :].set(values).reshape(y.shape)


def _product(spikes: jax.Array, weights: jax.Array) -> jax.Array:
    """(steps, batch, n) bool times (n, m), as one matrix product."""
    flat = spikes.reshape(-1, spikes.shape[-1]).astype(weights.dtype)
    return (flat @ weights).reshape(*spikes.shape[:-1], -1)
