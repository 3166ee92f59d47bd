# type: ignore  # what is inside a kernel has other types than Numba's stand-ins for Python show
"""The way back over a stored trial: per neuron in e-prop, with the recurrent weights in BPTT.

Thread j owns column j of the gradient. Where neuron or input i spikes it adds lam_v_j to row i of its block's
own part, as an atomic whose result nobody waits for: no two threads share a cell, so that the order is the
program's and the same seed gives the same bits. sums.py adds up the parts.
"""

import numpy as np
from numba import cuda, uint32

from implementations.network import Network
from implementations.numba.card.compiled import Kernel
from implementations.numba.card.dynamics import words


def shared_bytes(network: Network, dtype: np.dtype, n_stage: int) -> int:
    """Dynamic shared memory of `backward`: two lam_v, psi and bit masks of `n_stage` steps."""
    reals = (2 + n_stage) * network.n_rec * dtype.itemsize
    return reals + 4 * n_stage * (words(network.n_in) + words(network.n_rec))


@Kernel
def backward(
    n_stage, recurrent, first, x_bits, z_bits, psi, ell, w_back, feedback, c,
    alpha, rho, kappa, gain, beta, gradient,
):  # fmt: skip
    """Gradients of W_in and W_rec, summed over the trials of a block: blockIdx.x, + gridDim.x, ...

    Args:
        n_stage: steps brought to shared memory at once.
        recurrent: 1 for BPTT, 0 for e-prop.
        w_back: (n_rec, n_rec) W_rec^T, for BPTT with the reset's -theta on its diagonal, else 0 there.
        feedback: (n_rec, n_out) F; c: (n_rec,) derivative of the rate cost by a spike.
        gain: (1 - kappa) / (batch * window), which `ell` has to be multiplied with.
        gradient: (blocks, n_in + n_rec, n_rec) out, all 0 before.
    """
    j, n_rec = cuda.threadIdx.x, cuda.blockDim.x
    n_steps, n_x_words, n_words = x_bits.shape[1], x_bits.shape[2], z_bits.shape[2]
    n_in, n_out = gradient.shape[1] - n_rec, feedback.shape[1]
    reals = cuda.shared.array(0, psi.dtype)  # lam_v twice, psi of a stage
    bits = cuda.shared.array(0, uint32)
    x_at = (2 + n_stage) * n_rec * (psi.itemsize // 4)
    z_at = x_at + n_stage * n_x_words
    zero = alpha - alpha
    my_beta, my_c = beta[j], c[j]
    part = gradient[cuda.blockIdx.x]
    for b in range(cuda.blockIdx.x, x_bits.shape[0], cuda.gridDim.x):
        source, lam_a, lam_v = zero, zero, zero
        for high in range(n_steps, 0, -n_stage):
            low = max(0, high - n_stage)
            cuda.syncthreads()
            for i in range(j, (high - low) * n_x_words, n_rec):
                bits[x_at + i] = x_bits[b, low + i // n_x_words, i % n_x_words]
            for i in range(j, (high - low) * n_words, n_rec):
                bits[z_at + i] = z_bits[b, low + i // n_words, i % n_words]  # row t is of step t - 1
            for k in range(high - low):
                reals[(2 + k) * n_rec + j] = psi[b, low + k, j]
            cuda.syncthreads()
            for t in range(high - 1, low - 1, -1):
                source *= kappa
                if t >= first:
                    for o in range(n_out):
                        source += gain * ell[b, t - first, o] * feedback[j, o]
                dz = source + my_c + lam_a
                if recurrent:
                    # lam_v[t+1] goes to all threads; of two copies one is read while the other is written
                    copy = (t & 1) * n_rec
                    reals[copy + j] = lam_v
                    cuda.syncthreads()
                    # four sums: one chain of additions would wait for itself
                    d0, d1, d2, d3 = zero, zero, zero, zero
                    whole = n_rec - n_rec % 4
                    for m in range(0, whole, 4):
                        d0 += reals[copy + m] * w_back[m, j]
                        d1 += reals[copy + m + 1] * w_back[m + 1, j]
                        d2 += reals[copy + m + 2] * w_back[m + 2, j]
                        d3 += reals[copy + m + 3] * w_back[m + 3, j]
                    for m in range(whole, n_rec):
                        d0 += reals[copy + m] * w_back[m, j]
                    dz += (d0 + d1) + (d2 + d3)
                g = reals[(2 + t - low) * n_rec + j] * dz
                lam_a = rho * lam_a - my_beta * g
                lam_v = alpha * lam_v + g
                for i in range(n_x_words):
                    word = np.uint64(bits[x_at + (t - low) * n_x_words + i])
                    while word != 0:
                        cuda.atomic.add(part, (i * 32 + cuda.ffs(word) - 1, j), lam_v)
                        word &= word - np.uint64(1)
                for i in range(n_words):
                    word = np.uint64(bits[z_at + (t - low) * n_words + i])
                    while word != 0:
                        cuda.atomic.add(part, (n_in + i * 32 + cuda.ffs(word) - 1, j), lam_v)
                        word &= word - np.uint64(1)
