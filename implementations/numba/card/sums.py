# type: ignore  # what is inside a kernel has other types than Numba's stand-ins for Python show
"""Sums over trials and blocks, always in the same order, and what follows from them."""

import math

from numba import cuda, float64

from implementations.numba.card.compiled import Kernel


@Kernel
def sum_rows(parts, scale, more, total):
    """total (columns,) = sum of parts (rows, columns) + scale[column % len] sum of `more`, where it has rows.

    Block (32, up to 8) threads: each thread sums every 8th row, the first of a column what they have.
    """
    shared = cuda.shared.array(0, total.dtype)
    x, y, width, lanes = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockDim.x, cuda.blockDim.y
    column = cuda.blockIdx.x * width + x
    zero = total.dtype.type(0)
    one_sum, other = zero, zero
    if column < total.shape[0]:
        for row in range(y, parts.shape[0], lanes):
            one_sum += parts[row, column]
        for row in range(y, more.shape[0], lanes):
            other += more[row, column]
        if more.shape[0] > 0:
            one_sum += other * scale[column % scale.shape[0]]
    shared[y * width + x] = one_sum
    cuda.syncthreads()
    if y == 0 and column < total.shape[0]:
        for lane in range(1, lanes):
            one_sum += shared[lane * width + x]
        total[column] = one_sum


@Kernel
def rate_errors(counts, n_trial_steps_ms, target, scale, rates, c):
    """Per neuron: rates f (n_rec,) in spikes per ms, and c = scale (f - target), from spikes (n_rec,)."""
    j = cuda.grid(1)
    if j < counts.shape[0]:
        rates[j] = counts[j] / n_trial_steps_ms
        c[j] = scale * (rates[j] - target)


@Kernel
def readout_gradient(zbar_rows, ell, gain, offset, n_kept, gradient):
    """gradient (batch, n_rec, n_out) += sum over steps of the window of zbar[t] ell[t]."""
    b, j = cuda.blockIdx.x, cuda.threadIdx.x
    for o in range(gradient.shape[2]):
        total = gain - gain
        for t in range(n_kept):
            total += zbar_rows[b, t, j] * ell[b, offset + t, o]
        gradient[b, j, o] += gain * total


@Kernel
def metrics(losses, y, classes, rates, target, rate_cost, diverged, bound, share, out):
    """out (5,): the fields of `Metrics`, in its order, by one block; losses (batch, window)."""
    i, n = cuda.threadIdx.x, cuda.blockDim.x
    sums = cuda.shared.array(0, float64)
    task, correct = 0.0, 0.0
    for b in range(i, losses.shape[0], n):
        for t in range(losses.shape[1]):
            task += losses[b, t]
        if classes.shape[0] > 0:
            best, highest = 0, -math.inf
            for o in range(y.shape[2]):
                total = 0.0
                for t in range(y.shape[1]):
                    total += y[b, t, o]
                if total > highest:
                    best, highest = o, total
            if best == classes[b]:
                correct += 1.0
    sums[i] = task
    sums[n + i] = correct
    cuda.syncthreads()
    if i == 0:
        for k in range(1, n):
            task += sums[k]
            correct += sums[n + k]
        rate_loss, rate = 0.0, 0.0
        for j in range(rates.shape[0]):
            rate_loss += rate_cost * (rates[j] - target) ** 2
            rate += rates[j]
        task = task * share / losses.shape[1]
        if diverged[0] != 0 or not abs(task) <= bound:  # divergence.py
            task = math.nan
        out[0] = task + rate_loss
        out[1] = task
        out[2] = rate_loss
        out[3] = correct * share if classes.shape[0] > 0 else math.nan
        out[4] = 1000.0 * rate / rates.shape[0]


@Kernel
def clear(values):
    """Set flat values to 0."""
    for i in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[i] = 0


@Kernel
def clear_diagonal(gradient, n_in, n_rec):
    """Set the cells of flat [W_in; W_rec] at the diagonal of W_rec to 0: nobody connects to itself."""
    j = cuda.grid(1)
    if j < n_rec:
        gradient[(n_in + j) * n_rec + j] = 0
