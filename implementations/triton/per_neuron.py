"""The backward recursion of each neuron by itself: adjoint e-prop, a program per trial and block of neurons.

psi is read and lam_v written in its place, once each, which is all that takes time: 2 x 115 MB at batch 128,
2250 steps and 100 neurons. STEPS of them are asked for before the first is needed.
"""

import triton
import triton.language as tl


@triton.jit
def signal(ell, feedback, j, n_out, REC: tl.constexpr):
    """(ell[t] F^T)_j of one step; feedback is (n_out, REC)."""
    total = tl.load(ell) * tl.load(feedback + j)
    for k in range(1, n_out):
        total += tl.load(ell + k) * tl.load(feedback + k * REC + j)
    return total


@triton.jit(do_not_specialize=["n_steps", "window", "n_out"])
def adjoint(
    psi,  # (batch, n_steps, n_pad), in; lam_v, out
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC)
    c,  # (REC,)
    beta,  # (REC,)
    n_steps, window, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr,
    STEPS: tl.constexpr, BLOCK: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """lam_v of all steps, for BLOCK neurons of a trial."""
    dtype = psi.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = j < n_pad
    c_j = tl.load(c + j, mask=inside, other=0.0)
    beta_j = tl.load(beta + j, mask=inside, other=0.0)
    psi += b * n_steps * n_pad + j
    first = n_steps - window
    lam_a = tl.zeros([BLOCK], dtype)
    lam_v = tl.zeros([BLOCK], dtype)
    source = tl.zeros([BLOCK], dtype)  # lbar[t] F^T
    for t in range(n_steps - 1, first - 1, -1):
        here = psi + t * n_pad
        at = ell + (b * window + t - first) * n_out
        source = KAPPA * source + (1.0 - KAPPA) * signal(at, feedback, j, n_out, REC)
        g = tl.load(here, mask=inside, other=0.0) * (source + c_j + lam_a)
        lam_a = RHO * lam_a - beta_j * g
        lam_v = ALPHA * lam_v + g
        tl.store(here, lam_v, mask=inside)
    for last in range(first - 1, -1, -STEPS):
        slopes = ()
        for k in tl.static_range(STEPS):
            there = j < tl.where(last >= k, n_pad, 0)
            slopes = slopes + (tl.load(psi + (last - k) * n_pad, mask=there, other=0.0),)  # noqa: RUF005
        for k in tl.static_range(STEPS):
            source = KAPPA * source
            g = slopes[k] * (source + c_j + lam_a)
            lam_a = RHO * lam_a - beta_j * g
            lam_v = ALPHA * lam_v + g
            tl.store(psi + (last - k) * n_pad, lam_v, mask=j < tl.where(last >= k, n_pad, 0))
