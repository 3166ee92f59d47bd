"""Figures of a batch, and what the firing-rate loss sends back: one small program, on the device."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["n_batch", "n_steps", "window", "n_rec", "n_out", "n_flags"])
def evaluate(
    counts,  # (n_batch, REC) int32 spikes
    losses,  # (n_batch,) float64
    y_sum,  # (n_batch, n_out) float64
    classes,  # (n_batch,) int64, read where CLASSES
    flags,  # (n_flags,) 0, or NaN where a weight is beyond its bound
    c,  # (REC,), out: derivative of the loss by one spike of neuron j
    figures,  # (5,) float64, out: loss, task loss, rate loss, accuracy, rate in Hz
    n_batch, n_steps, window, n_rec, n_out, n_flags,
    BOUND: tl.constexpr,  # of the task loss
    DT_MS: tl.constexpr, RATE_TARGET: tl.constexpr, RATE_COST: tl.constexpr, CLASSES: tl.constexpr,
    TRIALS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """TRIALS at a time."""
    j = tl.arange(0, REC)
    k = tl.arange(0, TRIALS)
    count = tl.zeros([REC], tl.int64)
    task = tl.zeros([TRIALS], tl.float64)
    correct = tl.zeros([TRIALS], tl.int32)
    flag = tl.zeros([TRIALS], tl.float64)
    for begin in range(0, n_batch, TRIALS):
        b = begin + k
        there = b < n_batch
        count += tl.sum(tl.load(counts + b[:, None] * REC + j[None, :], mask=there[:, None], other=0), axis=0)
        task += tl.load(losses + b, mask=there, other=0.0)
        if CLASSES:
            largest = tl.load(y_sum + b * n_out, mask=there, other=0.0)
            found = tl.zeros([TRIALS], tl.int32)
            for o in range(1, n_out):
                y = tl.load(y_sum + b * n_out + o, mask=there, other=0.0)
                found = tl.where(y > largest, o, found)
                largest = tl.maximum(y, largest)
            correct += (found == tl.load(classes + b, mask=there, other=-1)).to(tl.int32)
    for begin in range(0, n_flags, TRIALS):
        flag += tl.load(flags + begin + k, mask=begin + k < n_flags, other=0.0).to(tl.float64)
    # f_j, in spikes per ms
    n_ms = (n_batch * n_steps).to(tl.float64) * DT_MS
    rates = count.to(tl.float64) / n_ms
    error = tl.where(j < n_rec, rates - RATE_TARGET, 0.0)
    task_loss = tl.sum(task) / (n_batch * window).to(tl.float64) + tl.sum(flag)
    task_loss = tl.where(tl.abs(task_loss) <= BOUND, task_loss, float("nan"))
    rate_loss = RATE_COST * tl.sum(error * error)
    tl.store(c + j, ((2.0 * RATE_COST / n_ms) * error).to(c.dtype.element_ty))
    tl.store(figures, task_loss + rate_loss)
    tl.store(figures + 1, task_loss)
    tl.store(figures + 2, rate_loss)
    if CLASSES:
        tl.store(figures + 3, tl.sum(correct).to(tl.float64) / n_batch)
    else:
        tl.store(figures + 3, float("nan"))
    tl.store(figures + 4, 1000.0 * tl.sum(rates) / n_rec)
