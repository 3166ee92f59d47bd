"""e-prop online: eligibility traces carried forward, memory that does not grow with the trial.

The traces of BLOCK steps are advanced at once. Within a block, what a trace becomes is linear in what it
was and in the spikes that came in: each sum over the block of w[t] e[t] is found by one backward recursion
per neuron, as in the adjoint form, instead of one update per synapse and step. At the end of each block
stand exactly the traces that step-by-step updates give (README.md, "online"), to rounding.
"""

import numpy as np
from numba import prange

from implementations.numba.cpu.compiled import inlined, kernel
from implementations.numba.cpu.dynamics import BLOCK, add_row, advance, aligned, carry
from implementations.numba.cpu.loss import is_correct, targets, task_loss
from implementations.numba.cpu.per_neuron import RATE, TASK, add_errors, flush, readout_gradient
from implementations.numba.cpu.vectors import unmarked


@inlined
def backward_sum(psi, weight, lam_a, lam_v, beta, alpha, rho, theta):
    """One step back for the sum over the block of `weight` e, which is the same for all neurons.

    One loop for each such sum: LLVM does not vectorise a loop over many arrays that might overlap.
    """
    for j in range(psi.shape[0]):
        g = psi[j] * (weight + lam_a[j] - theta * lam_v[j])
        lam_v[j] = alpha * lam_v[j] + g
        lam_a[j] = rho * lam_a[j] - beta[j] * g


@inlined
def backward_errors(psi, source, lam_a, lam_v, beta, alpha, rho, kappa, theta):
    """One step back for the sum of the learning signal times ebar."""
    for j in range(psi.shape[0]):
        g = psi[j] * (source[j] + lam_a[j] - theta * lam_v[j])
        lam_v[j] = alpha * lam_v[j] + g
        lam_a[j] = rho * lam_a[j] - beta[j] * g
        source[j] = kappa * source[j]


@inlined
def add_carried(
    kept, decay, floor, e_bar, e_bar_new, eps_a, eps_a_new, rates, e_a, e_v, f_a, f_v, s_a, s_v
):  # fmt: skip
    """What the traces before the block, of one presynaptic neuron, contribute; `_new` is left at 0.

    kept: (n_pad,) what is left of potentials, alpha eps_v, less theta e where the reset has its gradient.
    """
    zero = e_bar.dtype.type(0)
    for j in range(e_bar.shape[0]):
        before = eps_a[j]
        after = decay * e_bar[j] + e_bar_new[j] + kept[j] * e_v[j] + e_a[j] * before
        e_bar[j] = zero if abs(after) < floor else after
        eps_a[j] = eps_a_new[j] + kept[j] * f_v[j] + f_a[j] * before
        rates[j] += kept[j] * s_v[j] + s_a[j] * before
        e_bar_new[j] = zero
        eps_a_new[j] = zero


@inlined
def add_carried_potentials(kept, kept_new, eps_a, r_a, r_v):
    """The same for `kept` itself, into `kept_new`."""
    for j in range(kept.shape[0]):
        kept_new[j] += kept[j] * r_v[j] + r_a[j] * eps_a[j]


@inlined
def add_carried_errors(kept, e_bar, eps_a, total, source, lam_a, lam_v):
    """The same for the task gradient: `source` is the error filtered back to the start of the block."""
    for j in range(total.shape[0]):
        # source has decayed once more than to the first step, which is ebar's kappa
        total[j] += kept[j] * lam_v[j] + lam_a[j] * eps_a[j] + source[j] * e_bar[j]


