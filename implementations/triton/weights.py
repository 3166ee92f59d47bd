"""Weights as the kernels read them, and their gradients as the optimizer does: one program per row."""

import triton
import triton.language as tl

from implementations.triton.bptt import place


@triton.jit(do_not_specialize=["n_in", "n_rec", "n_out"])
def prepare(
    w_in,  # (n_in, n_rec)
    w_rec,  # (n_rec, n_rec)
    w_out,  # (n_rec, n_out)
    feedback,  # (n_rec, n_out)
    rows,  # (32 (IN_WORDS + REC_WORDS), REC), out: W_in, then W_rec - theta I, over theta
    out_rows,  # (2, n_out, REC), out: W_out^T, F^T
    back,  # (REC, REC), out where BACK: (W_rec - theta I)^T, or W_rec^T where not RESET; `place`d ON_CHIP
    flags,  # (32 (IN_WORDS + REC_WORDS) + n_out,), out: 0, or NaN where a weight is beyond BOUND
    n_in, n_rec, n_out,
    BOUND: tl.constexpr, THETA: tl.constexpr, BACK: tl.constexpr, RESET: tl.constexpr, ON_CHIP: tl.constexpr,
    IN_WORDS: tl.constexpr, REC_WORDS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """Row `program_id(0)`; 0 beyond n_rec."""
    row = tl.program_id(0)
    j = tl.arange(0, REC)
    inside = j < n_rec
    k = row - 32 * IN_WORDS
    o = k - 32 * REC_WORDS
    here = j < tl.where(k < n_rec, n_rec, 0)
    weights = tl.zeros([REC], rows.dtype.element_ty)
    sent = tl.zeros([REC], rows.dtype.element_ty)
    if row < n_in:
        weights = tl.load(w_in + row * n_rec + j, mask=inside, other=0.0)
        tl.store(rows + row * REC + j, weights / THETA)
    if (k >= 0) & (k < 32 * REC_WORDS):
        weights = tl.load(w_rec + k * n_rec + j, mask=here, other=0.0)
        tl.store(rows + row * REC + j, weights / THETA - tl.where(j == k, 1.0, 0.0))
        if BACK:
            column = tl.load(w_rec + j * n_rec + k, mask=here, other=0.0)
            if RESET:
                column -= THETA * ((j == k) & inside).to(column.dtype)  # two constants alone would be float32
            if ON_CHIP:
                tl.store(back + place(k, j, REC), column)
            else:
                tl.store(back + k * REC + j, column)
    if o >= 0:
        weights = tl.load(w_out + j * n_out + o, mask=inside, other=0.0)
        tl.store(out_rows + o * REC + j, weights)
        sent = tl.load(feedback + j * n_out + o, mask=inside, other=0.0)
        tl.store(out_rows + (n_out + o) * REC + j, sent)
    # divergence.py: NaN is within no bound
    within = (tl.abs(weights) <= BOUND) & (tl.abs(sent) <= BOUND)
    tl.store(flags + row, tl.sum(tl.where(within, 0.0, float("nan"))))


@triton.jit(do_not_specialize=["n_parts", "n_in", "n_rec"])
def collect(
    parts,  # (n_parts, 32 (IN_WORDS + REC_WORDS), REC)
    rates,  # (32 (IN_WORDS + REC_WORDS), REC) sum of e, read where RATES
    c,  # (REC,), read where RATES
    d_in,  # (n_in, n_rec), out
    d_rec,  # (n_rec, n_rec), out
    n_parts, n_in, n_rec,
    RATES: tl.constexpr, PARTS: tl.constexpr,
    IN_WORDS: tl.constexpr, REC_WORDS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """Row `program_id(0)` of [W_in; W_rec], summed over parts, PARTS at a time, always in order."""
    row = tl.program_id(0)
    j = tl.arange(0, REC)
    k = row - n_in
    source = tl.where(k < 0, row, 32 * IN_WORDS + k) * REC + j
    SIZE: tl.constexpr = 32 * (IN_WORDS + REC_WORDS) * REC
    total = tl.zeros([REC], parts.dtype.element_ty)
    for begin in range(0, n_parts, PARTS):
        part = begin + tl.arange(0, PARTS)
        at = part[:, None].to(tl.int64) * SIZE + source[None, :]
        total += tl.sum(tl.load(parts + at, mask=(part < n_parts)[:, None], other=0.0), axis=0)
    if RATES:
        # the rates, and with them c, are known only after the last step
        total += tl.load(c + j) * tl.load(rates + source)
    if k < 0:
        tl.store(d_in + row * n_rec + j, total, mask=j < n_rec)
    else:
        tl.store(d_rec + k * n_rec + j, tl.where(j == k, 0.0, total), mask=j < n_rec)
