"""The equations of README.md as plain loops over trials, steps and synapses: slow, and easy to check by eye.

`forward` also takes a smooth spike function and complex weights, so that BPTT can be held against
differentiation by a complex step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import implementations as impl
from implementations import rules


@dataclass
class Weights:
    """As `impl.Parameters`, but of any dtype."""

    w_in: Any
    w_rec: Any
    w_out: Any
    feedback: Any


@dataclass
class Trace:
    """What happened: u, z, psi (batch, time, n_rec), y (batch, time, n_out)."""

    u: Any
    z: Any
    psi: Any
    y: Any


def forward(
    network: impl.Network,
    weights: Any,
    x: np.ndarray,
    spike: Callable[[Any], Any] | None = None,
    slope: Callable[[Any], Any] | None = None,
    reset_by: np.ndarray | None = None,
) -> Trace:
    """All trials, one neuron at a time.

    Args:
        spike, slope: of u, replace the step function and dampening * max(0, 1 - |u|); refractoriness is
            left out then, as it has no derivative.
        reset_by: (batch, time, n_rec) spikes that reset neurons instead of their own, so that a derivative
            takes the reset for constant.
    """
    n_batch, n_steps, _ = x.shape
    n_rec, n_out = network.n_rec, network.n_out
    dtype = np.result_type(*(np.asarray(getattr(weights, w)).dtype for w in ("w_in", "w_rec", "w_out")))
    u_all = np.zeros((n_batch, n_steps, n_rec), dtype)
    z = np.zeros((n_batch, n_steps, n_rec), dtype)
    psi = np.zeros((n_batch, n_steps, n_rec), dtype)
    y = np.zeros((n_batch, n_steps, n_out), dtype)
    theta = network.threshold
    for b in range(n_batch):
        v, a = np.zeros(n_rec, dtype), np.zeros(n_rec, dtype)
        z_before, zbar = np.zeros(n_rec, dtype), np.zeros(n_rec, dtype)
        r = np.zeros(n_rec, int)
        for t in range(n_steps):
            z_reset = z_before if reset_by is None or t == 0 else reset_by[b, t - 1]
            for j in range(n_rec):
                a[j] = network.rho * a[j] + z_before[j]
                v[j] = network.alpha * v[j] - theta * z_reset[j]
                for i in range(network.n_in):
                    v[j] += x[b, t, i] * weights.w_in[i, j]
                for i in range(n_rec):
                    v[j] += z_before[i] * weights.w_rec[i, j]
                u = (v[j] - theta - network.beta[j] * a[j]) / theta
                u_all[b, t, j] = u
                if spike is not None and slope is not None:
                    z[b, t, j] = spike(u)
                    psi[b, t, j] = slope(u) / theta
                elif r[j] == 0:
                    z[b, t, j] = 1.0 if u > 0 else 0.0
                    psi[b, t, j] = network.dampening / theta * max(0.0, 1.0 - abs(u))
            for j in range(n_rec):
                r[j] = min(
                    max(r[j] + network.refractory_steps * (z[b, t, j] == 1.0) - 1, 0),
                    network.refractory_steps,
                )
            z_before = z[b, t].copy()
            zbar = network.kappa * zbar + (1.0 - network.kappa) * z_before
            y[b, t] = zbar @ weights.w_out
    return Trace(u_all, z, psi, y)


def rates(network: impl.Network, trace: Trace) -> Any:
    """(n_rec,) f_j in spikes per ms."""
    return trace.z.mean(axis=(0, 1)) / network.dt_ms


def loss(
    network: impl.Network, objective: impl.Objective, trace: Trace, targets: np.ndarray
) -> tuple[Any, Any]:
    """Task loss and rate loss."""
    n_batch, n_steps, _ = trace.y.shape
    task: Any = 0.0
    for b in range(n_batch):
        for t in range(n_steps - objective.window, n_steps):
            if objective.loss == "cross_entropy":
                task += np.log(np.exp(trace.y[b, t]).sum()) - trace.y[b, t, targets[b]]
            else:
                task += 0.5 * ((trace.y[b, t] - targets[b, t]) ** 2).sum()
    error = rates(network, trace) - objective.rate_target_hz / 1000.0
    return task / (n_batch * objective.window), objective.rate_cost * (error**2).sum()


def output_error(objective: impl.Objective, trace: Trace, targets: np.ndarray) -> np.ndarray:
    """ell (batch, time, n_out), the derivative of the task loss by the readout."""
    n_batch, n_steps, n_out = trace.y.shape
    ell = np.zeros((n_batch, n_steps, n_out))
    for b in range(n_batch):
        for t in range(n_steps - objective.window, n_steps):
            if objective.loss == "cross_entropy":
                p = np.exp(trace.y[b, t]) / np.exp(trace.y[b, t]).sum()
                ell[b, t] = p - np.eye(n_out)[targets[b]]
            else:
                ell[b, t] = trace.y[b, t] - targets[b, t]
    return ell / (n_batch * objective.window)


def rate_error(network: impl.Network, objective: impl.Objective, trace: Trace) -> np.ndarray:
    """(n_rec,) c_j, the derivative of the rate loss by one spike."""
    n_batch, n_steps, _ = trace.z.shape
    error = rates(network, trace) - objective.rate_target_hz / 1000.0
    return 2.0 * objective.rate_cost * error / (n_batch * n_steps * network.dt_ms)


def bptt(
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    x: np.ndarray,
    targets: np.ndarray,
    trace: Trace,
    *,
    reset: bool = True,
    feedback: Any = None,
) -> impl.Gradients:
    """Gradients by the backward recursion with the recurrent term, and with or without that of the reset.

    Args:
        feedback: F (n_rec, n_out), W_out where not given.
    """
    feedback = weights.w_out if feedback is None else feedback
    n_batch, n_steps, _ = x.shape
    ell = output_error(objective, trace, targets)
    c = rate_error(network, objective, trace)
    d_in, d_rec, d_out = (np.zeros(np.shape(w)) for w in (weights.w_in, weights.w_rec, weights.w_out))
    for b in range(n_batch):
        lbar = np.zeros(network.n_out)
        lam_v, lam_a = np.zeros(network.n_rec), np.zeros(network.n_rec)
        for t in reversed(range(n_steps)):
            lbar = network.kappa * lbar + (1.0 - network.kappa) * ell[b, t]
            dz = feedback @ lbar + c + lam_a + weights.w_rec @ lam_v
            if reset:
                dz = dz - network.threshold * lam_v
            g = trace.psi[b, t] * dz
            lam_a = network.rho * lam_a - network.beta * g
            lam_v = network.alpha * lam_v + g
            d_in += np.outer(x[b, t], lam_v)
            d_out += np.outer(trace.z[b, t], lbar)
            if t > 0:
                d_rec += np.outer(trace.z[b, t - 1], lam_v)
    np.fill_diagonal(d_rec, 0.0)
    return impl.Gradients(d_in, d_rec, d_out)


def eprop(
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    feedback: Any,
    x: np.ndarray,
    targets: np.ndarray,
    trace: Trace,
) -> impl.Gradients:
    """Gradients by an eligibility trace per synapse, carried forward."""
    n_batch, n_steps, n_in = x.shape
    n_rec = network.n_rec
    ell = output_error(objective, trace, targets)
    c = rate_error(network, objective, trace)
    d_pre, d_out = np.zeros((n_in + n_rec, n_rec)), np.zeros(np.shape(weights.w_out))
    for b in range(n_batch):
        eps_v = np.zeros(n_in + n_rec)
        eps_a, ebar = np.zeros((n_in + n_rec, n_rec)), np.zeros((n_in + n_rec, n_rec))
        zbar = np.zeros(n_rec)
        for t in range(n_steps):
            z_before = trace.z[b, t - 1] if t > 0 else np.zeros(n_rec)
            eps_v = network.alpha * eps_v + np.concatenate([x[b, t], z_before])
            signal = feedback @ ell[b, t]
            for i in range(n_in + n_rec):
                for j in range(n_rec):
                    psi, beta = trace.psi[b, t, j], network.beta[j]
                    e = psi * (eps_v[i] - beta * eps_a[i, j])
                    eps_a[i, j] = psi * eps_v[i] + (network.rho - psi * beta) * eps_a[i, j]
                    ebar[i, j] = network.kappa * ebar[i, j] + (1.0 - network.kappa) * e
                    d_pre[i, j] += signal[j] * ebar[i, j] + c[j] * e
            zbar = network.kappa * zbar + (1.0 - network.kappa) * trace.z[b, t]
            d_out += np.outer(zbar, ell[b, t])
    d_rec = d_pre[n_in:]
    np.fill_diagonal(d_rec, 0.0)
    return impl.Gradients(d_pre[:n_in], d_rec, d_out)


def gradients(
    rule: str,
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    x: np.ndarray,
    targets: np.ndarray,
) -> tuple[impl.Gradients, Trace]:
    """Gradients of one of the rules, by its parts, and the trace that they are of."""
    trace, parts = forward(network, weights, x), rules.get(rule)
    sent = getattr(weights, parts.feedback_weights)
    if parts.recurrent_gradient:
        reset = parts.reset_gradient
        return bptt(network, objective, weights, x, targets, trace, reset=reset, feedback=sent), trace
    return eprop(network, objective, weights, sent, x, targets, trace), trace
