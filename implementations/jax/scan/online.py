"""Online e-prop: eligibility traces carried forward, with memory that does not grow with time.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block t = t0 .. t1-1,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij

is found by the recursion of per_neuron.py, from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from implementations.interface import Setting
from implementations.jax.arrays import Weights
from implementations.jax.scan.dynamics import (
    Chunk,
    State,
    advance,
    decays,
    filtering,
    outer,
    product,
    without_diagonal,
)
from implementations.jax.scan.loss import Sums, add_block, steps_inside
from implementations.jax.scan.per_neuron import Adjoints, back
from implementations.network import Network


class Traces(NamedTuple):
    """Traces of each trial before a block t0 .. t1-1."""

    eps_v: jax.Array  # (trials, n_pre) [t0-1]
    eps_a: jax.Array  # (trials, n_pre, n_adaptive) [t0]; that of regular neurons is not needed
    ebar: jax.Array  # (trials, n_pre, n_rec) [t0-1]
    zbar: jax.Array  # (trials, n_rec) [t0-1]


class Totals(NamedTuple):
    """Sums over trials and time."""

    traces: jax.Array  # (n_pre, n_rec) e
    gradient: jax.Array  # (n_pre, n_rec) of the task loss
    gradient_out: jax.Array  # (n_rec, n_out)


class Block(NamedTuple):
    """What a block does to the traces."""

    pre: jax.Array  # (1 + steps, trials, n_pre), eps_v[t0-1] and then [x[t], z[t-1]]
    psi: jax.Array  # (steps, trials, n_rec)
    z: jax.Array  # (steps, trials, n_rec) in the dtype of psi


def forward(
    static: Setting, n_batch: int, weights: Weights, feedback: jax.Array, chunk: Chunk
) -> tuple[Totals, Sums]:
    """The forward pass of a chunk of trials, traces carried along; arguments as of `adjoint.backward`."""
    network, objective, dtype = static.network, static.objective, static.dtype
    n_blocks, n, n_trials, n_in = chunk.x.shape
    n_pre, n_rec = n_in + network.n_rec, network.n_rec
    scale = 1.0 / (n_batch * objective.window)

    def block(
        carry: tuple[State, Traces, Totals, Sums], inputs: tuple[jax.Array, ...]
    ) -> tuple[tuple[State, Traces, Totals, Sums], None]:
        before, traces, totals, sums = carry
        x, inside, *curves = inputs
        state, z, psi, y = advance(network, weights, before, x, with_psi=True)
        assert psi is not None
        targets = curves[0] if curves else chunk.targets
        sums, ell = add_block(objective, sums, z, y, targets, inside)
        z_before = jnp.concatenate([before.z[None] > 0, z[:-1]])
        pre = jnp.concatenate([x, z_before], axis=-1).astype(dtype)
        found = Block(jnp.concatenate([traces.eps_v[None], pre]), psi, z.astype(dtype))
        totals = jax.lax.cond(
            inside.any(),
            lambda totals: _learn(network, feedback, traces, totals, found, scale * ell),
            lambda totals: totals,
            totals,
        )
        totals, traces = _carry(network, traces, totals, found)
        return (state, traces, totals, sums), None

    start = (
        State.zeros(network, n_trials, dtype),
        Traces(
            jnp.zeros((n_trials, n_pre), dtype),
            jnp.zeros((n_trials, n_pre, network.n_adaptive), dtype),
            jnp.zeros((n_trials, n_pre, n_rec), dtype),
            jnp.zeros((n_trials, n_rec), dtype),
        ),
        Totals(
            jnp.zeros((n_pre, n_rec), dtype),
            jnp.zeros((n_pre, n_rec), dtype),
            jnp.zeros((n_rec, network.n_out), dtype),
        ),
        Sums.zeros(network, n_trials, dtype),
    )
    inside = jnp.asarray(steps_inside(n_blocks, n, objective.window))
    curves = () if objective.loss == "cross_entropy" else (chunk.targets,)
    (_, _, totals, sums), _ = jax.lax.scan(block, start, (chunk.x, inside, *curves))
    return totals, sums


def gradients(static: Setting, totals: Totals, c: jax.Array) -> Weights:
    """What a chunk contributes to the gradients, now that the rates, and with them c (n_rec,), are known."""
    n_in = static.network.n_in
    gradient = totals.gradient + c * totals.traces
    return Weights(gradient[:n_in], without_diagonal(gradient[n_in:]), totals.gradient_out)


def _with_alpha(network: Network, lam_v: jax.Array) -> jax.Array:
    """alpha lam_v[t0], which meets eps_v[t0-1] in `Block.pre`, in front of lam_v."""
    return jnp.concatenate([network.alpha * lam_v[:1], lam_v])


def _summed(
    network: Network, traces: Traces, pre: jax.Array, lam_v: jax.Array, lam_a: jax.Array
) -> jax.Array:
    """Phi, summed over trials, (n_pre, n_rec)."""
    carried = jnp.einsum("bij,bj->ij", traces.eps_a, lam_a[:, network.n_regular :])
    return outer(pre, _with_alpha(network, lam_v)).at[:, network.n_regular :].add(carried)


def _learn(
    network: Network, feedback: jax.Array, traces: Traces, totals: Totals, block: Block, ell: jax.Array
) -> Totals:
    """sum_t L[t] ebar[t], with w[t] = (1-kappa) sum_{s>=t} kappa^(s-t) L[s]; and sum_t zbar[t]^T ell[t]."""
    dtype, kappa, n = ell.dtype, network.kappa, len(ell)
    beta = jnp.asarray(network.beta, dtype)
    lbar = jnp.einsum("ts,sbo->tbo", ((1 - kappa) * filtering(kappa, n).T).astype(dtype), ell)

    def step(lam: Adjoints, inputs: tuple[jax.Array, jax.Array]) -> tuple[Adjoints, jax.Array]:
        lam = back(network, beta, lam, *inputs)
        return lam, lam.v

    start = Adjoints.zeros((len(traces.zbar), network.n_rec), dtype)
    lam, lam_v = jax.lax.scan(step, start, (block.psi, product(lbar, feedback.T)), reverse=True)
    # what was in the traces before the block
    earlier = jnp.einsum("t,tbo->bo", decays(kappa, n)[1:].astype(dtype), ell)
    from_ebar = jnp.einsum("bij,bj->ij", traces.ebar, earlier @ feedback.T)
    return Totals(
        totals.traces,
        totals.gradient + _summed(network, traces, block.pre, lam_v, lam.a) + from_ebar,
        totals.gradient_out + outer(block.z, lbar) + traces.zbar.T @ earlier,
    )


def _carry(network: Network, traces: Traces, totals: Totals, block: Block) -> tuple[Totals, Traces]:
    """All traces to the end of the block, and the sum of e."""
    n_trials, n_rec = traces.zbar.shape
    dtype, n, first = block.psi.dtype, len(block.psi), network.n_regular
    beta = jnp.asarray(network.beta, dtype)
    kappa_powers = decays(network.kappa, n)
    w = ((1 - network.kappa) * kappa_powers[n - 1 :: -1]).astype(dtype)  # of step t: kappa^(t1-1-t)

    def step(
        lams: tuple[Adjoints, Adjoints, Adjoints], inputs: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[Adjoints, Adjoints, Adjoints], tuple[jax.Array, jax.Array, jax.Array]]:
        psi, w = inputs
        one, zero = jnp.ones((), dtype), jnp.zeros((), dtype)
        lams = (
            back(network, beta, lams[0], psi, one),
            back(network, beta, lams[1], psi, w),
            back(network, beta[first:], lams[2], psi[:, first:], zero),
        )
        return lams, (lams[0].v, lams[1].v, lams[2].v)

    none = Adjoints.zeros((n_trials, n_rec), dtype)
    adaptive = Adjoints.zeros((n_trials, network.n_adaptive), dtype)
    start = (none, none, adaptive._replace(a=jnp.ones_like(adaptive.a)))
    lams, lam_vs = jax.lax.scan(step, start, (block.psi, jnp.asarray(w)), reverse=True)
    # sum_t e[t]: w = 1, q = 0
    totals = totals._replace(traces=totals.traces + _summed(network, traces, block.pre, lam_vs[0], lams[0].a))
    # ebar[t1-1] = kappa^n ebar[t0-1] + Phi, with w[t] = (1-kappa) kappa^(t1-1-t), q = 0
    ebar = kappa_powers[n].astype(dtype) * traces.ebar + _by_trial(network, block.pre, lam_vs[1])
    ebar = ebar.at[:, :, first:].add(traces.eps_a * lams[1].a[:, None, first:])
    # eps_a[t1] = Phi, with w = 0, q = 1
    eps_a = traces.eps_a * lams[2].a[:, None] + _by_trial(network, block.pre, lam_vs[2])
    eps_v = jnp.einsum("t,tbi->bi", decays(network.alpha, n)[::-1].astype(dtype), block.pre)
    zbar = kappa_powers[n].astype(dtype) * traces.zbar + jnp.einsum("t,tbj->bj", w, block.z)
    return totals, Traces(eps_v, eps_a, ebar, zbar)


def _by_trial(network: Network, pre: jax.Array, lam_v: jax.Array) -> jax.Array:
    """sum_t pre[t]^T lam_v[t] of each trial, (trials, n_pre, n)."""
    return jnp.einsum("tbi,tbj->bij", pre, _with_alpha(network, lam_v))
