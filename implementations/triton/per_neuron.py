"""The backward recursion of each neuron by itself: adjoint e-prop, a program per trial and block of neurons.

psi is read and lam_v written in its place, once each, which is all that takes time: 2 x 115 MB at batch 128,
2250 steps and 100 neurons. What is asked for comes some 700 cycles later: STEPS of psi are under way while as
many before them are worked on.
"""
# pyright: reportGeneralTypeIssues=false
# static_range is for Triton's compiler, which unrolls it

import triton
import triton.language as tl


@triton.jit
def signal(ell, feedback, j, n_out, REC: tl.constexpr):
    """(ell[t] F^T)_j of one step; feedback is (n_out, REC)."""
    total = tl.load(ell) * tl.load(feedback + j)
    for k in range(1, n_out):
        total += tl.load(ell + k) * tl.load(feedback + k * REC + j)
    return total


@triton.jit
def slopes_of(psi, last, first, j, n_pad, STEPS: tl.constexpr):
    """psi of the steps last, last - 1, ...: STEPS of them, 0 for those before `first`."""
    found = ()
    for k in tl.static_range(STEPS):
        there = j < tl.where(last - k >= first, n_pad, 0)
        found = found + (tl.load(psi + (last - k) * n_pad, mask=there, other=0.0),)  # noqa: RUF005
    return found


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
    # there each step has a loop over outputs, and a copy of it for each of these
    IN_WINDOW: tl.constexpr = tl.constexpr(8)
    b = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = j < n_pad
    c_j = tl.load(c + j, mask=inside, other=0.0)
    beta_j = tl.load(beta + j, mask=inside, other=0.0)
    psi += b * n_steps * n_pad + j
    first = n_steps - window
    ell += (b * window - first) * n_out
    lam_a = tl.zeros([BLOCK], dtype)
    lam_v = tl.zeros([BLOCK], dtype)
    source = tl.zeros([BLOCK], dtype)  # lbar[t] F^T
    for last in range(n_steps - 1, first - 1, -IN_WINDOW):
        slopes = slopes_of(psi, last, first, j, n_pad, IN_WINDOW)
        for k in tl.static_range(IN_WINDOW):
            if last - k >= first:
                sent = signal(ell + (last - k) * n_out, feedback, j, n_out, REC)
                source = KAPPA * source + (1.0 - KAPPA) * sent
                g = slopes[k] * (source + c_j + lam_a)
                lam_a = RHO * lam_a - beta_j * g
                lam_v = ALPHA * lam_v + g
                tl.store(psi + (last - k) * n_pad, lam_v, mask=inside)
    slopes = slopes_of(psi, first - 1, 0, j, n_pad, STEPS)
    for last in range(first - 1, -1, -STEPS):
        following = slopes_of(psi, last - STEPS, 0, j, n_pad, STEPS)
        for k in tl.static_range(STEPS):
            source = KAPPA * source
            g = slopes[k] * (source + c_j + lam_a)
            lam_a = RHO * lam_a - beta_j * g
            lam_v = ALPHA * lam_v + g
            tl.store(psi + (last - k) * n_pad, lam_v, mask=j < tl.where(last >= k, n_pad, 0))
        slopes = following
