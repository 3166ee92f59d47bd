"""What BPTT, the ladder and adjoint e-prop share: a forward pass that keeps its spikes, and the way back.

Of the forward pass only the spikes and the state before each block are kept, an eighth of what psi would
take; psi is computed once more on the way back (`dynamics.slopes`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.interface import Setting
from implementations.jax.arrays import Weights
from implementations.jax.scan.bptt import back_through_time
from implementations.jax.scan.dynamics import (
    Chunk,
    State,
    advance,
    decays,
    filtering,
    outer,
    product,
    slopes,
    with_reset,
    without_diagonal,
)
from implementations.jax.scan.hops import back_over_hops
from implementations.jax.scan.loss import Sums, add_block, sent_back, steps_inside
from implementations.jax.scan.per_neuron import Adjoints, back
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import Rule
from implementations.way_back import WayBack

Step = Callable[[Adjoints, jax.Array, jax.Array], Adjoints]
"""(lam[t+1], psi[t], drive) -> lam[t]; drive (batch, n_rec) is what dz[t] gets from outside the neurons."""


class Trace(NamedTuple):
    """What the forward pass keeps, for each block."""

    before: State  # before the block
    z: jax.Array  # (blocks, steps, trials, n_rec) bool
    y: jax.Array  # (blocks, steps, trials, n_out)
    ell: (
        jax.Array
    )  # (blocks, steps, trials, n_out) derivative by y of the task loss, summed and not yet a mean


def forward(
    network: Network, objective: Objective, weights: Weights, chunk: Chunk, *, keep: bool
) -> tuple[Trace | None, Sums]:
    """The forward pass of a chunk of trials, the same for all rules, of which a trace is kept or none."""
    n_trials = chunk.x.shape[2]
    dtype = np.dtype(weights.w_out.dtype)

    def block(
        carry: tuple[State, Sums], inputs: tuple[jax.Array, ...]
    ) -> tuple[tuple[State, Sums], Trace | None]:
        before, sums = carry
        x, inside, *curves = inputs
        state, z, _, y = advance(network, weights, before, x, with_psi=False)
        targets = curves[0] if curves else chunk.targets
        sums, ell = add_block(objective, sums, z, y, targets, inside)
        return (state, sums), Trace(before, z, y, ell) if keep else None

    start = State.zeros(network, n_trials, dtype), Sums.zeros(network, n_trials, dtype)
    inside = steps_inside(objective, chunk)
    curves = () if objective.loss == "cross_entropy" else (chunk.targets,)
    (_, sums), trace = jax.lax.scan(block, start, (chunk.x, inside, *curves))
    return trace, sums


def backward(
    static: Setting,
    n_batch: int,
    weights: Weights,
    feedback: jax.Array,
    chunk: Chunk,
    trace: Trace,
    c: jax.Array,
) -> Weights:
    """From the last block to the first.

    Args:
        static: what is to be done.
        n_batch: trials of the batch, of which these are a chunk.
        weights: of the network.
        feedback: F (n_rec, n_out), which sends the error back.
        chunk: the trials.
        trace: what `forward` kept of them.
        c: (n_rec,) derivative of the rate loss by a spike.

    Returns:
        What these trials contribute to the gradients.
    """
    rule, network, objective, dtype = static.rule, static.network, static.objective, static.dtype
    n_blocks, n, n_trials, n_in = chunk.x.shape
    way = WayBack.of(rule, network)
    scale = way.gain / (n_batch * objective.window)
    lbar = _filtered(network.kappa, scale, trace.ell)
    # dW_out = sum_t z[t]^T lbar[t]
    gradient_out = _readout_gradient(trace.z, lbar)
    if rule.feedback == "none":
        return Weights(jnp.zeros_like(weights.w_in), jnp.zeros_like(weights.w_rec), gradient_out)
    if rule.signal != "error" or way.kappa != network.kappa:  # else the neurons get what W_out does
        inside = steps_inside(objective, chunk)
        lbar = _filtered(way.kappa, scale, sent_back(static, trace.ell, chunk.targets, inside))
    levels, step = _recursion(rule, way, weights.w_rec, n_blocks * n)

    def step_back(lam: Adjoints, inputs: tuple[jax.Array, jax.Array]) -> tuple[Adjoints, jax.Array]:
        lam = step(lam, *inputs)
        return lam, lam.v[-1]

    def block(
        carry: tuple[Adjoints, jax.Array], inputs: tuple[jax.Array, State, jax.Array, jax.Array]
    ) -> tuple[tuple[Adjoints, jax.Array], None]:
        lam, gradient = carry
        x, before, z, lbar = inputs
        pre, psi = slopes(network, weights, before, x, z)
        # dz[t] = lbar[t] F^T + c + ..
        lam, lam_v = jax.lax.scan(step_back, lam, (psi, product(lbar, feedback.T) + c), reverse=True)
        # dW = sum_t [x[t], z[t-1]]^T lam_v[t]
        return (lam, gradient + outer(pre, lam_v)), None

    start = (
        Adjoints.zeros((levels, n_trials, network.n_rec), dtype),
        jnp.zeros((n_in + network.n_rec, network.n_rec), dtype),
    )
    (_, gradient), _ = jax.lax.scan(block, start, (chunk.x, trace.before, trace.z, lbar), reverse=True)
    return Weights(gradient[:n_in], without_diagonal(gradient[n_in:]), gradient_out)


def _recursion(rule: Rule, way: WayBack, w_rec: jax.Array, n_steps: int) -> tuple[int, Step]:
    """What the errors of a rule do in a step back, and at how many levels, of which the last is its own."""
    if rule.hops == 0:
        return 1, partial(back, way)
    # a connection takes a step: more hops than steps are all that there are
    if rule.hops < n_steps:
        return int(rule.hops) + 1, partial(back_over_hops, way, w_rec.T)
    return 1, partial(back_through_time, replace(way, theta=0.0), with_reset(way.theta, w_rec).T)


def _filtered(kappa: float, scale: float, ell: jax.Array) -> jax.Array:
    """lbar[t] = kappa lbar[t+1] + scale ell[t] of a trial, (blocks, steps, trials, n_out)."""
    n, dtype = ell.shape[1], ell.dtype
    # lbar[t] = scale sum_{s >= t} kappa^(s-t) ell[s] + kappa^(t1-t) lbar[t1] of a block t0 .. t1-1
    backward_filter = (scale * filtering(kappa, n).T).astype(dtype)
    decay = decays(kappa, n)[:0:-1, None, None].astype(dtype)

    def block(lbar_next: jax.Array, ell: jax.Array) -> tuple[jax.Array, jax.Array]:
        lbar = jnp.einsum("ts,sbo->tbo", backward_filter, ell) + decay * lbar_next
        return lbar[0], lbar

    return jax.lax.scan(block, jnp.zeros_like(ell[0, 0]), ell, reverse=True)[1]


def _readout_gradient(z: jax.Array, lbar: jax.Array) -> jax.Array:
    """sum_t z[t]^T lbar[t], block by block, (n_rec, n_out)."""

    def block(total: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        z, lbar = inputs
        return total + outer(z.astype(lbar.dtype), lbar), None

    total = jnp.zeros((z.shape[-1], lbar.shape[-1]), lbar.dtype)
    return jax.lax.scan(block, total, (z, lbar), reverse=True)[0]
