"""dW_in and dW_rec: products over trials and time of presynaptic bits with lam_v, on tensor cores.

float32 is computed as three products of tf32 ("tf32x3"), of which bits need but two; float64 as it is. Each
program sums up one part of the rows; the parts are added in order, so that a seed gives the same numbers.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["n_rows", "part_rows"])
def products(
    words,  # (n_rows, WORDS) int32, rows are (trial, step)
    lam_v,  # (n_rows, n_pad)
    parts,  # (n_parts, 32 WORDS, REC), out
    n_rows, part_rows, n_pad,
    WORDS: tl.constexpr, PRE: tl.constexpr, BLOCK: tl.constexpr, STEPS: tl.constexpr, REC: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """PRE presynaptic by BLOCK postsynaptic neurons, over `part_rows` rows."""
    dtype = lam_v.dtype.element_ty
    i = tl.program_id(0) * PRE + tl.arange(0, PRE)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    part = tl.program_id(2).to(tl.int64)
    begin = part * part_rows
    end = tl.minimum(begin + part_rows, n_rows)
    total = tl.zeros([PRE, BLOCK], dtype)
    for row in range(begin, end, STEPS):
        n = row + tl.arange(0, STEPS)
        # (PRE, STEPS) bits, (STEPS, BLOCK) lam_v
        word = tl.load(
            words + n[None, :] * WORDS + (i // 32)[:, None],
            mask=(n < end)[None, :] & (i < 32 * WORDS)[:, None],
            other=0,
        )
        bits = (word >> (i % 32)[:, None]) & 1
        rest = tl.load(
            lam_v + n[:, None] * n_pad + j[None, :], mask=(n < end)[:, None] & (j < n_pad)[None, :], other=0.0
        )
        total = tl.dot(bits.to(dtype), rest, total, input_precision=PRECISION, out_dtype=dtype)
    out = parts + (part * 32 * WORDS + i[:, None]) * REC + j[None, :]
    tl.store(out, total, mask=(i < 32 * WORDS)[:, None] & (j < REC)[None, :])
