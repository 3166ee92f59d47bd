# type: ignore  # what is inside a kernel has other types than Numba's stand-ins for Python show
"""Online e-prop: eligibility traces carried forward, memory that does not grow with the trial.

`dynamics.forward` runs a block of steps, then `carry` takes the traces over it: as on the CPU
(numba/cpu/online.py), one recursion back over the block for each sum, with a row addition per
spike, and the traces from before the block once per synapse. Two launches per block of steps.
"""

import numpy as np
from numba import cuda

from implementations.numba.card.compiled import Kernel


@Kernel
def carry(
    start, stop, first, x_bits, z_bits, psi, ell, feedback,
    alpha, rho, kappa, one, gain, beta, eps_v, eps_a, e_bar, eps_a_new, e_bar_new, task, rate,
):  # fmt: skip
    """Traces and gradients of the trials of a block, from before step `start` to after step `stop` - 1.

    Args:
        z_bits, psi: of these steps, as `forward` left them; row 0 of z_bits becomes that of the last step.
        eps_v: (batch, n_in + n_rec, 1) pre filtered by alpha; eps_a, e_bar (in units of 1 - kappa):
            (batch, n_in + n_rec, n_rec), the traces; `_new` likewise, 0 before and after.
        task, rate: (blocks, n_in + n_rec, n_rec) sums of L ebar and of e, added to.
    """
    j, n_rec = cuda.threadIdx.x, cuda.blockDim.x
    n_x_words, n_words = x_bits.shape[2], z_bits.shape[2]
    n_pre, n_out = task.shape[1], feedback.shape[1]
    n_in = n_pre - n_rec
    n_inputs_words = n_x_words + n_words
    zero = one - one
    my_beta, mine = beta[j], cuda.blockIdx.x
    for b in range(mine, x_bits.shape[0], cuda.gridDim.x):
        source, lam_a, lam_v = zero, zero, zero
        e_a, e_v, f_a, f_v, s_a, s_v = zero, zero, one, zero, zero, zero
        kappa_power, alpha_power = one, one
        for t in range(stop - 1, start - 1, -1):
            p = psi[b, t - start, j]
            # the error, filtered back: sum of L ebar
            if t >= first:
                for o in range(n_out):
                    source += gain * ell[b, t - first, o] * feedback[j, o]
            g = p * (source + lam_a)
            lam_v = alpha * lam_v + g
            lam_a = rho * lam_a - my_beta * g
            source *= kappa
            # ebar at the end of the block (e), eps_a there (f), sum of e (s)
            g = p * (kappa_power + e_a)
            e_v = alpha * e_v + g
            e_a = rho * e_a - my_beta * g
            g = p * f_a
            f_v = alpha * f_v + g
            f_a = rho * f_a - my_beta * g
            g = p * (one + s_a)
            s_v = alpha * s_v + g
            s_a = rho * s_a - my_beta * g
            for i in range(n_inputs_words):
                if i < n_x_words:
                    word, row = np.uint64(x_bits[b, t, i]), i * 32
                else:
                    word, row = np.uint64(z_bits[b, t - start, i - n_x_words]), n_in + (i - n_x_words) * 32
                while word != 0:
                    pre = row + cuda.ffs(word) - 1
                    cuda.atomic.add(task, (mine, pre, j), lam_v)
                    cuda.atomic.add(rate, (mine, pre, j), s_v)
                    cuda.atomic.add(e_bar_new, (b, pre, j), e_v)
                    cuda.atomic.add(eps_a_new, (b, pre, j), f_v)
                    word &= word - np.uint64(1)
            kappa_power *= kappa
            alpha_power *= alpha
        for i in range(n_pre):
            carried = alpha * eps_v[b, i, 0]
            before, filtered = eps_a[b, i, j], e_bar[b, i, j]
            task[mine, i, j] += carried * lam_v + lam_a * before + source * filtered
            rate[mine, i, j] += carried * s_v + s_a * before
            e_bar[b, i, j] = kappa_power * filtered + e_bar_new[b, i, j] + carried * e_v + e_a * before
            eps_a[b, i, j] = eps_a_new[b, i, j] + carried * f_v + f_a * before
            e_bar_new[b, i, j] = zero
            eps_a_new[b, i, j] = zero
        cuda.syncthreads()
        for i in range(j, n_pre, n_rec):
            total = zero
            for t in range(start, stop):
                if i < n_in:
                    word, bit = x_bits[b, t, i // 32], i % 32
                else:
                    word, bit = z_bits[b, t - start, (i - n_in) // 32], (i - n_in) % 32
                total = alpha * total
                if (np.uint64(word) >> np.uint64(bit)) & np.uint64(1):
                    total += one
            eps_v[b, i, 0] = alpha_power * eps_v[b, i, 0] + total
        cuda.syncthreads()
        if j < n_words:
            z_bits[b, 0, j] = z_bits[b, stop - start, j]
