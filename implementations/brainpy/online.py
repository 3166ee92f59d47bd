"""Online e-prop: eligibility traces as BrainPy states, carried forward with memory that stays the same.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij        (the block is t = t0..t1-1)

is found by each neuron's recursion backward over the block, from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import brainpy as bp
import brainpy.math as bm
import jax
import jax.numpy as jnp

from implementations.brainpy.adjoint import Build
from implementations.brainpy.loss import TaskSums, correct, task_loss
from implementations.brainpy.per_neuron import PerNeuron
from implementations.network import Network
from implementations.objective import Objective


class Sums(NamedTuple):
    """What a group of trials has added up at its end; c is known only then."""

    gradient: jax.Array  # (n_in + n_rec, n_rec), of the task loss
    traces: jax.Array  # (n_in + n_rec, n_rec), sum of e over trials and time
    gradient_out: jax.Array  # (n_rec, n_out)


class Traces(bp.DynamicalSystem):
    """Eligibility traces of a group of trials before a block t0..t1-1, and their sums so far."""

    def __init__(self, network: Network, n_batch: int, like: jax.Array) -> None:
        super().__init__(mode=bm.TrainingMode(n_batch))
        n_pre, n_rec = network.n_in + network.n_rec, network.n_rec

        def zeros(*shape: int) -> bm.Variable:
            return bm.Variable(jnp.zeros(shape, like.dtype))

        self.eps_v = zeros(n_batch, n_pre)  # [t0-1]
        self.eps_a = zeros(n_batch, n_pre, network.n_adaptive)  # [t0], adaptive neurons only
        self.ebar = zeros(n_batch, n_pre, n_rec)  # [t0-1]
        self.zbar = zeros(n_batch, n_rec)  # [t0-1]
        self.gradient = zeros(n_pre, n_rec)
        self.total = zeros(n_pre, n_rec)
        self.gradient_out = zeros(n_rec, network.n_out)


def run_online(
    build: Build,
    network: Network,
    objective: Objective,
    x: jax.Array,
    targets: jax.Array,
    scale: jax.Array,
) -> tuple[TaskSums, Sums]:
    """Run a group of trials and learn on the way.

    Args:
        build: makes the network.
        network: its sizes and constants.
        objective: gives loss and window.
        x: (blocks, steps, batch, n_in) bool.
        targets: as `task_loss` takes them.
        scale: 1/(trials of the whole batch x window).
    """
    n_blocks, n_steps, n_batch, _ = x.shape
    n_regular = network.n_regular
    kappa = network.kappa
    spiking = build(n_batch)
    synapses = spiking.synapses()
    feedback = synapses.feedback
    traces = Traces(network, n_batch, synapses.readout)
    dtype = synapses.readout.dtype
    loss = bm.Variable(jnp.zeros((), dtype))
    y_sum = bm.Variable(jnp.zeros((n_batch, network.n_out), dtype))
    counts = bm.Variable(jnp.zeros((n_batch, network.n_rec), dtype))
    ages = jnp.arange(n_steps - 1, -1, -1)  # steps from t to the last of the block
    decay_kappa = jnp.asarray(kappa, dtype) ** ages  # (steps,)
    decay_alpha = jnp.asarray(network.alpha, dtype) ** ages

    def forward(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """pre[t], z[t], psi[t], y[t] of a step."""
        before = spiking.neurons.z.value
        pre = jnp.concatenate([x.astype(dtype), before], axis=1)
        z, psi = spiking.neurons.update_with_slope(pre @ synapses.arriving)
        counts.value = counts.value + z
        return pre, z, psi, spiking.readout(z @ synapses.readout)

    def add(pre: jax.Array, lam_v: jax.Array, neurons: PerNeuron) -> jax.Array:
        """Phi, summed over trials."""
        head = network.alpha * lam_v[0]
        phi = jnp.einsum("tbi,tbj->ij", pre, lam_v) + traces.eps_v.value.T @ head
        lam_a = neurons.lam_a.value[:, n_regular:]
        return phi.at[:, n_regular:].add(jnp.einsum("bij,bj->ij", traces.eps_a.value, lam_a))

    def each(pre: jax.Array, lam_v: jax.Array) -> jax.Array:
        """The first two terms of Phi, for each trial."""
        head = network.alpha * lam_v[0]
        return jnp.einsum("tbi,tbj->bij", pre, lam_v) + traces.eps_v.value[:, :, None] * head[:, None]

    def block(x: jax.Array, inside: jax.Array | None, wanted: jax.Array | None) -> None:
        pre, z, psi, y = bm.for_loop(forward, x)
        ell = jnp.zeros_like(y)
        if inside is not None and wanted is not None:

            def of_block(y: jax.Array) -> jax.Array:
                return scale * (inside[:, None] * task_loss(objective, y, wanted)).sum()

            loss_of: Callable[..., Any] = bm.grad(of_block, argnums=0, return_value=True)
            ell, part = loss_of(y)
            loss.value = loss.value + part
            y_sum.value = y_sum.value + (inside[:, None, None] * y).sum(axis=0)
        # w = 1;  w[t] = (1-kappa) kappa^(t1-1-t);  w = 0 and q = 1;  and below, what ell sends back
        to_total, to_ebar = PerNeuron(network, psi), PerNeuron(network, psi)
        to_eps_a = PerNeuron(network, psi, first=n_regular, lam_a=1.0)
        to_gradient = PerNeuron(network, psi)
        ellbar = bm.Variable(jnp.zeros_like(ell[0]))  # sum_{s>=t} kappa^(s-t) ell[s]

        def back(psi: jax.Array, decay: jax.Array, ell: jax.Array) -> list[jax.Array]:
            lam_v = [to_total(psi, 1.0), to_ebar(psi, (1 - kappa) * decay), to_eps_a(psi, 0.0)]
            if inside is None:
                return lam_v
            ellbar.value = kappa * ellbar.value + ell
            drive = ((1 - kappa) * ellbar.value) @ feedback.T
            return [*lam_v, to_gradient(psi, drive), ellbar.value]

        lam_total, lam_ebar, lam_eps_a, *learning = bm.for_loop(back, (psi, decay_kappa, ell), reverse=True)
        traces.total.value = traces.total.value + add(pre, lam_total, to_total)
        if learning:
            lam_gradient, filtered = learning
            before = kappa * filtered[0]
            traces.gradient.value = (
                traces.gradient.value
                + add(pre, lam_gradient, to_gradient)
                + jnp.einsum("bij,bj->ij", traces.ebar.value, before @ feedback.T)
            )
            traces.gradient_out.value = (
                traces.gradient_out.value
                + jnp.einsum("tbj,tbk->jk", z, (1 - kappa) * filtered)
                + traces.zbar.value.T @ before
            )
        # all traces to the end of the block; eps_v and eps_a last, as the others need them as they were
        lam_a = to_ebar.lam_a.value[:, None, n_regular:]
        ebar = kappa**n_steps * traces.ebar.value + each(pre, lam_ebar)
        traces.ebar.value = ebar.at[:, :, n_regular:].add(lam_a * traces.eps_a.value)
        traces.zbar.value = kappa**n_steps * traces.zbar.value + jnp.tensordot(
            (1 - kappa) * decay_kappa, z, 1
        )
        traces.eps_a.value = each(pre, lam_eps_a) + to_eps_a.lam_a.value[:, None] * traces.eps_a.value
        traces.eps_v.value = network.alpha**n_steps * traces.eps_v.value + jnp.tensordot(decay_alpha, pre, 1)

    # blocks before the window learn nothing from the task
    n_window = -(-objective.window // n_steps)
    first = n_blocks - n_window
    if first:
        # x by index, as a part of it would be a copy
        bm.for_loop(lambda i: block(x[i], None, None), jnp.arange(first))
    outside = n_window * n_steps - objective.window
    inside = jnp.concatenate([jnp.zeros(outside, dtype), jnp.ones(objective.window, dtype)])
    inside = inside.reshape(n_window, n_steps)
    learning = jnp.arange(first, n_blocks)
    if objective.loss == "squared_error":
        before = jnp.zeros((outside, *targets.shape[1:]), dtype)
        wanted = jnp.concatenate([before, targets]).reshape(n_window, n_steps, *targets.shape[1:])
        bm.for_loop(lambda i, *rest: block(x[i], *rest), (learning, inside, wanted))
    else:
        bm.for_loop(lambda i, inside: block(x[i], inside, targets), (learning, inside))
    spikes = counts.value.astype(jnp.int32).sum(axis=0)
    sums = TaskSums(loss.value, correct(objective, y_sum.value, targets), spikes)
    return sums, Sums(traces.gradient.value, traces.total.value, traces.gradient_out.value)


def settle(n_in: int, sums: Sums, c: jax.Array) -> dict[str, jax.Array]:
    """Gradients by name of a group of trials, once c (n_rec,) is known."""
    gradient = sums.gradient + sums.traces * c
    w_rec = gradient[n_in:]
    w_rec = w_rec * (1 - jnp.eye(len(w_rec), dtype=w_rec.dtype))
    return {"w_in": gradient[:n_in], "w_rec": w_rec, "w_out": sums.gradient_out}
