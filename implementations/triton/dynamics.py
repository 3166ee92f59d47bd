"""Forward pass: one program per trial, the time loop inside.

    here      README.md      unit or scaling
    v         v[t]           over theta
    a         a[t]           as there
    u         u[t]           as there
    beta      beta           over theta (in other files: as there)
    rows      W_in, W_rec    [W_in; W_rec - theta I] over theta: the reset is a weight
    wait      refractory     silent steps that are left, n_ref - 1 after a spike: silent unless 0
    HEIGHT    dampening      over theta
    z, words  z[t]           0 or 1 per neuron, and a bit per neuron
    zbar, y   zbar[t], y[t]  as there

A step reads a row of weights for each spike, and nothing for the other neurons: of 140 presynaptic neurons
some 2 spike at a step, so that a dense product would do 70 times the work, and would want the weights on
chip. With up to 128 neurons a trial is one warp, with 4 neurons per thread: spikes are exchanged by warp
reductions, without a barrier and without shared memory, and the rows stay in the L1 cache. Each further
128 neurons are one more warp.
"""
# pyright: reportGeneralTypeIssues=false
# static_range is for Triton's compiler, which unrolls it

import triton
import triton.language as tl


@triton.jit
def lowest_bit(words):
    """The lowest bit that is set, by itself, and its number; of 0: 0 and anything."""
    bits = words & (0 - words)
    # a power of two is its exponent as a float: the interpreter has no count of zeros
    exponent = bits.to(tl.uint32, bitcast=True).to(tl.float32).to(tl.int32, bitcast=True) >> 23
    return bits, exponent - 127


@triton.jit
def add_rows(total, word, rows, j, REC: tl.constexpr):
    """Add the rows (of REC weights) whose bit is set in one word, in order."""
    while word != 0:
        bit, i = lowest_bit(word)
        total += tl.load(rows + i * REC + j)
        word = word ^ bit
    return total


@triton.jit
def add_rows_of_words(total, words, rows, j, WORDS: tl.constexpr, REC: tl.constexpr):
    """The same for WORDS words at once: their loads are under way together, of which each waits for L2."""
    first = 32 * tl.arange(0, WORDS)
    while tl.sum((words != 0).to(tl.int32)) > 0:
        bits, i = lowest_bit(words)
        row = (first + i)[:, None] * REC + j[None, :]
        total += tl.sum(tl.load(rows + row, mask=(words != 0)[:, None], other=0.0), axis=0)
        words = words ^ bits
    return total