@kernel
def online(bounds, trials, weights, constants, learning, gradient, gradient_out, counts, losses, corrects):
    """Gradients of trials bounds[c] to bounds[c+1]-1, summed, for each chunk c.

    Arguments as in `per_neuron.adjoint`, which gives the same numbers; axes of `gradient` as there.
    """
    x_offset, x_index, classes, curves, shares = trials
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    feedback, sends_target, back_alpha, back_rho, back_kappa, theta, back_beta, window, gain, floor = learning
    n_steps = x_offset.shape[1] - 1
    n_in, n_pad = w_in.shape
    n_rec, n_out = w_out.shape
    n_pre = n_in + n_rec
    first = n_steps - window
    reset = theta != 0
    one = w_in.dtype.type(1)
    zero = w_in.dtype.type(0)
    for c in prange(bounds.shape[0] - 1):
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        z = np.zeros(n_pad, np.uint8)
        marks = unmarked(1, n_pad)
        y = np.empty(n_out, w_in.dtype)
        psi = aligned(BLOCK * n_pad, w_in).reshape((BLOCK, n_pad))
        spikes = np.empty((BLOCK + 1) * n_rec, np.int32)
        offset = np.zeros(BLOCK + 2, np.int64)
        readout = np.empty((window, n_out), w_in.dtype)
        ell = np.empty((window, n_out), w_in.dtype)
        sent = np.empty((window, n_out), w_in.dtype) if sends_target else ell
        # traces before the block: pre filtered by alpha, z by kappa, ebar/(1 - kappa), eps_a; through
        # the reset, potentials leave something else at each synapse, and without it one row serves them all
        eps_v = np.empty(n_pre, w_in.dtype)
        kept = aligned((n_pre if reset else 1) * n_pad, w_in).reshape((-1, n_pad))
        zbar = np.empty(n_rec, w_in.dtype)
        e_bar = aligned(n_pre * n_pad, w_in).reshape((n_pre, n_pad))
        eps_a = aligned(n_pre * n_pad, w_in).reshape((n_pre, n_pad))
        # what this block adds to them
        eps_v_new = np.zeros(n_pre, w_in.dtype)
        kept_new = aligned((n_pre if reset else 1) * n_pad, w_in).reshape((-1, n_pad))
        zbar_new = np.zeros(n_rec, w_in.dtype)
        e_bar_new = aligned(n_pre * n_pad, w_in).reshape((n_pre, n_pad))
        eps_a_new = aligned(n_pre * n_pad, w_in).reshape((n_pre, n_pad))
        e_v, e_a = aligned(n_pad, w_in), aligned(n_pad, w_in)
        f_v, f_a = aligned(n_pad, w_in), aligned(n_pad, w_in)
        s_v, s_a = aligned(n_pad, w_in), aligned(n_pad, w_in)
        r_v, r_a = aligned(n_pad, w_in), aligned(n_pad, w_in)
        lam_v, lam_a = aligned(n_pad, w_in), aligned(n_pad, w_in)
        source = aligned(n_pad, w_in)
        lbar = np.empty(n_out, w_in.dtype)
        grad_out = gradient_out[c]
        gradient[c] = 0
        grad_out[:] = 0
        counts[c] = 0
        loss_sum = 0.0
        correct_sum = 0
        for b in range(bounds[c], bounds[c + 1]):
            v[:] = 0
            a[:] = 0
            wake[:] = 0
            y[:] = 0
            eps_v[:] = 0
            kept[:] = 0
            zbar[:] = 0
            e_bar[:] = 0
            eps_a[:] = 0
            offset[1] = 0
            if sends_target:
                targets(classes, curves, shares, b, sent)
            for start in range(0, n_steps, BLOCK):
                stop = min(start + BLOCK, n_steps)
                advance(
                    start, stop, first, x_offset[b], x_index, w_in, w_rec, w_out,
                    alpha, rho, kappa, beta, height, refractory_steps,
                    v, a, wake, z, y, marks, spikes, offset, psi, readout,
                )  # fmt: skip
                for e in range(offset[1], offset[stop - start + 1]):
                    counts[c, spikes[e]] += 1

                errors = stop > first
                if errors:
                    loss_sum += task_loss(
                        readout, classes, curves, shares, b, max(start - first, 0), stop - first, ell
                    )
                    source[:] = 0
                    lbar[:] = 0
                    readout_gradient(
                        ell, gain, kappa, floor, first, start, stop, spikes, offset, lbar, grad_out
                    )
                    lam_v[:] = 0
                    lam_a[:] = 0
                e_v[:] = 0
                e_a[:] = 0
                f_v[:] = 0
                f_a[:] = 1
                s_v[:] = 0
                s_a[:] = 0
                r_v[:] = 1
                r_a[:] = 0
                # to the power of stop - 1 - t: decays of z, of ebar and of pre
                kappa_power, back_kappa_power, alpha_power = one, one, one
                for t in range(stop - 1, start - 1, -1):
                    k = t - start
                    if errors:
                        if t >= first:
                            add_errors(source, sent[t - first], feedback, one)
                        backward_errors(
                            psi[k], source, lam_a, lam_v, back_beta, back_alpha, back_rho, back_kappa, theta
                        )
                        for e in range(x_offset[b, t], x_offset[b, t + 1]):
                            add_row(gradient[c, x_index[e], TASK], lam_v)
                        for e in range(offset[k], offset[k + 1]):
                            add_row(gradient[c, n_in + spikes[e], TASK], lam_v)
                    backward_sum(psi[k], back_kappa_power, e_a, e_v, back_beta, back_alpha, back_rho, theta)
                    backward_sum(psi[k], zero, f_a, f_v, back_beta, back_alpha, back_rho, theta)
                    backward_sum(psi[k], one, s_a, s_v, back_beta, back_alpha, back_rho, theta)
                    if reset:
                        backward_sum(psi[k], zero, r_a, r_v, back_beta, back_alpha, back_rho, theta)
                    for e in range(x_offset[b, t], x_offset[b, t + 1]):
                        i = x_index[e]
                        add_row(e_bar_new[i], e_v)
                        add_row(eps_a_new[i], f_v)
                        add_row(gradient[c, i, RATE], s_v)
                        if reset:
                            add_row(kept_new[i], r_v)
                        eps_v_new[i] += alpha_power
                    for e in range(offset[k], offset[k + 1]):
                        i = n_in + spikes[e]
                        add_row(e_bar_new[i], e_v)
                        add_row(eps_a_new[i], f_v)
                        add_row(gradient[c, i, RATE], s_v)
                        if reset:
                            add_row(kept_new[i], r_v)
                        eps_v_new[i] += alpha_power
                    for e in range(offset[k + 1], offset[k + 2]):
                        zbar_new[spikes[e]] += kappa_power
                    kappa_power = kappa * kappa_power
                    back_kappa_power = back_kappa * back_kappa_power
                    alpha_power = back_alpha * alpha_power

                # the powers are those of the whole block now
                if errors:
                    for j in range(n_rec):
                        for o in range(n_out):
                            grad_out[j, o] += lbar[o] * zbar[j]
                for i in range(n_pre):
                    row = kept[i if reset else 0]
                    if reset:
                        add_carried_potentials(row, kept_new[i], eps_a[i], r_a, r_v)
                    else:
                        row[:] = back_alpha * eps_v[i]
                    if errors:
                        add_carried_errors(
                            row, e_bar[i], eps_a[i], gradient[c, i, TASK], source, lam_a, lam_v
                        )
                    add_carried(
                        row, back_kappa_power, floor, e_bar[i], e_bar_new[i], eps_a[i], eps_a_new[i],
                        gradient[c, i, RATE], e_a, e_v, f_a, f_v, s_a, s_v,
                    )  # fmt: skip
                    if reset:
                        flush(kept_new[i], floor)
                        row[:] = kept_new[i]
                        kept_new[i] = zero
                    eps_v[i] = alpha_power * eps_v[i] + eps_v_new[i]
                    eps_v_new[i] = 0
                for j in range(n_rec):
                    zbar[j] = kappa_power * zbar[j] + zbar_new[j]
                    zbar_new[j] = 0
                flush(eps_v, floor)
                flush(zbar, floor)
                carry(spikes, offset, stop - start)
            correct_sum += is_correct(readout, classes, shares, b)
        losses[c] = loss_sum
        corrects[c] = correct_sum
