"""Backpropagation through time: the backward pass with the recurrent weights in it.

Trials go in groups of `GROUP` per thread, so that a row of the weights, once in a register, serves all of
them. The rates have to be known before: a forward pass for them, which is cheaper than storing psi of all
trials would be, comes first.
"""

import numba
import numpy as np
from numba import prange

from implementations.numba.cpu.compiled import inlined, kernel
from implementations.numba.cpu.dynamics import WORD, add_row, advance, aligned
from implementations.numba.cpu.loss import task_loss
from implementations.numba.cpu.per_neuron import FLUSH_STEPS, add_errors, flush, readout_gradient

GROUP = 4  # trials; times four rows of weights, as `recurrent` unrolls both


@inlined
def recurrent(lam, weights, d0, d1, d2, d3):
    """d_g += lam[g] W^T for the four trials g: lam (GROUP, n_pad), weights = W^T (>= n_rec, n_pad).

    Four by four: 16 multiply-adds for 8 loads and 4 stores, near the limit of the arithmetic.
    """
    for k in range(0, weights.shape[0], 4):
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        a0, a1, a2, a3 = lam[0, k], lam[0, k + 1], lam[0, k + 2], lam[0, k + 3]
        b0, b1, b2, b3 = lam[1, k], lam[1, k + 1], lam[1, k + 2], lam[1, k + 3]
        c0, c1, c2, c3 = lam[2, k], lam[2, k + 1], lam[2, k + 2], lam[2, k + 3]
        e0, e1, e2, e3 = lam[3, k], lam[3, k + 1], lam[3, k + 2], lam[3, k + 3]
        for j in range(weights.shape[1]):
            x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
            d0[j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
            d1[j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
            d2[j] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
            d3[j] += e0 * x0 + e1 * x1 + e2 * x2 + e3 * x3


@inlined
def backward_neurons(psi, dz, decay, source, rate, lam_a, lam_v, beta, alpha, rho):
    """All neurons of a trial, one step back; `dz` holds lam_v[t+1] W^T and is left at 0."""
    zero = psi.dtype.type(0)
    for j in range(psi.shape[0]):
        g = psi[j] * (dz[j] + decay * source[j] + rate[j] + lam_a[j])
        lam_v[j] = alpha * lam_v[j] + g
        lam_a[j] = rho * lam_a[j] - beta[j] * g
        dz[j] = zero


@kernel
def through_time(bounds, trials, weights, constants, learning, back, rate, scratch, gradient, gradient_out):
    """Gradients of trials bounds[c] to bounds[c+1]-1, summed, for each chunk c.

    Args:
        back: (n_rec rounded up to GROUP, n_pad) transposed w_rec; unless detached, the reset is on
            its diagonal.
        rate: (n_pad,) derivative of the rate cost by a spike, c_j.
        scratch: of groups of `GROUP` trials.
        gradient: (chunks, n_in + n_rec, n_pad) out; gradient_out (chunks, n_rec, n_out) out.
    """
    x_offset, x_index, classes, curves = trials
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    feedback, beta_threshold, window, gain, floor = learning
    all_psi, all_spikes, all_offset = scratch
    n_steps = x_offset.shape[1] - 1
    n_in, n_pad = w_in.shape
    n_out = w_out.shape[1]
    first = n_steps - window
    one = w_in.dtype.type(1)
    zero = w_in.dtype.type(0)
    for c in prange(bounds.shape[0] - 1):
        thread = numba.get_thread_id()  # pyright: ignore[reportPrivateImportUsage]
        psi, spikes, offset = all_psi[thread], all_spikes[thread], all_offset[thread]
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        words = np.zeros(n_pad // WORD, np.uint64)
        z = words.view(np.uint8)
        y = np.empty(n_out, w_in.dtype)
        readout = np.empty((window, n_out), w_in.dtype)
        ell = np.empty((GROUP, window, n_out), w_in.dtype)
        lbar = np.empty(n_out, w_in.dtype)
        source = np.empty((GROUP, n_pad), w_in.dtype)
        lam_a = np.empty((GROUP, n_pad), w_in.dtype)
        lam_v = np.empty((GROUP, n_pad), w_in.dtype)
        d0 = aligned(n_pad, w_in)
        d1 = aligned(n_pad, w_in)
        d2 = aligned(n_pad, w_in)
        d3 = aligned(n_pad, w_in)
        grad = gradient[c]
        grad_out = gradient_out[c]
        grad[:] = 0
        grad_out[:] = 0
        for start in range(bounds[c], bounds[c + 1], GROUP):
            n_trials = min(GROUP, bounds[c + 1] - start)
            for g in range(n_trials):
                v[:] = 0
                a[:] = 0
                wake[:] = 0
                y[:] = 0
                offset[g, 0] = 0
                offset[g, 1] = 0
                advance(
                    0, n_steps, first, x_offset[start + g], x_index, w_in, w_rec, w_out,
                    alpha, rho, kappa, beta, height, refractory_steps,
                    v, a, wake, z, words, y, spikes[g], offset[g], psi[g], readout,
                )  # fmt: skip
                task_loss(readout, classes, curves, start + g, 0, window, ell[g])
                lbar[:] = 0
                readout_gradient(ell[g], gain, kappa, first, 0, n_steps, spikes[g], offset[g], lbar, grad_out)

            source[:] = 0
            lam_a[:] = 0
            lam_v[:] = 0
            decay = one
            for t in range(n_steps - 1, -1, -1):
                if t < first:
                    decay = kappa * decay
                recurrent(lam_v, back, d0, d1, d2, d3)
                for g in range(n_trials):
                    if t >= first:
                        add_errors(source[g], ell[g, t - first], feedback, kappa)
                    dz = d0 if g == 0 else d1 if g == 1 else d2 if g == 2 else d3
                    backward_neurons(
                        psi[g, t], dz, decay, source[g], rate, lam_a[g], lam_v[g],
                        beta_threshold, alpha, rho,
                    )  # fmt: skip
                    for e in range(x_offset[start + g, t], x_offset[start + g, t + 1]):
                        add_row(grad[x_index[e]], lam_v[g])
                    for e in range(offset[g, t], offset[g, t + 1]):
                        add_row(grad[n_in + spikes[g, e]], lam_v[g])
                    if t % FLUSH_STEPS == 0:
                        decay = decay if decay > floor else zero
                        flush(lam_a[g], floor)
                        flush(lam_v[g], floor)
