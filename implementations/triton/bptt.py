"""BPTT: backward in time, one program per trial, (W_rec - theta I)^T in registers.

A step is a product of a vector with a matrix that never leaves the chip: 128 x 128 weights are 128 registers
of each of 128 threads. Tensor cores would need 16 trials per program: at batch 128 that is 8 programs, for
the 132 SMs of an H100.

Which thread has which weights decides what a step costs. With 4 columns and a quarter of the rows, a thread
reads its quarter of lam_v, which shared memory hands to 8 threads at once, and the quarters are added by two
shuffles: a step has three barriers. Triton's own choice for rows in order adds across warps, by shared memory
and with eight barriers; a column to a thread needs no addition, and reads four times as much of lam_v.
"""

import triton
import triton.language as tl

from implementations.triton.per_neuron import signal, slopes_of

_QUARTERS: tl.constexpr = tl.constexpr(4)  # of the rows k
_NEAR: tl.constexpr = tl.constexpr(32)  # columns j next to each other: 4 of each of 8 threads


@triton.jit
def place(k, j, REC: tl.constexpr):
    """Where the weight of row k and column j is in `back` as `through_time` reads it.

    [k within its quarter, j // 32, quarter, j % 32]: a thread reads 4 numbers at once, the threads of a warp
    and then its warps one after the other, so that this order is what each of them gets.
    """
    ROWS: tl.constexpr = REC // _QUARTERS
    of_quarter = (k % ROWS) * (REC // _NEAR) + j // _NEAR
    return (of_quarter * _QUARTERS + k // ROWS) * _NEAR + j % _NEAR


@triton.jit(do_not_specialize=["n_steps", "window", "n_out"])
def through_time(
    psi,  # (batch, n_steps, n_pad), in; lam_v, out
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC): F
    c,  # (REC,)
    beta,  # (REC,)
    back,  # (REC REC,): `place` of row k, column j has W_rec[j, k], less theta where k = j unless it is cut
    n_steps, window, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, STEPS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """lam_v of all steps of a trial; STEPS of psi are under way while as many before them are worked on."""
    dtype = psi.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, REC)
    weights = tl.load(back + tl.arange(0, REC * REC))
    weights = tl.reshape(weights, (REC // _QUARTERS, REC // _NEAR, _QUARTERS, _NEAR))
    weights = tl.reshape(tl.permute(weights, (2, 0, 1, 3)), (REC, REC))  # row k, column j
    c_j = tl.load(c + j)
    beta_j = tl.load(beta + j)
    psi += b * n_steps * n_pad + j
    first = n_steps - window
    lam_a = tl.zeros([REC], dtype)
    lam_v = tl.zeros([REC], dtype)
    source = tl.zeros([REC], dtype)  # lbar[t] F^T
    ell += (b * window - first) * n_out
    slopes = slopes_of(psi, n_steps - 1, 0, j, n_pad, STEPS)
    for last in range(n_steps - 1, -1, -STEPS):
        following = slopes_of(psi, last - STEPS, 0, j, n_pad, STEPS)
        for k in tl.static_range(STEPS):
            t = last - k
            source = KAPPA * source
            if t >= first:
                source += (1.0 - KAPPA) * signal(ell + t * n_out, feedback, j, n_out, REC)
            # dz[t] = lbar[t] F^T + c + lam_a[t+1] + lam_v[t+1] (W_rec - theta I)^T
            g = slopes[k] * (source + c_j + lam_a + tl.sum(weights * lam_v[:, None], axis=0))
            lam_a = RHO * lam_a - beta_j * g
            lam_v = ALPHA * lam_v + g
            tl.store(psi + t * n_pad, lam_v, mask=j < tl.where(t >= 0, n_pad, 0))
        slopes = following


@triton.jit(do_not_specialize=["t", "n_batch", "n_steps", "window", "n_out"])
def step(
    psi,  # (batch, n_steps, n_pad), in at t; lam_v, out
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC): F
    c,  # (REC,)
    beta,  # (REC,)
    back,  # (REC, REC): the same, row k, column j
    source,  # (batch, REC), in and out: lbar[t] F^T
    lam_a,  # (batch, REC), in and out
    t, n_batch, n_steps, window, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, PRECISION: tl.constexpr,
    TRIALS: tl.constexpr, BLOCK: tl.constexpr, INNER: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """One step of TRIALS x BLOCK neurons, for networks whose weights do not fit on chip."""
    dtype = psi.dtype.element_ty
    b = (tl.program_id(0) * TRIALS + tl.arange(0, TRIALS)).to(tl.int64)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = (b < n_batch)[:, None]
    inside = there & (j < n_pad)[None, :]
    limit = tl.where(t + 1 < n_steps, n_pad, 0)  # lam_v[T] is 0, and not there
    before = psi + b * n_steps * n_pad + t * n_pad  # psi[t], lam_v[t]
    # dz[t] = lbar[t] F^T + c + lam_a[t+1] + lam_v[t+1] (W_rec - theta I)^T
    dz = tl.zeros([TRIALS, BLOCK], dtype)
    for k in range(0, n_pad, INNER):
        i = k + tl.arange(0, INNER)
        lam_v = tl.load(
            (before + n_pad)[:, None] + i[None, :],
            mask=there & (i < limit)[None, :],
            other=0.0,
        )
        weights = tl.load(back + i[:, None] * REC + j[None, :], mask=(i < n_pad)[:, None], other=0.0)
        dz = tl.dot(lam_v, weights, dz, input_precision=PRECISION, out_dtype=dtype)
    state = b[:, None] * REC + j[None, :]
    sent = KAPPA * tl.load(source + state, mask=there, other=0.0)
    if t >= n_steps - window:
        at = ell + (b * window + t - (n_steps - window)) * n_out
        for o in range(n_out):
            error = tl.load(at + o, mask=b < n_batch, other=0.0)
            sent += (1.0 - KAPPA) * error[:, None] * tl.load(feedback + o * REC + j)[None, :]
    adaptation = tl.load(lam_a + state, mask=there, other=0.0)
    g = tl.load(before[:, None] + j[None, :], mask=inside, other=0.0)
    g *= sent + tl.load(c + j)[None, :] + adaptation + dz
    following = tl.load((before + n_pad)[:, None] + j[None, :], mask=there & (j < limit)[None, :], other=0.0)
    tl.store(source + state, sent, mask=there)
    tl.store(lam_a + state, RHO * adaptation - tl.load(beta + j)[None, :] * g, mask=there)
    tl.store(before[:, None] + j[None, :], ALPHA * following + g, mask=inside)
