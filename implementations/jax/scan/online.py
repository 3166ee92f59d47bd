"""Online e-prop: eligibility traces carried forward, with memory that does not grow with time.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block t = t0 .. t1-1,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij

is found by the recursion of per_neuron.py, from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.

Through the reset, potentials have a trace per synapse. What a block gets of it is then

    left[t0]_ij = alpha eps_v[t0-1]_ij - theta e[t0-1]_ij

in place of alpha eps_v[t0-1]_i; left[t1] is Phi from lam_v[t1] = 1, with nothing else.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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
from implementations.jax.scan.loss import Sums, add_block, sent_back, steps_inside
from implementations.jax.scan.per_neuron import Adjoints, back
from implementations.way_back import WayBack


class Traces(NamedTuple):
    """Traces of each trial before a block t0 .. t1-1."""

    eps_v: jax.Array  # (trials, n_pre) [t0-1]; 0 through the reset, where `left` has it
    left: jax.Array | None  # (trials, n_pre, n_rec) [t0], through the reset alone
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
    ell: jax.Array  # (steps, trials, n_out) derivative by y of the task loss, not yet a mean
    sent: jax.Array  # (steps, trials, n_out), what F sends to the neurons: ell, or what stands in its place


def forward(
    static: Setting, n_batch: int, weights: Weights, feedback: jax.Array, chunk: Chunk
) -> tuple[Totals, Sums]:
    """The forward pass of a chunk of trials, traces carried along; arguments as of `adjoint.backward`."""
    network, objective, dtype = static.network, static.objective, static.dtype
    n_trials, n_in = chunk.x.shape[2:]
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
        sent = sent_back(static, ell, targets, inside)
        found = Block(jnp.concatenate([traces.eps_v[None], pre]), psi, z.astype(dtype), ell, sent)
        totals = jax.lax.cond(
            inside.any(),
            lambda totals: _learn(static, scale, feedback, traces, totals, found),
            lambda totals: totals,
            totals,
        )
        totals, traces = _carry(static, traces, totals, found)
        return (state, traces, totals, sums), None

    start = (
        State.zeros(network, n_trials, dtype),
        Traces(
            jnp.zeros((n_trials, n_pre), dtype),
            jnp.zeros((n_trials, n_pre, n_rec), dtype) if static.rule.reset_gradient else None,
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
    inside = steps_inside(objective, chunk)
    curves = () if objective.loss == "cross_entropy" else (chunk.targets,)
    (_, _, totals, sums), _ = jax.lax.scan(block, start, (chunk.x, inside, *curves))
    return totals, sums


def gradients(static: Setting, totals: Totals, c: jax.Array) -> Weights:
    """What a chunk contributes to the gradients, now that the rates, and with them c (n_rec,), are known."""
    n_in = static.network.n_in
    gradient = totals.gradient + c * totals.traces
    return Weights(gradient[:n_in], without_diagonal(gradient[n_in:]), totals.gradient_out)


def _with_alpha(way: WayBack, lam_v: jax.Array) -> jax.Array:
    """alpha lam_v[t0], which meets eps_v[t0-1] in `Block.pre`, in front of lam_v."""
    return jnp.concatenate([way.alpha * lam_v[:1], lam_v])


def _summed(way: WayBack, traces: Traces, pre: jax.Array, lam_v: jax.Array, lam_a: jax.Array) -> jax.Array:
    """Phi, summed over trials, (n_pre, n_rec)."""
    first = _first(traces, lam_a)
    phi = outer(pre, _with_alpha(way, lam_v))
    phi = phi.at[:, first:].add(jnp.einsum("bij,bj->ij", traces.eps_a, lam_a[:, first:]))
    return phi if traces.left is None else phi + jnp.einsum("bij,bj->ij", traces.left, lam_v[0])


def _by_trial(way: WayBack, traces: Traces, pre: jax.Array, lam_v: jax.Array, lam_a: jax.Array) -> jax.Array:
    """Phi of each trial, (trials, n_pre, n), of all neurons or of the adaptive ones."""
    first = _first(traces, lam_a)
    phi = jnp.einsum("tbi,tbj->bij", pre, _with_alpha(way, lam_v))
    if traces.left is not None:
        n_rec = traces.left.shape[-1]
        phi += traces.left[:, :, n_rec - lam_v.shape[-1] :] * lam_v[0][:, None]
    return phi.at[:, :, first:].add(traces.eps_a * lam_a[:, None, first:])


def _first(traces: Traces, of_neurons: jax.Array) -> int:
    """Where the adaptive neurons begin among these, (.., n)."""
    return of_neurons.shape[-1] - traces.eps_a.shape[-1]


def _learn(
    static: Setting, scale: float, feedback: jax.Array, traces: Traces, totals: Totals, block: Block
) -> Totals:
    """sum_t L[t] ebar[t], with w[t] = (1-kappa) sum_{s>=t} kappa^(s-t) L[s]; and sum_t zbar[t]^T ell[t]."""
    way = WayBack.of(static.rule, static.network)

    def step(lam: Adjoints, inputs: tuple[jax.Array, jax.Array]) -> tuple[Adjoints, jax.Array]:
        lam = back(way, lam, *inputs)
        return lam, lam.v

    within, earlier = _filtered(way.kappa, way.gain, scale * block.sent)
    start = Adjoints.zeros(traces.zbar.shape, feedback.dtype)
    lam, lam_v = jax.lax.scan(step, start, (block.psi, product(within, feedback.T)), reverse=True)
    gradient = _summed(way, traces, block.pre, lam_v, lam.a)
    gradient += jnp.einsum("bij,bj->ij", traces.ebar, earlier @ feedback.T)
    within, earlier = _filtered(static.network.kappa, way.gain, scale * block.ell)
    gradient_out = outer(block.z, within) + traces.zbar.T @ earlier
    return Totals(totals.traces, totals.gradient + gradient, totals.gradient_out + gradient_out)


def _filtered(kappa: float, gain: float, ell: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Errors of a block t0 .. t1-1, as they meet what enters a filter within it, and what is in it before.

    Returns:
        gain sum_{s>=t} kappa^(s-t) ell[s], (steps, trials, n_out); sum_s kappa^(s-t0+1) ell[s].
    """
    n, dtype = len(ell), ell.dtype
    within = jnp.einsum("ts,sbo->tbo", (gain * filtering(kappa, n).T).astype(dtype), ell)
    return within, jnp.einsum("t,tbo->bo", decays(kappa, n)[1:].astype(dtype), ell)


