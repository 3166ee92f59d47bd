"""dW_in and dW_rec: products over trials and time of presynaptic bits with lam_v, on tensor cores.

bfloat16 has 8 bits of mantissa, enough for bits, and three of them have the 24 of a float32: where SPLIT,
float32 is computed as three products of bfloat16, each at twice the rate of tf32, which would also need lam_v
turned around in shared memory: tensor cores read it in one order alone. float64 is computed as it is. Each
program sums up one part of the rows; the parts are added in order, so that a seed gives the same numbers.
"""

import triton
import triton.language as tl
from triton import knobs

_INTERPRETED: tl.constexpr = tl.constexpr(knobs.runtime.interpret)


@triton.jit
def short_dot(bits, short, total):
    """`total` + bits short, of bfloat16."""
    if _INTERPRETED:  # the interpreter's product takes a bfloat16 for the whole number that stands for it
        bits = bits.to(tl.float32)
        short = short.to(tl.float32)
    return tl.dot(bits, short, total)


@triton.jit(do_not_specialize=["n_rows", "part_rows"])
def products(
    words,  # (n_rows, WORDS) int32, rows are (trial, step)
    lam_v,  # (n_rows, n_pad)
    parts,  # (n_parts, 32 WORDS, REC), out
    n_rows, part_rows, n_pad,
    WORDS: tl.constexpr, PRE: tl.constexpr, BLOCK: tl.constexpr, STEPS: tl.constexpr, REC: tl.constexpr,
    SPLIT: tl.constexpr,
):  # fmt: skip
    """PRE presynaptic by BLOCK postsynaptic neurons, over `part_rows` rows."""
    dtype = lam_v.dtype.element_ty
    i = tl.program_id(0) * PRE + tl.arange(0, PRE)
    w = tl.program_id(0) * (PRE // 32) + tl.arange(0, PRE // 32)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    part = tl.program_id(2).to(tl.int64)
    begin = part * part_rows
    end = tl.minimum(begin + part_rows, n_rows)
    total = tl.zeros([PRE, BLOCK], dtype)
    for row in range(begin, end, STEPS):
        n = row + tl.arange(0, STEPS)
        # (PRE, STEPS) bits, of words that are read once for 32 of them; (STEPS, BLOCK) lam_v
        word = tl.load(
            words + n[None, :] * WORDS + w[:, None], mask=(n < end)[None, :] & (w < WORDS)[:, None], other=0
        )
        word = tl.reshape(tl.broadcast_to(word[:, None, :], (PRE // 32, 32, STEPS)), (PRE, STEPS))
        bits = ((word >> (i % 32)[:, None]) & 1).to(dtype)
        rest = tl.load(
            lam_v + n[:, None] * n_pad + j[None, :], mask=(n < end)[:, None] & (j < n_pad)[None, :], other=0.0
        )
        if SPLIT:
            short_bits = bits.to(tl.bfloat16)
            for _ in tl.static_range(3):
                short = rest.to(tl.bfloat16)
                total = short_dot(short_bits, short, total)
                rest -= short.to(dtype)
        else:
            total = tl.dot(bits, rest, total, input_precision="ieee", out_dtype=dtype)
    out = parts + (part * 32 * WORDS + i[:, None]) * REC + j[None, :]
    tl.store(out, total, mask=(i < 32 * WORDS)[:, None] & (j < REC)[None, :])
