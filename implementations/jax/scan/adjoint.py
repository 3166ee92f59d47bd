"""What BPTT and adjoint e-prop share: a forward pass that keeps its spikes, and the way back over them.

Of the forward pass only the spikes and the state before each block are kept, an eighth of what psi would
take; psi is computed once more on the way back (`dynamics.slopes`).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

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
from implementations.jax.scan.loss import Sums, add_block, steps_inside
from implementations.jax.scan.per_neuron import Adjoints, back


class Trace(NamedTuple):
    """What the forward pass keeps, for each block."""

    before: State  # before the block
    z: jax.Array  # (blocks, steps, trials, n_rec) bool
    y: jax.Array  # (blocks, steps, trials, n_out)
    ell: (
        jax.Array
    )  # (blocks, steps, trials, n_out) derivative by y of the task loss, summed and not yet a mean


def forward(static: Setting, weights: Weights, chunk: Chunk, *, keep: bool) -> tuple[Trace | None, Sums]:
    """The forward pass of a chunk of trials, of which a trace is kept or none."""
    network, objective = static.network, static.objective
    n_blocks, n, n_trials, _ = chunk.x.shape

    def block(
        carry: tuple[State, Sums], inputs: tuple[jax.Array, ...]
    ) -> tuple[tuple[State, Sums], Trace | None]:
        before, sums = carry
        x, inside, *curves = inputs
        state, z, _, y = advance(network, weights, before, x, with_psi=False)
        targets = curves[0] if curves else chunk.targets
        sums, ell = add_block(objective, sums, z, y, targets, inside)
        return (state, sums), Trace(before, z, y, ell) if keep else None

    start = State.zeros(network, n_trials, static.dtype), Sums.zeros(network, n_trials, static.dtype)
    inside = jnp.asarray(steps_inside(n_blocks, n, objective.window))
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
    network = static.network
    n_in, n_rec, kappa = network.n_in, network.n_rec, network.kappa
    dtype = static.dtype
    _, n, n_trials, _ = chunk.x.shape
    beta = jnp.asarray(network.beta, dtype)
    if static.rule.recurrent_gradient:
        w_back = with_reset(network, weights.w_rec) if static.rule.reset_gradient else weights.w_rec
        step = partial(back_through_time, network, beta, w_back.T)
    else:
        step = partial(back, network, beta)
    # lbar[t] = (1-kappa) sum_{s >= t} kappa^(s-t) ell[s] + kappa^(t1-t) lbar[t1] of a block t0 .. t1-1
    scale = (1 - kappa) / (n_batch * static.objective.window)
    backward_filter = (scale * filtering(kappa, n).T).astype(dtype)
    decay = decays(kappa, n)[:0:-1, None, None].astype(dtype)

    def block(
        carry: tuple[Adjoints, jax.Array, jax.Array, jax.Array], inputs: tuple[jax.Array, Trace]
    ) -> tuple[tuple[Adjoints, jax.Array, jax.Array, jax.Array], None]:
        lam, lbar_next, gradient, gradient_out = carry
        x, (before, z, _, ell) = inputs
        lbar = jnp.einsum("ts,sbo->tbo", backward_filter, ell) + decay * lbar_next
        pre, psi = slopes(network, weights, before, x, z)

        def step_back(lam: Adjoints, inputs: tuple[jax.Array, jax.Array]) -> tuple[Adjoints, jax.Array]:
            lam = step(lam, *inputs)
            return lam, lam.v

        # dz[t] = lbar[t] F^T + c + ..
        lam, lam_v = jax.lax.scan(step_back, lam, (psi, product(lbar, feedback.T) + c), reverse=True)
        # dW = sum_t [x[t], z[t-1]]^T lam_v[t];  dW_out = sum_t z[t]^T lbar[t]
        gradient += outer(pre, lam_v)
        gradient_out += outer(z.astype(dtype), lbar)
        return (lam, lbar[0], gradient, gradient_out), None

    start = (
        Adjoints.zeros((n_trials, n_rec), dtype),
        jnp.zeros((n_trials, network.n_out), dtype),
        jnp.zeros((n_in + n_rec, n_rec), dtype),
        jnp.zeros((n_rec, network.n_out), dtype),
    )
    (_, _, gradient, gradient_out), _ = jax.lax.scan(block, start, (chunk.x, trace), reverse=True)
    return Weights(gradient[:n_in], without_diagonal(gradient[n_in:]), gradient_out)