def _carry(static: Setting, traces: Traces, totals: Totals, block: Block) -> tuple[Totals, Traces]:
    """All traces to the end of the block, and the sum of e."""
    network, dtype, n = static.network, block.psi.dtype, len(block.psi)
    way, first = WayBack.of(static.rule, network), network.n_regular
    adaptive = replace(way, beta=way.beta[first:])

    def filtered_by(kappa: float) -> tuple[np.floating, np.ndarray]:
        """Of a filter over the block: what is kept of before, and the weight of each step."""
        powers = decays(kappa, n)
        return powers[n].astype(dtype), (way.gain * powers[n - 1 :: -1]).astype(dtype)

    def step(
        lams: list[Adjoints], inputs: tuple[jax.Array, jax.Array]
    ) -> tuple[list[Adjoints], list[jax.Array]]:
        psi, w = inputs
        one, zero = jnp.ones((), dtype), jnp.zeros((), dtype)
        to_sum, to_ebar, to_eps_a, *to_left = lams
        lams = [
            back(way, to_sum, psi, one),
            back(way, to_ebar, psi, w),
            back(adaptive, to_eps_a, psi[:, first:], zero),
            *(back(way, lam, psi, zero) for lam in to_left),
        ]
        return lams, [lam.v for lam in lams]

    (ebar_kept, w), (zbar_kept, w_out) = filtered_by(way.kappa), filtered_by(network.kappa)
    none = Adjoints.zeros(traces.zbar.shape, dtype)
    start = [none, none, Adjoints(none.v[:, first:], jnp.ones_like(none.a[:, first:]))]
    if traces.left is not None:
        start.append(none._replace(v=jnp.ones_like(none.v)))
    lams, lam_vs = jax.lax.scan(step, start, (block.psi, jnp.asarray(w)), reverse=True)
    # sum_t e[t]: w = 1, q = 0
    total = _summed(way, traces, block.pre, lam_vs[0], lams[0].a)
    # ebar[t1-1] = kappa^n ebar[t0-1] + Phi, with w[t] = (1-kappa) kappa^(t1-1-t), q = 0;
    # eps_a[t1] = Phi, with w = 0, q = 1;  left[t1] = Phi, with w = q = 0 and lam_v[t1] = 1
    ebar, eps_a, *left = (
        _by_trial(way, traces, block.pre, lam_v, lam.a)
        for lam_v, lam in zip(lam_vs[1:], lams[1:], strict=True)
    )
    ebar += traces.ebar * ebar_kept
    eps_v = traces.eps_v
    if not left:
        eps_v = jnp.einsum("t,tbi->bi", decays(way.alpha, n)[::-1].astype(dtype), block.pre)
    zbar = traces.zbar * zbar_kept + jnp.einsum("t,tbj->bj", w_out, block.z)
    return totals._replace(traces=totals.traces + total), Traces(
        eps_v, left[0] if left else None, eps_a, ebar, zbar
    )
