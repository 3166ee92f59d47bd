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
    sent_by: np.ndarray | None = None,
) -> Trace:
    """All trials, one neuron at a time.

    Args:
        spike, slope: of u, replace the step function and dampening * max(0, 1 - |u|); refractoriness is
            left out then, as it has no derivative.
        reset_by: (batch, time, n_rec) spikes that reset neurons instead of their own, so that a derivative
            takes the reset for constant.
        sent_by: (batch, time, n_rec) spikes that cross the recurrent connections instead of their own.
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
            z_sent = z_before if sent_by is None or t == 0 else sent_by[b, t - 1]
            for j in range(n_rec):
                a[j] = network.rho * a[j] + z_before[j]
                v[j] = network.alpha * v[j] - theta * z_reset[j]
                for i in range(network.n_in):
                    v[j] += x[b, t, i] * weights.w_in[i, j]
                for i in range(n_rec):
                    v[j] += z_sent[i] * weights.w_rec[i, j]
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


def counted(objective: impl.Objective, shape: tuple[int, ...], mask: np.ndarray | None) -> list[Any]:
    """Trial and step of all that count."""
    n_batch, n_steps = shape[:2]
    steps = range(n_steps - objective.window, n_steps)
    return [(b, t) for b in range(n_batch) for t in steps if mask is None or mask[b, t]]


def loss(
    network: impl.Network, objective: impl.Objective, trace: Trace, targets: np.ndarray, mask: Any = None
) -> tuple[Any, Any]:
    """Task loss and rate loss."""
    task: Any = 0.0
    cells = counted(objective, trace.y.shape, mask)
    for b, t in cells:
        if objective.loss == "cross_entropy":
            task += np.log(np.exp(trace.y[b, t]).sum()) - trace.y[b, t, targets[b]]
        else:
            task += 0.5 * ((trace.y[b, t] - targets[b, t]) ** 2).sum()
    error = rates(network, trace) - objective.rate_target_hz / 1000.0
    return task / len(cells), objective.rate_cost * (error**2).sum()


def output_error(
    objective: impl.Objective, trace: Trace, targets: np.ndarray, mask: Any = None
) -> np.ndarray:
    """ell (batch, time, n_out), the derivative of the task loss by the readout."""
    n_out = trace.y.shape[-1]
    ell = np.zeros(trace.y.shape)
    cells = counted(objective, trace.y.shape, mask)
    for b, t in cells:
        if objective.loss == "cross_entropy":
            p = np.exp(trace.y[b, t]) / np.exp(trace.y[b, t]).sum()
            ell[b, t] = p - np.eye(n_out)[targets[b]]
        else:
            ell[b, t] = trace.y[b, t] - targets[b, t]
    return ell / len(cells)


def rate_error(network: impl.Network, objective: impl.Objective, trace: Trace) -> np.ndarray:
    """(n_rec,) c_j, the derivative of the rate loss by one spike."""
    n_batch, n_steps, _ = trace.z.shape
    error = rates(network, trace) - objective.rate_target_hz / 1000.0
    return 2.0 * objective.rate_cost * error / (n_batch * n_steps * network.dt_ms)


def sent_back(
    objective: impl.Objective, trace: Trace, targets: np.ndarray, signal: str, mask: Any = None
) -> np.ndarray:
    """(batch, time, n_out), what the feedback matrix gets: ell, or minus the target in its place."""
    if signal == "error":
        return output_error(objective, trace, targets, mask)
    sent = np.zeros(trace.y.shape)
    cells = counted(objective, trace.y.shape, mask)
    for b, t in cells:
        onehot = np.eye(trace.y.shape[-1])
        sent[b, t] = -onehot[targets[b]] if objective.loss == "cross_entropy" else -targets[b, t]
    return sent / len(cells)


@dataclass
class Constants:
    """Those of the way back: of the network, or 0 where a rule cuts a filter."""

    alpha: float
    kappa: float
    beta: np.ndarray

    @classmethod
    def of(cls, network: impl.Network, cut: tuple[str, ...]) -> "Constants":
        return cls(
            0.0 if "membrane" in cut else network.alpha,
            0.0 if "readout" in cut else network.kappa,
            0.0 * network.beta if "adaptation" in cut else network.beta,
        )


def readout_gradient(
    network: impl.Network, objective: impl.Objective, trace: Trace, targets: Any, mask: Any = None
) -> Any:
    """(n_rec, n_out), dW_out of every rule."""
    ell = output_error(objective, trace, targets, mask)
    n_batch, n_steps, n_rec = trace.z.shape
    d_out = np.zeros((n_rec, network.n_out))
    for b in range(n_batch):
        zbar = np.zeros(n_rec)
        for t in range(n_steps):
            zbar = network.kappa * zbar + (1.0 - network.kappa) * trace.z[b, t]
            d_out += np.outer(zbar, ell[b, t])
    return d_out


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
    signal: str = "error",
    cut: tuple[str, ...] = (),
) -> impl.Gradients:
    """Gradients by the backward recursion with the recurrent term, and with or without that of the reset.

    Args:
        feedback: F (n_rec, n_out), W_out where not given.
        signal, cut: as in `rules.Rule`.
    """
    sent = weights.w_out if feedback is None else feedback
    cuts: Any = {"reset": reset, "signal": signal, "cut": cut}
    return ladder(network, objective, weights, sent, x, targets, trace, hops=rules.ALL, **cuts)


def ladder(
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    feedback: Any,
    x: np.ndarray,
    targets: np.ndarray,
    trace: Trace,
    *,
    hops: float,
    reset: bool = True,
    signal: str = "error",
    cut: tuple[str, ...] = (),
    mask: Any = None,
) -> impl.Gradients:
    """Gradients in which an error crosses up to `hops` recurrent connections: all levels, one step at a time.

    Level k has its own lam_v and lam_a; what crosses a connection to it comes from level k - 1. BPTT's one
    level gets it from itself.
    """
    n_batch, n_steps, _ = x.shape
    sent = sent_back(objective, trace, targets, signal, mask)
    c = rate_error(network, objective, trace)
    back = Constants.of(network, cut)
    through_time = hops == rules.ALL
    n_levels = 1 if through_time else int(hops) + 1
    d_in, d_rec = (np.zeros(np.shape(w)) for w in (weights.w_in, weights.w_rec))
    for b in range(n_batch):
        lbar = np.zeros(network.n_out)
        lam_v, lam_a = np.zeros((n_levels, network.n_rec)), np.zeros((n_levels, network.n_rec))
        for t in reversed(range(n_steps)):
            lbar = back.kappa * lbar + (1.0 - network.kappa) * sent[b, t]
            following = lam_v.copy()  # lam_v[t+1] of each level
            for k in range(n_levels):
                dz = feedback @ lbar + c + lam_a[k]
                if k > 0 or through_time:
                    dz = dz + weights.w_rec @ following[0 if through_time else k - 1]
                if reset:
                    dz = dz - network.threshold * following[k]
                g = trace.psi[b, t] * dz
                lam_a[k] = network.rho * lam_a[k] - back.beta * g
                lam_v[k] = back.alpha * following[k] + g
            d_in += np.outer(x[b, t], lam_v[-1])
            if t > 0:
                d_rec += np.outer(trace.z[b, t - 1], lam_v[-1])
    np.fill_diagonal(d_rec, 0.0)
    return impl.Gradients(d_in, d_rec, readout_gradient(network, objective, trace, targets, mask))


def eprop(
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    feedback: Any,
    x: np.ndarray,
    targets: np.ndarray,
    trace: Trace,
    *,
    reset: bool = False,
    signal: str = "error",
    cut: tuple[str, ...] = (),
    mask: Any = None,
) -> impl.Gradients:
    """Gradients by eligibility traces, carried forward; with the reset all of them are one per synapse."""
    n_batch, n_steps, n_in = x.shape
    n_rec = network.n_rec
    sent = sent_back(objective, trace, targets, signal, mask)
    c = rate_error(network, objective, trace)
    back = Constants.of(network, cut)
    d_pre = np.zeros((n_in + n_rec, n_rec))
    for b in range(n_batch):
        eps_v, e = np.zeros((n_in + n_rec, n_rec)), np.zeros((n_in + n_rec, n_rec))
        eps_a, ebar = np.zeros((n_in + n_rec, n_rec)), np.zeros((n_in + n_rec, n_rec))
        for t in range(n_steps):
            z_before = trace.z[b, t - 1] if t > 0 else np.zeros(n_rec)
            pre = np.concatenate([x[b, t], z_before])
            learning_signal = feedback @ sent[b, t]
            for i in range(n_in + n_rec):
                for j in range(n_rec):
                    psi, beta = trace.psi[b, t, j], back.beta[j]
                    eps_v[i, j] = back.alpha * eps_v[i, j] + pre[i]
                    if reset:
                        eps_v[i, j] -= network.threshold * e[i, j]  # e[t-1]
                    e[i, j] = psi * (eps_v[i, j] - beta * eps_a[i, j])
                    eps_a[i, j] = psi * eps_v[i, j] + (network.rho - psi * beta) * eps_a[i, j]
                    ebar[i, j] = back.kappa * ebar[i, j] + (1.0 - network.kappa) * e[i, j]
                    d_pre[i, j] += learning_signal[j] * ebar[i, j] + c[j] * e[i, j]
    d_rec = d_pre[n_in:]
    np.fill_diagonal(d_rec, 0.0)
    return impl.Gradients(d_pre[:n_in], d_rec, readout_gradient(network, objective, trace, targets, mask))


def gradients(
    rule: str | impl.Rule,
    network: impl.Network,
    objective: impl.Objective,
    weights: Any,
    x: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[impl.Gradients, Trace]:
    """Gradients of one of the rules, by its parts, and the trace that they are of."""
    trace, parts = forward(network, weights, x), rules.get(rule)
    if parts.feedback == "none":
        still = (np.zeros(np.shape(w)) for w in (weights.w_in, weights.w_rec))
        return impl.Gradients(*still, readout_gradient(network, objective, trace, targets, mask)), trace
    given = network, objective, weights
    batch = x, targets, trace
    sent = getattr(weights, parts.feedback_weights)
    cuts: Any = {"reset": parts.reset_gradient, "signal": parts.signal, "cut": parts.cut, "mask": mask}
    if parts.hops > 0:
        return ladder(*given, sent, *batch, hops=parts.hops, **cuts), trace
    return eprop(*given, sent, *batch, **cuts), trace