@triton.jit(do_not_specialize=["n_batch", "n_steps", "start", "stop", "window", "n_rec", "n_out"])
def forward(
    x_words,  # (batch, n_steps, IN_WORDS) int32: inputs
    rows,  # (32 (IN_WORDS + REC_WORDS), REC): W_in, then W_rec - theta I, over theta
    w_out,  # (n_out, REC)
    beta,  # (REC,) over theta
    classes,  # (batch,) int64, read where CLASSES
    curves,  # (batch, window, n_out), read where not
    state,  # (batch, 6, REC): in and out where RESUME
    losses,  # (batch,) float64, out: task loss, summed over outputs and the window; in too where RESUME
    y_sum,  # (batch, n_out) float64, out: readout summed over the window; in too where RESUME
    counts,  # (batch, REC) int32, out: spikes
    psi,  # (batch, stop - start, n_pad), out where GRADIENT
    pre_words,  # (batch, stop - start, IN_WORDS + REC_WORDS) int32, out where GRADIENT: x[t], z[t-1]
    zbar_window,  # (batch, window, n_pad), out where GRADIENT
    ell,  # (batch, window, n_out), out where GRADIENT
    spikes,  # (batch, n_steps, n_rec) int8, out where ACTIVITY
    readout,  # (batch, n_steps, n_out), out where ACTIVITY
    n_batch, n_steps, start, stop, window, n_rec, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, HEIGHT: tl.constexpr,  # dampening / theta
    SILENT_STEPS: tl.constexpr, CLASSES: tl.constexpr,
    GRADIENT: tl.constexpr, ACTIVITY: tl.constexpr, RESUME: tl.constexpr,
    IN_WORDS: tl.constexpr, REC_WORDS: tl.constexpr, REC: tl.constexpr, OUT: tl.constexpr,
    TOGETHER: tl.constexpr,
):  # fmt: skip
    """Steps start..stop-1 of each trial, and the loss of those inside the window."""
    dtype = rows.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, REC)
    o = tl.arange(0, OUT)
    first = n_steps - window
    scale = 1.0 / (n_batch * window).to(dtype)
    beta_j = tl.load(beta + j)
    own_state = state + b * 6 * REC + j
    if RESUME:
        v = tl.load(own_state)
        a = tl.load(own_state + REC)
        zbar = tl.load(own_state + 2 * REC)
        z = tl.load(own_state + 3 * REC).to(tl.int32)
        wait = tl.load(own_state + 4 * REC).to(tl.int32)
        count = tl.load(own_state + 5 * REC).to(tl.int32)
        loss = tl.load(losses + b)
        y_total = tl.load(y_sum + b * n_out + o, mask=o < n_out, other=0.0)
    else:
        v = tl.zeros([REC], dtype)
        a = tl.zeros([REC], dtype)
        zbar = tl.zeros([REC], dtype)
        z = tl.zeros([REC], tl.int32)
        wait = tl.zeros([REC], tl.int32)  # steps that a neuron still keeps silent
        count = tl.zeros([REC], tl.int32)
        loss = tl.zeros([], tl.float64)
        y_total = tl.zeros([OUT], tl.float64)
    x_words += (b * n_steps + start) * IN_WORDS
    pre_words += b * (stop - start) * (IN_WORDS + REC_WORDS)
    psi += b * (stop - start) * n_pad
    w_rec = rows + 32 * IN_WORDS * REC

    for t in range(start, stop):
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + x[t] W_in + z[t-1] (W_rec - theta I)
        a = RHO * a + z.to(dtype)
        v = ALPHA * v
        for w in tl.static_range(IN_WORDS):
            word = tl.load(x_words + w)
            if GRADIENT:
                tl.store(pre_words + w, word)
            v = add_rows(v, word, rows + 32 * w * REC, j, REC)
        if not TOGETHER:
            for w in tl.static_range(REC_WORDS):
                word = tl.sum(tl.where(j // 32 == w, z << (j % 32), 0))
                if GRADIENT:
                    tl.store(pre_words + IN_WORDS + w, word)
                v = add_rows(v, word, w_rec + 32 * w * REC, j, REC)
        else:
            words = tl.sum(tl.reshape(z, (REC_WORDS, 32)) << tl.arange(0, 32)[None, :], axis=1)
            if GRADIENT:
                tl.store(pre_words + IN_WORDS + tl.arange(0, REC_WORDS), words)
            v = add_rows_of_words(v, words, w_rec, j, REC_WORDS, REC)

        # u[t], z[t], psi[t]
        u = v - beta_j * a - 1.0
        awake = wait == 0
        z = ((u > 0.0) & awake).to(tl.int32)
        wait = tl.where(z == 1, SILENT_STEPS, tl.maximum(wait - 1, 0))
        count += z
        zbar = KAPPA * zbar + (1.0 - KAPPA) * z.to(dtype)
        if GRADIENT:
            slope = tl.where(awake, HEIGHT * tl.maximum(1.0 - tl.abs(u), 0.0), 0.0)
            tl.store(psi + j, slope, mask=j < n_pad)
            psi += n_pad
            pre_words += IN_WORDS + REC_WORDS
        x_words += IN_WORDS

        if ACTIVITY or t >= first:
            # y[t] = zbar[t] W_out
            y = tl.zeros([OUT], dtype)
            for k in range(n_out):
                y = tl.where(o == k, tl.sum(zbar * tl.load(w_out + k * REC + j)), y)
            if ACTIVITY:
                tl.store(spikes + (b * n_steps + t) * n_rec + j, z.to(tl.int8), mask=j < n_rec)
                tl.store(readout + (b * n_steps + t) * n_out + o, y, mask=o < n_out)
            else:
                at = b * window + t - first
                if CLASSES:
                    largest = tl.max(tl.where(o < n_out, y, float("-inf")))
                    e = tl.where(o < n_out, tl.exp(y - largest), 0.0)
                    total = tl.sum(e)
                    target = (o == tl.load(classes + b)).to(dtype)
                    error = e / total - target
                    loss += (largest + tl.log(total) - tl.sum(target * y)).to(tl.float64)
                else:
                    curve = tl.load(curves + at * n_out + o, mask=o < n_out, other=0.0)
                    error = y - curve
                    loss += 0.5 * tl.sum(error * error).to(tl.float64)
                y_total += y.to(tl.float64)
                if GRADIENT:
                    tl.store(zbar_window + at * n_pad + j, zbar, mask=j < n_pad)
                    tl.store(ell + at * n_out + o, error * scale, mask=o < n_out)

    if RESUME:
        tl.store(own_state, v)
        tl.store(own_state + REC, a)
        tl.store(own_state + 2 * REC, zbar)
        tl.store(own_state + 3 * REC, z.to(dtype))
        tl.store(own_state + 4 * REC, wait.to(dtype))
        tl.store(own_state + 5 * REC, count.to(dtype))
    if not ACTIVITY:
        tl.store(losses + b, loss)
        tl.store(y_sum + b * n_out + o, y_total, mask=o < n_out)
        tl.store(counts + b * REC + j, count)
