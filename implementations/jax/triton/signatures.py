"""The kernels of implementations/triton with the arguments in jax-triton's order: inputs, outputs, constants.

What a kernel changes in place is an input and, as the same memory, an output (`input_output_aliases`).
Numbers that change within a program are arrays of one. Sizes are constants, as XLA compiles for each shape
anyway; where a kernel calculates with one as a tensor, it gets a tensor. Kernels that have this order already
are called as they are.
"""

import triton
import triton.language as tl

from implementations.triton import bptt, dynamics, loss, online, per_neuron


@triton.jit
def forward(
    x_words, rows, w_out, beta, classes, curves,
    losses, y_sum, counts, psi, pre_words, zbar_window, ell, spikes, readout,
    N_BATCH: tl.constexpr, N_STEPS: tl.constexpr, WINDOW: tl.constexpr,
    N_REC: tl.constexpr, N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, HEIGHT: tl.constexpr,
    SILENT_STEPS: tl.constexpr, CLASSES: tl.constexpr, GRADIENT: tl.constexpr, ACTIVITY: tl.constexpr,
    IN_WORDS: tl.constexpr, REC_WORDS: tl.constexpr, REC: tl.constexpr, OUT: tl.constexpr,
    TOGETHER: tl.constexpr,
):  # fmt: skip
    """All steps of `dynamics.forward`."""
    dynamics.forward(
        x_words, rows, w_out, beta, classes, curves, counts,
        losses, y_sum, counts, psi, pre_words, zbar_window, ell, spikes, readout,
        tl.full([], N_BATCH, tl.int32), N_STEPS, 0, N_STEPS, WINDOW, N_REC, N_PAD, N_OUT,
        ALPHA, RHO, KAPPA, HEIGHT, SILENT_STEPS, CLASSES, GRADIENT, ACTIVITY, False,
        IN_WORDS, REC_WORDS, REC, OUT, TOGETHER,
    )  # fmt: skip


@triton.jit
def resume(
    start, x_words, rows, w_out, beta, classes, curves,
    state_before, losses_before, y_sum_before, zbar_before, ell_before,
    state, losses, y_sum, zbar_window, ell, counts, psi, pre_words,
    N_BATCH: tl.constexpr, N_STEPS: tl.constexpr, CHUNK: tl.constexpr, WINDOW: tl.constexpr,
    N_REC: tl.constexpr, N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, HEIGHT: tl.constexpr,
    SILENT_STEPS: tl.constexpr, CLASSES: tl.constexpr,
    IN_WORDS: tl.constexpr, REC_WORDS: tl.constexpr, REC: tl.constexpr, OUT: tl.constexpr,
    TOGETHER: tl.constexpr,
):  # fmt: skip
    """Up to CHUNK steps of it, from start[0] on; `_before` are the inputs of what is changed in place."""
    begin = tl.load(start)
    dynamics.forward(
        x_words, rows, w_out, beta, classes, curves, state,
        losses, y_sum, counts, psi, pre_words, zbar_window, ell, counts, ell,
        tl.full([], N_BATCH, tl.int32), N_STEPS, begin, tl.minimum(begin + CHUNK, N_STEPS), WINDOW,
        N_REC, N_PAD, N_OUT,
        ALPHA, RHO, KAPPA, HEIGHT, SILENT_STEPS, CLASSES, True, False, True,
        IN_WORDS, REC_WORDS, REC, OUT, TOGETHER,
    )  # fmt: skip


@triton.jit
def evaluate(
    counts, losses, y_sum, classes, flags,
    c, figures,
    N_BATCH: tl.constexpr, N_STEPS: tl.constexpr, WINDOW: tl.constexpr,
    N_REC: tl.constexpr, N_OUT: tl.constexpr, N_FLAGS: tl.constexpr, BOUND: tl.constexpr,
    DT_MS: tl.constexpr, RATE_TARGET: tl.constexpr, RATE_COST: tl.constexpr, CLASSES: tl.constexpr,
    TRIALS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """`loss.evaluate`."""
    loss.evaluate(
        counts, losses, y_sum, classes, flags, c, figures,
        tl.full([], N_BATCH, tl.int32), N_STEPS, WINDOW, N_REC, N_OUT, N_FLAGS, BOUND,
        DT_MS, RATE_TARGET, RATE_COST, CLASSES, TRIALS, REC,
    )  # fmt: skip


@triton.jit
def adjoint(
    ell, feedback, c, beta, psi,
    lam_v,
    N_STEPS: tl.constexpr, WINDOW: tl.constexpr, N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr,
    STEPS: tl.constexpr, BLOCK: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """`per_neuron.adjoint`; psi is changed in place."""
    per_neuron.adjoint(
        lam_v, ell, feedback, c, beta, N_STEPS, WINDOW, N_PAD, N_OUT, ALPHA, RHO, KAPPA, STEPS, BLOCK, REC
    )


@triton.jit
def through_time(
    ell, feedback, c, beta, back, psi,
    lam_v,
    N_STEPS: tl.constexpr, WINDOW: tl.constexpr, N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, STEPS: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """`bptt.through_time`; psi is changed in place."""
    bptt.through_time(
        lam_v, ell, feedback, c, beta, back, N_STEPS, WINDOW, N_PAD, N_OUT, ALPHA, RHO, KAPPA, STEPS, REC
    )


@triton.jit
def step(
    at, ell, feedback, c, beta, back, psi, source_before, lam_a_before,
    lam_v, source, lam_a,
    N_BATCH: tl.constexpr, N_STEPS: tl.constexpr, WINDOW: tl.constexpr,
    N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr, PRECISION: tl.constexpr,
    TRIALS: tl.constexpr, BLOCK: tl.constexpr, INNER: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """Step at[0] of `bptt.step`; psi, source and lam_a are changed in place."""
    bptt.step(
        lam_v, ell, feedback, c, beta, back, source, lam_a,
        tl.load(at), N_BATCH, N_STEPS, WINDOW, N_PAD, N_OUT,
        ALPHA, RHO, KAPPA, PRECISION, TRIALS, BLOCK, INNER, REC,
    )  # fmt: skip


@triton.jit
def carry(
    start, psi, words, ell, feedback, beta, eps_v_before, traces_before,
    eps_v, traces,
    N_IN: tl.constexpr, N_STEPS: tl.constexpr, CHUNK: tl.constexpr, WINDOW: tl.constexpr,
    N_PAD: tl.constexpr, N_OUT: tl.constexpr,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr,
    IN_WORDS: tl.constexpr, WORDS: tl.constexpr, PRE: tl.constexpr, BLOCK: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """Up to CHUNK steps of `online.carry`, from start[0] on; eps_v and traces are changed in place."""
    begin = tl.load(start)
    online.carry(
        psi, words, ell, feedback, beta, eps_v, traces,
        N_IN, N_STEPS, begin, tl.minimum(begin + CHUNK, N_STEPS), WINDOW, N_PAD, N_OUT,
        ALPHA, RHO, KAPPA, IN_WORDS, WORDS, PRE, BLOCK, REC,
    )  # fmt: skip
