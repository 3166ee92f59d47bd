"""Online e-prop: eligibility traces as BrainPy states, carried forward with memory that stays the same.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij        (the block is t = t0..t1-1)

is found by each neuron's recursion backward over the block, from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.

Through the reset, potentials have a trace per synapse. What a block gets of it is then

    left[t0]_ij = alpha eps_v[t0-1]_ij - theta e[t0-1]_ij

in place of alpha eps_v[t0-1]_i; left[t1] is Phi from lam_v[t1] = 1, with nothing else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import brainpy as bp
import brainpy.math as bm
import jax
import jax.numpy as jnp

from implementations.brainpy.dynamics import SpikingNetwork
from implementations.brainpy.loss import TaskSums, correct, counted, minus_target, task_loss
from implementations.brainpy.per_neuron import PerNeuron
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import Rule
from implementations.way_back import WayBack


class Sums(NamedTuple):
    """What a group of trials has added up at its end; c is known only then."""

    gradient: jax.Array  # (n_in + n_rec, n_rec), of the task loss
    traces: jax.Array  # (n_in + n_rec, n_rec), sum of e over trials and time
    gradient_out: jax.Array  # (n_rec, n_out)


class Traces(bp.DynamicalSystem):
    """Eligibility traces of a group of trials before a block t0..t1-1, and their sums so far."""

    def __init__(self, network: Network, n_batch: int, like: jax.Array, *, reset: bool) -> None:
        super().__init__(mode=bm.TrainingMode(n_batch))
        n_pre, n_rec = network.n_in + network.n_rec, network.n_rec

        def zeros(*shape: int) -> bm.Variable:
            return bm.Variable(jnp.zeros(shape, like.dtype))

        self.eps_v = None if reset else zeros(n_batch, n_pre)  # [t0-1]
        self.left = zeros(n_batch, n_pre, n_rec) if reset else None  # [t0]
        self.eps_a = zeros(n_batch, n_pre, network.n_adaptive)  # [t0], adaptive neurons only
        self.ebar = zeros(n_batch, n_pre, n_rec)  # [t0-1]
        self.zbar = zeros(n_batch, n_rec)  # [t0-1]
        self.gradient = zeros(n_pre, n_rec)
        self.total = zeros(n_pre, n_rec)
        self.gradient_out = zeros(n_rec, network.n_out)


def run_online(
    spiking: SpikingNetwork,
    rule: Rule,
    network: Network,
    objective: Objective,
    x: jax.Array,
    targets: jax.Array,
    scale: jax.Array,
) -> tuple[TaskSums, Sums]:
    """Run a group of trials and learn on the way.

    Args:
        spiking: the network, with its states at 0.
        rule: whose gradients keep to each neuron.
        network: its sizes and constants.
        objective: gives loss and window.
        x: (blocks, steps, batch, n_in) bool.
        targets: as `task_loss` takes them.
        scale: 1/(trials of the whole batch x window), or that of each step and trial, (window, batch).
    """
    n_blocks, n_steps, n_batch, _ = x.shape
    n_regular = network.n_regular
    way, kappa = WayBack.of(rule, network), network.kappa
    synapses = spiking.synapses()
    feedback = synapses.feedback
    traces = Traces(network, n_batch, synapses.readout, reset=rule.reset_gradient)
    dtype = synapses.readout.dtype
    loss = bm.Variable(jnp.zeros((), dtype))
    y_sum = bm.Variable(jnp.zeros((n_batch, network.n_out), dtype))
    counts = bm.Variable(jnp.zeros((n_batch, network.n_rec), dtype))
    ages = jnp.arange(n_steps - 1, -1, -1)  # steps from t to the last of the block
    decay_zbar = jnp.asarray(kappa, dtype) ** ages  # (steps,)
    decay_ebar = jnp.asarray(way.kappa, dtype) ** ages
    decay_alpha = jnp.asarray(way.alpha, dtype) ** ages

    def forward(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """pre[t], z[t], psi[t], y[t] of a step."""
        before = spiking.neurons.z.value
        pre = jnp.concatenate([x.astype(dtype), before], axis=1)
        z, psi = spiking.neurons.update_with_slope(pre @ synapses.arriving)
        counts.value = counts.value + z
        return pre, z, psi, spiking.readout(z @ synapses.readout)

    def add(pre: jax.Array, lam_v: jax.Array, neurons: PerNeuron) -> jax.Array:
        """Phi, summed over trials."""
        phi = jnp.einsum("tbi,tbj->ij", pre, lam_v)
        if traces.eps_v is not None:
            phi += traces.eps_v.value.T @ (way.alpha * lam_v[0])
        if traces.left is not None:
            phi += jnp.einsum("bij,bj->ij", traces.left.value, lam_v[0])
        lam_a = neurons.lam_a.value[:, n_regular:]
        return phi.at[:, n_regular:].add(jnp.einsum("bij,bj->ij", traces.eps_a.value, lam_a))

    def each(pre: jax.Array, lam_v: jax.Array) -> jax.Array:
        """The first two terms of Phi, for each trial; of the last n neurons."""
        phi = jnp.einsum("tbi,tbj->bij", pre, lam_v)
        if traces.eps_v is not None:
            phi += traces.eps_v.value[:, :, None] * (way.alpha * lam_v[0])[:, None]
        if traces.left is not None:
            phi += traces.left.value[:, :, network.n_rec - lam_v.shape[-1] :] * lam_v[0][:, None]
        return phi

    def block(x: jax.Array, inside: jax.Array | None, wanted: jax.Array | None) -> None:
        pre, z, psi, y = bm.for_loop(forward, x)
        ell = sent = jnp.zeros_like(y)
        if inside is not None and wanted is not None:

            def of_block(y: jax.Array) -> jax.Array:
                if scale.ndim:
                    return (inside * task_loss(objective, y, wanted)).sum()
                return scale * (inside[:, None] * task_loss(objective, y, wanted)).sum()

            loss_of: Callable[..., Any] = bm.grad(of_block, argnums=0, return_value=True)
            ell, part = loss_of(y)
            sent = ell
            if rule.signal == "target":
                weight = inside[..., None] if scale.ndim else scale * inside[:, None, None]
                sent = weight * minus_target(objective, wanted, y)
            loss.value = loss.value + part
            if scale.ndim:
                y_sum.value = y_sum.value + counted(inside, y)
            else:
                y_sum.value = y_sum.value + (inside[:, None, None] * y).sum(axis=0)
        # w = 1;  w[t] = (1-kappa) kappa^(t1-1-t);  w = 0 and q = 1;  lam_v[t1] = 1;  what is sent back
        to_total, to_ebar = PerNeuron(way, psi), PerNeuron(way, psi)
        to_eps_a = PerNeuron(way, psi, first=n_regular, lam_a=1.0)
        to_left = PerNeuron(way, psi, lam_v=1.0)
        to_gradient = PerNeuron(way, psi)
        ellbar = bm.Variable(jnp.zeros_like(ell[0]))  # sum_{s>=t} kappa^(s-t) ell[s]
        sentbar = bm.Variable(jnp.zeros_like(ell[0]))

        def back(psi: jax.Array, decay: jax.Array, ell: jax.Array, sent: jax.Array) -> dict[str, jax.Array]:
            found = {
                "total": to_total(psi, 1.0),
                "ebar": to_ebar(psi, way.gain * decay),
                "eps_a": to_eps_a(psi, 0.0),
            }
            if traces.left is not None:
                found["left"] = to_left(psi, 0.0)
            if inside is not None:
                found["ellbar"] = ellbar.value = kappa * ellbar.value + ell
                found["sentbar"] = sentbar.value = way.kappa * sentbar.value + sent
                found["gradient"] = to_gradient(psi, (way.gain * sentbar.value) @ feedback.T)
            return found

        lam = bm.for_loop(back, (psi, decay_ebar, ell, sent), reverse=True)
        traces.total.value = traces.total.value + add(pre, lam["total"], to_total)
        if inside is not None:
            ellbar_before, sentbar_before = kappa * lam["ellbar"][0], way.kappa * lam["sentbar"][0]
            traces.gradient.value = (
                traces.gradient.value
                + add(pre, lam["gradient"], to_gradient)
                + jnp.einsum("bij,bj->ij", traces.ebar.value, sentbar_before @ feedback.T)
            )
            traces.gradient_out.value = (
                traces.gradient_out.value
                + jnp.einsum("tbj,tbk->jk", z, way.gain * lam["ellbar"])
                + traces.zbar.value.T @ ellbar_before
            )
        # all traces to the end of the block; those that others need as they were last
        eps_a = traces.eps_a.value
        ebar = way.kappa**n_steps * traces.ebar.value + each(pre, lam["ebar"])
        lam_a = to_ebar.lam_a.value[:, None, n_regular:]
        traces.ebar.value = ebar.at[:, :, n_regular:].add(lam_a * eps_a)
        traces.zbar.value = kappa**n_steps * traces.zbar.value + jnp.tensordot(way.gain * decay_zbar, z, 1)
        traces.eps_a.value = each(pre, lam["eps_a"]) + to_eps_a.lam_a.value[:, None] * eps_a
        if traces.left is not None:
            lam_a = to_left.lam_a.value[:, None, n_regular:]
            traces.left.value = each(pre, lam["left"]).at[:, :, n_regular:].add(lam_a * eps_a)
        if traces.eps_v is not None:
            traces.eps_v.value = way.alpha**n_steps * traces.eps_v.value + jnp.tensordot(decay_alpha, pre, 1)

    # blocks before the window learn nothing from the task
    n_window = -(-objective.window // n_steps)
    first = n_blocks - n_window
    if first:
        # x by index, as a part of it would be a copy
        bm.for_loop(lambda i: block(x[i], None, None), jnp.arange(first))
    outside = n_window * n_steps - objective.window
    if scale.ndim:  # the scale of each step and trial, 0 before the window
        inside = jnp.concatenate([jnp.zeros((outside, n_batch), dtype), scale])
    else:
        inside = jnp.concatenate([jnp.zeros(outside, dtype), jnp.ones(objective.window, dtype)])
    inside = inside.reshape(n_window, n_steps, *inside.shape[1:])
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
