# type: ignore  # what is inside a kernel has other types than Numba's stand-ins for Python show
"""The forward pass: block = trial, thread = neuron, the time loop inside the kernel.

    here          README.md      unit or scaling
    v             v[t]           over theta; after step t it is alpha v[t], and rows of weights are added
    a             a[t]           as there; after step t it is rho a[t], and z[t] is added
    u             u[t]           as there
    beta          beta           over theta
    w             W_in, W_rec    [W_in; W_rec - theta I] over theta: the reset is a weight
    wake          refractory     the first step at which a neuron may spike again: n_ref after a spike
    height        dampening      over theta
    z_bits, mask  z[t]           a bit per neuron
    zbar, y       zbar[t], y[t]  as there

The state of a neuron stays in its thread's registers. Spikes go once a step through a bit mask in shared
memory, of which there are three in turns: that of the step before is read while this step's is written and
the next one's cleared, so that one barrier a step is enough. A spike adds one row of the weights, each
thread its own column: 1 to 2 coalesced reads a step instead of a product. Weights are not copied to shared
memory: those of up to 200 neurons stay in the L1 cache, which is the same memory with the same bandwidth, and
larger ones come from L2. So the hardware chooses the place, at any size, and no kernel comes in two editions.
"""

import math

import numpy as np
from numba import cuda, uint32

from implementations import checks
from implementations.network import Network
from implementations.numba.card.compiled import Kernel

MOST_NEURONS = 1024  # threads of a block
WORD = 32  # spikes of a bit mask's word
_MASKS = 3
_SHARED_BYTES = 48 * 1024  # that every launch may have


