"""The backward recursion of each neuron by itself, over a stored trial: adjoint e-prop and SnAp-1.

BPTT (bptt.py) uses parts of it: errors filtered back, the gradient of the readout, no denormal numbers.
Online e-prop (online.py) runs it over each block. Both forms of e-prop get by without the firing rates, which
are known only after the last trial: the rate cost enters as c_j times a gradient, and that is linear in c_j.
So the gradient of the task loss and the gradient for c = 1 are computed side by side, and trials never have
to be kept.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import prange

from implementations.numba.cpu.compiled import called, inlined, kernel
from implementations.numba.cpu.dynamics import add_row, advance, aligned
from implementations.numba.cpu.loss import is_correct, targets, task_loss
from implementations.numba.cpu.vectors import alone, unmarked

FLUSH_STEPS = 32  # how often decaying signals are checked for denormal numbers, which are slow
TASK, RATE = 0, 1  # axis 2 of `gradient`: of the task loss, and per unit of c_j


class Learning(NamedTuple):
    """What the way back needs; scalars in the dtype.

    Attributes:
        feedback: (n_out, n_pad) F^T times `gain`; without rows where nothing goes back to the neurons.
        sends_target: whether minus the target goes back, in place of the error.
        alpha, rho, kappa, theta, beta: of `WayBack`, so that kappa is that of errors on their way to the
            neurons, and theta is 0 without the reset gradient. beta (n_pad,) is that of README.md;
            `Constants.beta` is over theta.
        window: steps of the loss, at the end of a trial.
        gain: (1 - kappa)/(batch * window), of the errors.
        floor: what decays is set to 0 below this: far from what rounding sees, and so far from denormals that
            differences of two such numbers are none either.
    """

    feedback: np.ndarray
    sends_target: bool
    alpha: np.floating
    rho: np.floating
    kappa: np.floating
    theta: np.floating
    beta: np.ndarray
    window: int
    gain: np.floating
    floor: np.floating


class Scratch(NamedTuple):
    """Memory for a whole trial, per thread.

    Attributes:
        psi: (threads, T, n_pad), of one step where it is not read.
        spikes: (threads, (T+1) n_rec), offset: (threads, T+2), as `dynamics.advance` has them.
    """

    psi: np.ndarray
    spikes: np.ndarray
    offset: np.ndarray


@called
def flush(values, floor):
    """Set values too small to matter to 0, before they become denormal."""
    for j in range(values.shape[0]):
        values[j] = 0 if abs(values[j]) < floor else values[j]


@called
def least_decay(source, floor):
    """The factor below which nothing is left of `source`: it is not worth denormal numbers."""
    peak = floor
    for j in range(source.shape[0]):
        peak = max(peak, abs(source[j]))
    return floor / peak


@called
def add_errors(source, ell, feedback, kappa):
    """source = kappa source + ell F^T, with ell (n_out,) and F^T = feedback (n_out, n_pad)."""
    for j in range(source.shape[0]):
        source[j] = kappa * source[j]
    for o in range(feedback.shape[0]):
        error = ell[o]
        for j in range(source.shape[0]):
            source[j] += error * feedback[o, j]


@inlined
def send_back(t, first, source, sent, feedback, kappa, floor, decay, least):
    """The learning signal of step t, from that of t+1: `decay` times `source`, fixed before the window.

    Returns:
        Decay, and the one below which it is 0, which is found at the last step before the window.
    """
    if t >= first:
        add_errors(source, sent[t - first], feedback, kappa)
    else:
        if t == first - 1:
            least = least_decay(source, floor)
        decay = kappa * decay
        decay = decay if decay > least else source.dtype.type(0)
    return decay, least


@called
def readout_gradient(ell, gain, kappa, floor, first, start, stop, spikes, offset, lbar, grad_out):
    """grad_out += sum over steps `start` to `stop` - 1 of z[t] lbar[t]; leaves kappa lbar[start].

    Args:
        ell: (window, n_out), of the steps from `first` on; times `gain`.
        spikes, offset: as `dynamics.advance` left them.
        lbar: (n_out,) kappa lbar[stop].
        grad_out: (n_rec, n_out).
    """
    for t in range(stop - 1, max(start, first) - 1, -1):
        k = t - start + 1
        for o in range(lbar.shape[0]):
            total = lbar[o] + gain * ell[t - first, o]
            for e in range(offset[k], offset[k + 1]):
                grad_out[spikes[e], o] += total
            lbar[o] = kappa * total
    decay = lbar.dtype.type(1)  # before the window, by one factor, until nothing is left
    for t in range(min(stop, first) - 1, start - 1, -1):
        k = t - start + 1
        for e in range(offset[k], offset[k + 1]):
            for o in range(lbar.shape[0]):
                grad_out[spikes[e], o] += decay * lbar[o]
        decay = kappa * decay
        if decay < floor:
            decay = lbar.dtype.type(0)
            break
    for o in range(lbar.shape[0]):
        lbar[o] = decay * lbar[o]


@inlined
def backward_neurons(psi, decay, source, lam_a, lam_v, unit_a, unit_v, beta, alpha, rho, theta):
    """All neurons, one step back: from lam[t+1] to lam[t], for the task loss and for c = 1.

    The learning signal is `decay` times `source`: before the window it only decays, by one factor for
    all neurons, and needs no storing.
    """
    one = psi.dtype.type(1)
    for j in range(psi.shape[0]):
        g = psi[j] * (decay * source[j] + lam_a[j] - theta * lam_v[j])
        lam_v[j] = alpha * lam_v[j] + g
        lam_a[j] = rho * lam_a[j] - beta[j] * g
        h = psi[j] * (one + unit_a[j] - theta * unit_v[j])
        unit_v[j] = alpha * unit_v[j] + h
        unit_a[j] = rho * unit_a[j] - beta[j] * h


@kernel
def adjoint(
    bounds, trials, weights, constants, learning, scratch, gradient, gradient_out, counts, losses, corrects
):  # fmt: skip
    """Gradients of trials bounds[c] to bounds[c+1]-1, summed, for each chunk c.

    Args:
        gradient: (chunks, n_in + n_rec, 2, n_pad) out; gradient_out (chunks, n_rec, n_out) out.
        counts: (chunks, n_rec) spikes, out; losses, corrects: (chunks,) sums, out.
    """
    x_offset, x_index, classes, curves, shares = trials
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    feedback, sends_target, back_alpha, back_rho, back_kappa, theta, back_beta, window, gain, floor = learning
    all_psi, all_spikes, all_offset = scratch
    n_steps = x_offset.shape[1] - 1
    n_in, n_pad = w_in.shape
    n_rec, n_out = w_out.shape
    first = n_steps - window
    one = w_in.dtype.type(1)
    zero = w_in.dtype.type(0)
    for c in prange(bounds.shape[0] - 1):
        thread = numba.get_thread_id()  # pyright: ignore[reportPrivateImportUsage]
        psi, spikes, offset = alone(all_psi[thread]), all_spikes[thread], all_offset[thread]
        # small arrays are made here: those of two threads must not share a cache line
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        z = np.zeros(n_pad, np.uint8)
        marks = unmarked(1, n_pad)
        y = np.empty(n_out, w_in.dtype)
        readout = np.empty((window, n_out), w_in.dtype)
        ell = np.empty((window, n_out), w_in.dtype)
        sent = np.empty((window, n_out), w_in.dtype) if sends_target else ell
        lbar = np.empty(n_out, w_in.dtype)
        source = aligned(n_pad, w_in)
        lam_a = aligned(n_pad, w_in)
        unit_a = aligned(n_pad, w_in)
        both_v = aligned(2 * n_pad, w_in)  # side by side, so that a spike adds them as one row
        lam_v, unit_v = both_v[:n_pad], both_v[n_pad:]
        rows = gradient[c].reshape((n_in + n_rec, 2 * n_pad))
        grad_out = gradient_out[c]
        rows[:] = 0
        grad_out[:] = 0
        counts[c] = 0
        loss_sum = 0.0
        correct_sum = 0
        for b in range(bounds[c], bounds[c + 1]):
            v[:] = 0
            a[:] = 0
            wake[:] = 0
            y[:] = 0
            offset[0] = 0
            offset[1] = 0
            advance(
                0, n_steps, first, x_offset[b], x_index, w_in, w_rec, w_out,
                alpha, rho, kappa, beta, height, refractory_steps,
                v, a, wake, z, y, marks, spikes, offset, psi, readout,
            )  # fmt: skip
            for e in range(offset[n_steps + 1]):
                counts[c, spikes[e]] += 1
            loss_sum += task_loss(readout, classes, curves, shares, b, 0, window, ell)
            correct_sum += is_correct(readout, classes, shares, b)

            lbar[:] = 0
            readout_gradient(ell, gain, kappa, floor, first, 0, n_steps, spikes, offset, lbar, grad_out)
            if feedback.shape[0] == 0:
                continue
            if sends_target:
                targets(classes, curves, shares, b, sent)
            source[:] = 0
            lam_a[:] = 0
            unit_a[:] = 0
            both_v[:] = 0
            decay = one
            least = zero
            for t in range(n_steps - 1, -1, -1):
                decay, least = send_back(t, first, source, sent, feedback, back_kappa, floor, decay, least)
                backward_neurons(
                    psi[t], decay, source, lam_a, lam_v, unit_a, unit_v,
                    back_beta, back_alpha, back_rho, theta,
                )  # fmt: skip
                for e in range(x_offset[b, t], x_offset[b, t + 1]):
                    add_row(rows[x_index[e]], both_v)
                for e in range(offset[t], offset[t + 1]):
                    add_row(rows[n_in + spikes[e]], both_v)
                if t % FLUSH_STEPS == 0:
                    flush(lam_a, floor)
                    flush(unit_a, floor)
                    flush(both_v, floor)
        losses[c] = loss_sum
        corrects[c] = correct_sum
