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

A warp has its processor for itself, and a step is what it waits for. So the inputs of a step are asked for a
step before, and its own spikes are exchanged while psi is worked out. The inputs come a word to a thread, and
are handed to the others as the spikes are: words that all threads load alike are waited for at once, as they
go where a warp keeps what its threads share. Counters, not products with t, say where it reads and writes:
those would make t a number of 64 bits, and with it all that is compared to it.
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
def add_rows(total, word, rows, REC: tl.constexpr):
    """Add the rows (of REC weights) whose bit is set in one word, in order; `rows` points to the first."""
    while word != 0:
        bit, i = lowest_bit(word)
        total += tl.load(rows + i * REC)
        word = word ^ bit
    return total


@triton.jit
def words_of(bits, word, WORDS: tl.constexpr):
    """Words as numbers, each the sum of the bits that `word` says are in it: a warp reduction."""
    found = ()
    for w in tl.static_range(WORDS):
        found = found + (tl.sum(tl.where(word == w, bits, 0)),)  # noqa: RUF005
    return found


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
    WORDS: tl.constexpr = IN_WORDS + REC_WORDS
    SLOTS: tl.constexpr = triton.next_power_of_2(max(WORDS, 32))
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
    pre_words += b * (stop - start) * WORDS
    psi += b * (stop - start) * n_pad
    # of the first step that is inside the window
    zbar_window += b * window * n_pad
    ell += b * window * n_out
    curves += b * window * n_out
    if start > first:
        zbar_window += (start - first) * n_pad
        ell += (start - first) * n_out
        curves += (start - first) * n_out
    w_in = rows + j
    w_rec = rows + 32 * IN_WORDS * REC + j
    bit_j = 1 << (j % 32)
    slot = tl.arange(0, SLOTS)
    is_input = slot < tl.where(start < stop, IN_WORDS, 0)
    spiked = z.to(dtype)
    if CLASSES:
        chosen = tl.load(classes + b)
    x_row = tl.load(x_words + slot, mask=is_input, other=0)
    x = words_of(x_row, slot, IN_WORDS)
    if not TOGETHER:
        z_words = words_of(z * bit_j, j // 32, REC_WORDS)

    for t in range(start, stop):
        x_words += IN_WORDS
        is_input = slot < tl.where(t + 1 < stop, IN_WORDS, 0)
        following = tl.load(x_words + slot, mask=is_input, other=0)
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + x[t] W_in + z[t-1] (W_rec - theta I)
        a = RHO * a + spiked
        v = ALPHA * v
        if not TOGETHER:
            if GRADIENT:
                row = x_row
                for w in tl.static_range(REC_WORDS):
                    row = tl.where(slot == IN_WORDS + w, z_words[w], row)
                tl.store(pre_words + slot, row, mask=slot < WORDS)
            some = 0
            for w in tl.static_range(IN_WORDS):
                some = some | x[w]
            for w in tl.static_range(REC_WORDS):
                some = some | z_words[w]
            if some != 0:  # at every third step there is no spike at all, and no word to look through
                for w in tl.static_range(IN_WORDS):
                    v = add_rows(v, x[w], w_in + 32 * w * REC, REC)
                for w in tl.static_range(REC_WORDS):
                    v = add_rows(v, z_words[w], w_rec + 32 * w * REC, REC)
        else:
            words = tl.sum(tl.reshape(z, (REC_WORDS, 32)) << tl.arange(0, 32)[None, :], axis=1)
            if GRADIENT:
                tl.store(pre_words + slot, x_row, mask=slot < IN_WORDS)
                tl.store(pre_words + IN_WORDS + tl.arange(0, REC_WORDS), words)
            for w in tl.static_range(IN_WORDS):
                v = add_rows(v, x[w], w_in + 32 * w * REC, REC)
            v = add_rows_of_words(v, words, rows + 32 * IN_WORDS * REC, j, REC_WORDS, REC)

        # u[t], z[t], psi[t]
        u = v - beta_j * a - 1.0
        awake = wait == 0
        spikes_now = (u > 0.0) & awake
        z = spikes_now.to(tl.int32)
        if not TOGETHER:
            z_words = words_of(tl.where(spikes_now, bit_j, 0), j // 32, REC_WORDS)
        x = words_of(following, slot, IN_WORDS)
        x_row = following
        wait = tl.where(spikes_now, SILENT_STEPS, tl.maximum(wait - 1, 0))
        count += z
        spiked = tl.where(spikes_now, 1.0, 0.0).to(dtype)
        zbar = KAPPA * zbar + (1.0 - KAPPA) * spiked
        if GRADIENT:
            slope = tl.where(awake, HEIGHT * tl.maximum(1.0 - tl.abs(u), 0.0), 0.0)
            tl.store(psi + j, slope, mask=j < n_pad)
            psi += n_pad
            pre_words += WORDS

        if ACTIVITY or t >= first:
            # y[t] = zbar[t] W_out
            y = tl.zeros([OUT], dtype)
            for k in range(n_out):
                y = tl.where(o == k, tl.sum(zbar * tl.load(w_out + k * REC + j)), y)
            if ACTIVITY:
                tl.store(spikes + (b * n_steps + t) * n_rec + j, z.to(tl.int8), mask=j < n_rec)
                tl.store(readout + (b * n_steps + t) * n_out + o, y, mask=o < n_out)
            else:
                if CLASSES:
                    largest = tl.max(tl.where(o < n_out, y, float("-inf")))
                    e = tl.where(o < n_out, tl.exp(y - largest), 0.0)
                    total = tl.sum(e)
                    target = (o == chosen).to(dtype)
                    error = e / total - target
                    loss += (largest + tl.log(total) - tl.sum(target * y)).to(tl.float64)
                else:
                    curve = tl.load(curves + o, mask=o < n_out, other=0.0)
                    curves += n_out
                    error = y - curve
                    loss += 0.5 * tl.sum(error * error).to(tl.float64)
                y_total += y.to(tl.float64)
                if GRADIENT:
                    tl.store(zbar_window + j, zbar, mask=j < n_pad)
                    tl.store(ell + o, error * scale, mask=o < n_out)
                    zbar_window += n_pad
                    ell += n_out

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
