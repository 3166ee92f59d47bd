"""Backpropagation through time, and the ladder: the backward pass with the recurrent weights in it.

The rates have to be known before, as what neurons send one another is not linear in the c_j of each. So
`loss.evaluate` comes first and keeps who spiked, a bit per neuron and step; from that the trial is played
again, which is cheaper than a second forward pass, or than storing psi of all trials.
"""

import numba
import numpy as np
from numba import prange

from implementations.numba.cpu.compiled import kernel
from implementations.numba.cpu.dynamics import add_row, aligned, replay
from implementations.numba.cpu.hops import backward_level
from implementations.numba.cpu.loss import targets
from implementations.numba.cpu.per_neuron import FLUSH_STEPS, flush, readout_gradient, send_back
from implementations.numba.cpu.vectors import add_marked, alone, mark, unmarked


@kernel
def through_time(
    bounds, trials, weights, constants, learning, levels, back, all_marks, all_ell, rate, scratch,
    gradient, gradient_out,
):  # fmt: skip
    """Gradients of trials bounds[c] to bounds[c+1]-1, summed, for each chunk c.

    Args:
        levels: number of levels, and which hears the first, as `hops.levels` has them.
        back: (n_rec, n_pad) transposed w_rec.
        all_marks, all_ell: as `loss.evaluate` left them.
        rate: (n_pad,) derivative of the rate cost by a spike, c_j.
        gradient: (chunks, n_in + n_rec, n_pad) out; gradient_out (chunks, n_rec, n_out) out.
    """
    x_offset, x_index, classes, curves, shares = trials
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    feedback, sends_target, back_alpha, back_rho, back_kappa, theta, back_beta, window, gain, floor = learning
    n_levels, hears_first = levels
    all_psi, all_spikes, all_offset = scratch
    n_steps = x_offset.shape[1] - 1
    n_in, n_pad = w_in.shape
    n_out = w_out.shape[1]
    first = n_steps - window
    one = w_in.dtype.type(1)
    zero = w_in.dtype.type(0)
    for c in prange(bounds.shape[0] - 1):
        thread = numba.get_thread_id()  # pyright: ignore[reportPrivateImportUsage]
        psi, spikes, offset = alone(all_psi[thread]), all_spikes[thread], all_offset[thread]
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        sent = np.empty((window, n_out), w_in.dtype)
        lbar = np.empty(n_out, w_in.dtype)
        source = aligned(n_pad, w_in)
        active = unmarked(1, n_pad)
        g = aligned(n_pad, w_in)
        lam_a = aligned(n_levels * n_pad, w_in).reshape((n_levels, n_pad))
        lam_v = aligned(n_levels * n_pad, w_in).reshape((n_levels, n_pad))
        message = aligned(n_levels * n_pad, w_in).reshape((n_levels, n_pad))
        grad = gradient[c]
        grad_out = gradient_out[c]
        grad[:] = 0
        grad_out[:] = 0
        for b in range(bounds[c], bounds[c + 1]):
            v[:] = 0
            a[:] = 0
            wake[:] = 0
            offset[0] = 0
            offset[1] = 0
            replay(
                x_offset[b], x_index, w_in, w_rec, alpha, rho, beta, height, refractory_steps,
                v, a, wake, all_marks[b], spikes, offset, psi,
            )  # fmt: skip
            ell = all_ell[b]
            lbar[:] = 0
            readout_gradient(ell, gain, kappa, floor, first, 0, n_steps, spikes, offset, lbar, grad_out)
            if sends_target:
                targets(classes, curves, shares, b, sent)
            else:
                sent[:] = ell

            source[:] = 0
            lam_a[:] = 0
            lam_v[:] = 0
            message[:] = 0
            decay = one
            least = zero
            for t in range(n_steps - 1, -1, -1):
                decay, least = send_back(t, first, source, sent, feedback, back_kappa, floor, decay, least)
                mark(psi[t], active[0])
                for k in range(n_levels):
                    backward_level(
                        psi[t], message[k], decay, source, rate, lam_a[k], lam_v[k], g,
                        back_beta, back_alpha, back_rho, theta,
                    )  # fmt: skip
                    if k + hears_first >= 0:
                        add_marked(message[k + hears_first], back_alpha, g, back, active[0])
                for e in range(x_offset[b, t], x_offset[b, t + 1]):
                    add_row(grad[x_index[e]], lam_v[0])
                for e in range(offset[t], offset[t + 1]):
                    add_row(grad[n_in + spikes[e]], lam_v[0])
                if t % FLUSH_STEPS == 0:
                    for k in range(n_levels):
                        flush(lam_a[k], floor)
                        flush(lam_v[k], floor)
                        flush(message[k], floor)
