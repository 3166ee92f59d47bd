"""Loss of one trial and its derivative by the readout, and the forward pass that ends in it."""

from typing import NamedTuple

import numpy as np
from numba import prange

from implementations.numba.cpu.compiled import called, kernel
from implementations.numba.cpu.dynamics import BLOCK, advance, aligned, carry
from implementations.numba.cpu.vectors import unmarked


class Kept(NamedTuple):
    """What a forward pass leaves for the way back.

    Attributes:
        marks: (batch, T, words) who spiked, as `vectors.mark` has them.
        ell: (batch, window, n_out) derivative of each trial's loss by the readout.
    """

    marks: np.ndarray
    ell: np.ndarray


@called
def weigh(shares, b, start, stop, ell):
    """Multiply ell (window, n_out) by how much each step counts."""
    if shares.shape[0] > 0:
        for t in range(start, stop):
            for o in range(ell.shape[1]):
                ell[t, o] *= shares[b, t]


@called
def _weighted_loss(readout, classes, curves, shares, b, start, stop, ell):
    """As `task_loss`, where steps count by their shares."""
    n_out = readout.shape[1]
    loss = 0.0
    for t in range(start, stop):
        share = shares[b, t]
        if classes.shape[0] > 0:
            top = readout[t, 0]
            for o in range(1, n_out):
                top = max(top, readout[t, o])
            total = readout.dtype.type(0)
            for o in range(n_out):
                ell[t, o] = np.exp(readout[t, o] - top)
                total += ell[t, o]
            loss += share * (np.log(total) + top - readout[t, classes[b]])
            for o in range(n_out):
                ell[t, o] /= total
            ell[t, classes[b]] -= readout.dtype.type(1)
        else:
            for o in range(n_out):
                ell[t, o] = readout[t, o] - curves[b, t, o]
                loss += share * (0.5 * ell[t, o] * ell[t, o])
    weigh(shares, b, start, stop, ell)
    return loss


@called
def task_loss(readout, classes, curves, shares, b, start, stop, ell):
    """Loss of trial `b`, summed over the steps `start` to `stop` - 1 of the window.

    Args:
        readout: (window, n_out).
        classes: (batch,) targets of cross-entropy; curves: (batch, window, n_out) of squared error; one
            of the two is empty.
        shares: (batch, window) by how much each step counts; empty where all count alike.
        ell: (window, n_out) out, derivative of that sum by the readout.
    """
    if shares.shape[0] > 0:
        return _weighted_loss(readout, classes, curves, shares, b, start, stop, ell)
    # apart from the weighted one, as LLVM puts a sum of products in another order
    n_out = readout.shape[1]
    loss = 0.0
    for t in range(start, stop):
        if classes.shape[0] > 0:
            top = readout[t, 0]
            for o in range(1, n_out):
                top = max(top, readout[t, o])
            total = readout.dtype.type(0)
            for o in range(n_out):
                ell[t, o] = np.exp(readout[t, o] - top)
                total += ell[t, o]
            loss += np.log(total) + top - readout[t, classes[b]]
            for o in range(n_out):
                ell[t, o] /= total
            ell[t, classes[b]] -= readout.dtype.type(1)
        else:
            for o in range(n_out):
                ell[t, o] = readout[t, o] - curves[b, t, o]
                loss += 0.5 * ell[t, o] * ell[t, o]
    return loss


@called
def targets(classes, curves, shares, b, sent):
    """sent (window, n_out) = minus the target of trial `b`: what the rule DRTP sends back."""
    for t in range(sent.shape[0]):
        for o in range(sent.shape[1]):
            if classes.shape[0] > 0:
                sent[t, o] = -1 if o == classes[b] else 0
            else:
                sent[t, o] = -curves[b, t, o]
    weigh(shares, b, 0, sent.shape[0], sent)


@called
def is_correct(readout, classes, shares, b):
    """1 where the readout (window, n_out), summed over steps that count, is largest at the target, else 0."""
    best = -1
    if classes.shape[0] > 0:
        highest = 0.0
        for o in range(readout.shape[1]):
            total = 0.0
            for t in range(readout.shape[0]):
                if shares.shape[0] == 0 or shares[b, t] > 0:
                    total += readout[t, o]
            if best < 0 or total > highest:
                highest = total
                best = o
        best = 1 if best == classes[b] else 0
    return max(best, 0)


@kernel
def evaluate(trials, weights, constants, window, all_marks, all_ell, counts, losses, corrects):
    """Per trial, out: counts (batch, n_rec) of spikes, losses (batch,) and corrects (batch,).

    Args:
        all_marks, all_ell: as in `Kept`, out. Without trials in them nothing is kept, and no memory grows
            with the length of a trial.
    """
    x_offset, x_index, classes, curves, shares = trials
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    n_steps = x_offset.shape[1] - 1
    n_pad = w_in.shape[1]
    n_rec, n_out = w_out.shape
    for b in prange(x_offset.shape[0]):
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        z = np.zeros(n_pad, np.uint8)
        y = np.zeros(n_out, w_in.dtype)
        psi = np.empty((1, n_pad), w_in.dtype)
        readout = np.empty((window, n_out), w_in.dtype)
        ell = all_ell[b] if all_ell.shape[0] > 0 else np.empty((window, n_out), w_in.dtype)
        unkept = unmarked(1, n_pad)
        spikes = np.empty((BLOCK + 1) * n_rec, np.int32)
        offset = np.zeros(BLOCK + 2, np.int64)
        for start in range(0, n_steps, BLOCK):
            stop = min(start + BLOCK, n_steps)
            marks = all_marks[b, start:stop] if all_marks.shape[0] > 0 else unkept
            advance(
                start, stop, n_steps - window, x_offset[b], x_index, w_in, w_rec, w_out,
                alpha, rho, kappa, beta, height, refractory_steps,
                v, a, wake, z, y, marks, spikes, offset, psi, readout,
            )  # fmt: skip
            for e in range(offset[1], offset[stop - start + 1]):
                counts[b, spikes[e]] += 1
            carry(spikes, offset, stop - start)
        losses[b] = task_loss(readout, classes, curves, shares, b, 0, window, ell)
        corrects[b] = is_correct(readout, classes, shares, b)
