"""Online e-prop: eligibility traces of PRE x BLOCK synapses of a trial in registers, carried forward.

A launch carries them over a chunk of steps, after a launch of `forward` over the same: between chunks they
are in memory, of which the whole needs an amount that does not grow with time. Every synapse takes 5
operations at every step, without a product that could be put off: 20 G of them for 140 x 100 synapses, 128
trials and 2250 steps.
"""

import triton
import triton.language as tl

from implementations.triton.per_neuron import signal


@triton.jit(do_not_specialize=["n_in", "n_steps", "start", "stop", "window", "n_out"])
def carry(
    psi,  # (batch, stop - start, n_pad)
    words,  # (batch, stop - start, WORDS) int32
    ell,  # (batch, window, n_out)
    feedback,  # (n_out, REC)
    beta,  # (REC,)
    eps_v,  # (batch, blocks of j, 32 WORDS), in and out: a copy for each program, none waits for another
    traces,  # (batch, 4, 32 WORDS, REC), in and out: eps_a, ebar / (1 - kappa), sum of e, sum of L ebar
    n_in, n_steps, start, stop, window, n_pad, n_out,
    ALPHA: tl.constexpr, RHO: tl.constexpr, KAPPA: tl.constexpr,
    IN_WORDS: tl.constexpr, WORDS: tl.constexpr, PRE: tl.constexpr, BLOCK: tl.constexpr, REC: tl.constexpr,
):  # fmt: skip
    """Steps start..stop-1, for as many blocks of PRE as `sizes.carry_grid` says: words have room for more."""
    dtype = psi.dtype.element_ty
    b = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    of_inputs = (n_in + PRE - 1) // PRE
    begin = tl.where(block < of_inputs, block * PRE, 32 * IN_WORDS + (block - of_inputs) * PRE)
    i = begin + tl.arange(0, PRE)
    j = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    inside = j < n_pad
    first = n_steps - window
    SIZE: tl.constexpr = 32 * WORDS * REC
    own = traces + b * 4 * SIZE + i[:, None] * REC + j[None, :]
    eps_v += (b * tl.num_programs(2) + tl.program_id(2)) * 32 * WORDS + i
    eps = tl.load(eps_v)
    eps_a = tl.load(own)
    ebar = tl.load(own + SIZE)
    rate_sum = tl.load(own + 2 * SIZE)
    task_sum = tl.load(own + 3 * SIZE)
    beta_j = tl.load(beta + j)
    psi += b * (stop - start) * n_pad + j
    words += b * (stop - start) * WORDS + i // 32
    slope = tl.load(psi, mask=inside, other=0.0)
    word = tl.load(words)
    for t in range(start, stop):
        # of the next step, asked for now
        psi += n_pad
        words += WORDS
        there = tl.where(t + 1 < stop, n_pad, 0)
        next_slope = tl.load(psi, mask=j < there, other=0.0)
        next_word = tl.load(words, mask=i * 0 < there, other=0)
        # eps_v[t], e[t], eps_a[t+1], ebar[t]
        eps = ALPHA * eps + ((word >> (i % 32)) & 1).to(dtype)
        e = slope[None, :] * (eps[:, None] - beta_j[None, :] * eps_a)
        eps_a = RHO * eps_a + e
        ebar = KAPPA * ebar + e
        rate_sum += e
        if t >= first:
            at = ell + (b * window + t - first) * n_out
            task_sum += ((1.0 - KAPPA) * signal(at, feedback, j, n_out, REC))[None, :] * ebar
        slope = next_slope
        word = next_word
    tl.store(eps_v, eps)
    tl.store(own, eps_a)
    tl.store(own + SIZE, ebar)
    tl.store(own + 2 * SIZE, rate_sum)
    tl.store(own + 3 * SIZE, task_sum)