def words(n: int) -> int:
    """Words of a bit mask over n neurons."""
    return -(-n // WORD)


def stage_steps(network: Network, dtype: np.dtype, most: int) -> int:
    """Steps whose psi and spikes wait in shared memory beside two lam_v: as many as fit, at most so many."""
    real_bytes = network.n_rec * dtype.itemsize
    step_bytes = real_bytes + 4 * (words(network.n_in) + words(network.n_rec))
    return max(1, min(most, (_SHARED_BYTES - 2 * real_bytes) // step_bytes))


def check_size(network: Network) -> None:
    """Fail where a trial doesn't fit a block."""
    if network.n_rec > MOST_NEURONS:
        checks.fail(
            "n_regular + n_adaptive", network.n_rec, f"at most {MOST_NEURONS} on the device: one thread each"
        )


def from_bits(bits: np.ndarray, n: int) -> np.ndarray:
    """(batch, time, n) bool of (batch, time, words) uint32: neuron i is bit i % 32 of word i // 32."""
    return np.unpackbits(bits.view(np.uint8), axis=2, count=n, bitorder="little").astype(bool)


@Kernel
def forward(
    start, stop, first, x_bits, w, w_out, classes, curves,
    alpha, rho, kappa, one, height, refractory_steps, beta,
    state, wake, z_bits, psi, zbar_rows, y, ell, losses, counts,
):  # fmt: skip
    """Steps `start` to `stop` - 1 of trial blockIdx.x, then readout and loss of those from `first` on.

    Args:
        x_bits: (batch, T, words) inputs.
        w: (n_in + n_rec, n_rec) [W_in; W_rec - theta I] in units of the threshold.
        w_out: (n_rec, n_out).
        classes: (batch,) targets of cross-entropy; curves: (batch, window, n_out) of squared error. One or
            both are empty.
        one: 1 in the dtype, without which Numba would compute in float64.
        state: (3, batch, n_rec) v, a and zbar, wake (batch, n_rec): before `start`, then after `stop` - 1.
        z_bits: (batch, 1 + steps, words) row 0 is of the step before `start`; of steps = 1, all steps use it.
        psi: (batch, steps, n_rec) out; nothing is kept where steps = 0.
        zbar_rows: (batch, steps of the window, n_rec) out.
        y, ell: (batch, window, n_out) out, readout and the derivative of a trial's loss by it.
        losses: (batch, window) out; counts: (batch, n_rec) spikes, added to.
    """
    b, j, n_rec = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    n_words, n_x_words = z_bits.shape[2], x_bits.shape[2]
    n_in, n_out = w.shape[0] - n_rec, w_out.shape[1]
    mask = cuda.shared.array(0, uint32)  # three masks of recurrent spikes, then inputs of 32 steps
    staged = 3 * n_words
    zero = one - one
    v, a, zbar = state[0, b, j], state[1, b, j], state[2, b, j]
    my_wake, count, my_beta = wake[b, j], 0, beta[j]
    my_word, my_bit = j // 32, np.uint32(1 << (j % 32))
    keep = z_bits.shape[1] > 2
    kept_from = max(first, start)
    before, now, after = 0, n_words, 2 * n_words
    if j < n_words:
        mask[before + j] = z_bits[b, 0, j]
        mask[now + j] = np.uint32(0)
    for t in range(start, stop):
        k = (t - start) % 32
        if k == 0:
            cuda.syncthreads()
            for i in range(j, min(32, stop - t) * n_x_words, n_rec):
                mask[staged + i] = x_bits[b, t + i // n_x_words, i % n_x_words]
            cuda.syncthreads()
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + x[t] W_in + z[t-1] W_rec - theta z[t-1]
        if mask[before + my_word] & my_bit:
            a += one
        for i in range(n_x_words):
            word = np.uint64(mask[staged + k * n_x_words + i])
            while word != 0:
                v += w[i * 32 + cuda.ffs(word) - 1, j]
                word &= word - np.uint64(1)
        for i in range(n_words):
            word = np.uint64(mask[before + i])
            while word != 0:
                v += w[n_in + i * 32 + cuda.ffs(word) - 1, j]
                word &= word - np.uint64(1)
        u = v - (one + my_beta * a)
        awake = t >= my_wake
        slope = one - abs(u)
        if psi.shape[1] > 0:
            psi[b, t - start, j] = height * slope if awake and slope > zero else zero
        zbar = kappa * zbar
        if awake and u > zero:
            cuda.atomic.or_(mask, now + my_word, my_bit)
            zbar += one - kappa
            my_wake = t + refractory_steps
            count += 1
        if t >= first:
            zbar_rows[b, t - kept_from, j] = zbar
        v *= alpha
        a *= rho
        if j < n_words:
            mask[after + j] = np.uint32(0)
        cuda.syncthreads()
        if keep and j < n_words:
            z_bits[b, t - start + 1, j] = mask[now + j]
        before, now, after = now, after, before
    state[0, b, j], state[1, b, j], state[2, b, j] = v, a, zbar
    wake[b, j] = my_wake
    counts[b, j] += count
    if not keep and j < n_words:
        z_bits[b, 0, j] = mask[before + j]

    # y[t] = zbar[t] W_out, by all threads; the barrier above made zbar_rows visible
    n_kept = stop - kept_from
    for i in range(j, n_kept * n_out, n_rec):
        t, o = i // n_out, i % n_out
        total = zero
        for m in range(n_rec):
            total += zbar_rows[b, t, m] * w_out[m, o]
        y[b, kept_from - first + t, o] = total
    cuda.syncthreads()
    for i in range(j, n_kept, n_rec):
        t = kept_from - first + i
        if classes.shape[0] > 0:
            top = y[b, t, 0]
            for o in range(1, n_out):
                top = max(top, y[b, t, o])
            total = zero
            for o in range(n_out):
                p = math.exp(y[b, t, o] - top)
                ell[b, t, o] = p
                total += p
            losses[b, t] = math.log(total) + top - y[b, t, classes[b]]
            for o in range(n_out):
                ell[b, t, o] /= total
            ell[b, t, classes[b]] -= one
        elif curves.shape[0] > 0:
            loss = 0.0
            for o in range(n_out):
                error = y[b, t, o] - curves[b, t, o]
                ell[b, t, o] = error
                loss += 0.5 * error * error
            losses[b, t] = loss


def shared_bytes(network: Network) -> int:
    """Dynamic shared memory of `forward`."""
    return 4 * (_MASKS * words(network.n_rec) + 32 * words(network.n_in))
