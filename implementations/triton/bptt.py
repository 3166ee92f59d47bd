"""BPTT: backward in time, one program per trial, (W_rec - theta I)^T in registers.

A step is a product of a vector with a matrix that never leaves the chip: 128 x 128 weights are 128 registers
of each of 128 threads. Tensor cores would need 16 trials per program: at batch 128 that is 8 programs, for
the 132 SMs of an H100.
"""

import triton
import triton.language as tl

from implementations.triton.per_neuron import signal


@triton.jit(do_not_specialize=["n_steps", "window", "n_out"])
def through_time(
    psi,  # (batch, n_steps, n_pad), in; lam_v, out
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC): F
    c,  # (REC,)
    beta,  # (REC,)
    back,  # (REC, REC): row k, column j is W_rec[j, k], less theta where k = j, or not where the reset is cut
    n_steps, window, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """lam_v of all steps of a trial."""
    dtype = psi.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, REC)
    inside = j < n_pad
    weights = tl.load(back + j[:, None] * REC + j[None, :])
    c_j = tl.load(c + j)
    beta_j = tl.load(beta + j)
    psi += b * n_steps * n_pad + j
    first = n_steps - window
    lam_a = tl.zeros([REC], dtype)
    lam_v = tl.zeros([REC], dtype)
    source = tl.zeros([REC], dtype)  # lbar[t] F^T
    slope = tl.load(psi + (n_steps - 1) * n_pad, mask=inside, other=0.0)
    for t in range(n_steps - 1, -1, -1):
        # asked for now, needed a step later
        following = tl.load(psi + (t - 1) * n_pad, mask=j < tl.where(t > 0, n_pad, 0), other=0.0)
        source = KAPPA * source
        if t >= first:
            at = ell + (b * window + t - first) * n_out
            source += (1.0 - KAPPA) * signal(at, feedback, j, n_out, REC)
        # dz[t] = lbar[t] F^T + c + lam_a[t+1] + lam_v[t+1] (W_rec - theta I)^T
        g = slope * (source + c_j + lam_a + tl.sum(weights * lam_v[:, None], axis=0))
        lam_a = RHO * lam_a - beta_j * g
        lam_v = ALPHA * lam_v + g
        tl.store(psi + t * n_pad, lam_v, mask=inside)
        slope = following


@triton.jit(do_not_specialize=["t", "n_batch", "n_steps", "window", "n_out"])
def step(
    psi,  # (batch, n_steps, n_pad), in at t; lam_v, out
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC): F
    c,  # (REC,)
    beta,  # (REC,)
    back,  # (REC, REC), as above
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
