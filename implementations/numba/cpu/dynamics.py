"""The forward pass of one trial, event-driven: inlined into every kernel.

    here         README.md    unit or scaling
    v            v[t]         over theta; after step t it is alpha v[t], and rows of weights are added
    a            a[t]         as there; after step t it is a[t+1]
    u            u[t]         as there
    beta         beta         over theta (`beta_threshold` in other files: as there)
    w_in, w_rec  W_in, W_rec  W_in/theta and W_rec/theta - I: the reset is a weight
    wake         refractory   the first step at which a neuron may spike again: n_ref after a spike
    height       dampening    over theta
    z, marks     z[t]         a byte per neuron, and a bit per neuron
    w_out        W_out        times (1-kappa): z[t] W_out is filtered instead of z[t]

Arrays over neurons are padded to a multiple of `LANES` with neurons that never spike, so that the neuron
loop is whole SIMD vectors. A step adds one row of weights for each spike that arrives, of which
there are one or two, instead of multiplying matrices.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import prange

from implementations.network import Network
from implementations.numba.cpu.compiled import called, inlined, kernel
from implementations.numba.cpu.vectors import (
    LANES,
    NOTHING,
    ONE,
    WORD,
    add_row,
    alone,
    lowest,
    mark,
    unmarked,
)

LINE = 64  # bytes of a cache line
FOREVER = 2**30  # steps; what the 32-bit step at which a neuron wakes up can still hold
BLOCK = 128  # steps between carries where nothing may grow with the length of a trial


class Weights(NamedTuple):
    """What `advance` needs of the weights.

    Attributes:
        w_in: (n_in, n_pad) and w_rec (n_rec, n_pad) in units of the threshold; w_rec has the reset on its
            diagonal, so that a spike's row does both.
        w_out: (n_rec, n_out), includes the readout's (1 - kappa).
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray

    @classmethod
    def of(cls, network: Network, weights: Mapping[str, np.ndarray], dtype: np.dtype) -> "Weights":
        """From those of a learner."""
        w_rec = weights["w_rec"] / network.threshold - np.eye(network.n_rec)
        return cls(
            pad(weights["w_in"] / network.threshold, dtype),
            pad(w_rec, dtype),
            np.ascontiguousarray((1.0 - network.kappa) * weights["w_out"], dtype),
        )


class Constants(NamedTuple):
    """What `advance` needs of the neurons, scaled as above: scalars in the dtype, beta (n_pad,)."""

    alpha: np.floating
    rho: np.floating
    kappa: np.floating
    beta: np.ndarray
    height: np.floating
    refractory_steps: int

    @classmethod
    def of(cls, network: Network, dtype: np.dtype) -> "Constants":
        """Those of a network."""
        scalar = dtype.type
        return cls(
            scalar(network.alpha),
            scalar(network.rho),
            scalar(network.kappa),
            pad(network.beta / network.threshold, dtype),
            scalar(network.dampening / network.threshold),
            min(network.refractory_steps, FOREVER),
        )


def padded(n_rec: int) -> int:
    """`n_rec` rounded up to whole vectors."""
    return -(-n_rec // LANES) * LANES


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that starts at a cache line, so that no 512-bit access straddles two."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + LINE, np.uint8)
    skip = -raw.ctypes.data % LINE
    return raw[skip : skip + size].view(dtype).reshape(shape)


def pad(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`array` in `dtype`, contiguous, its last axis (over neurons) padded with 0."""
    wide = empty((*array.shape[:-1], padded(array.shape[-1])), dtype)
    wide[..., array.shape[-1] :] = 0
    wide[..., : array.shape[-1]] = array
    return wide


@called
def _aligned(n, like):
    """As `aligned`, but LLVM doesn't know that it is alone."""
    raw = np.zeros(n + 2 * LINE // like.itemsize, like.dtype)
    skip = (-raw.ctypes.data % LINE) // like.itemsize
    return raw[skip : skip + n]


@inlined
def aligned(n, like):
    """(n,) zeros in the dtype of `like` that start at a cache line.

    Otherwise every 512-bit access straddles two lines, and the state of two threads may share one.
    """
    return alone(_aligned(n, like))


@inlined
def neurons(v, a, wake, beta, alpha, rho, height, t, psi, z):
    """All neurons, one step: from v[t], a[t] to psi[t], z[t]; leaves alpha v[t] and rho a[t].

    A neuron is silent before step `wake`. Shapes (n_pad,); the only loop that runs over all neurons.
    """
    one = v.dtype.type(1)
    zero = v.dtype.type(0)
    for j in range(v.shape[0]):
        u = v[j] - (one + beta[j] * a[j])
        awake = t >= wake[j]
        slope = one - abs(u)
        slope = height * slope if slope > zero else zero
        psi[j] = slope if awake else zero
        z[j] = (u > zero) and awake
        v[j] = alpha * v[j]
        a[j] = rho * a[j]


@inlined
def slopes(v, a, wake, beta, alpha, rho, height, t, psi):
    """As `neurons`, where it is known who spikes."""
    one = v.dtype.type(1)
    zero = v.dtype.type(0)
    for j in range(v.shape[0]):
        slope = one - abs(v[j] - (one + beta[j] * a[j]))
        slope = height * slope if slope > zero else zero
        psi[j] = slope if t >= wake[j] else zero
        v[j] = alpha * v[j]
        a[j] = rho * a[j]


@inlined
def fire(marks, wake_up, wake, a, spikes, n):
    """Lists the marked neurons from spikes[n] on, and sets their state; returns where the list ends."""
    one = a.dtype.type(1)
    for w in range(marks.shape[0]):
        word = marks[w]
        while word != NOTHING:
            # looking at the bytes one by one costs two mispredicted branches a spike
            j = w * WORD + lowest(word)
            word &= word - ONE
            spikes[n] = j
            n += 1
            # written here, long before `neurons` reads them as vectors: a scalar store just
            # before a vector load of the same line stalls it
            wake[j] = wake_up
            a[j] += one
    return n


@inlined
def advance(
    start, stop, first, x_offset, x_index, w_in, w_rec, w_out,
    alpha, rho, kappa, beta, height, refractory_steps,
    v, a, wake, z, y, marks, spikes, offset, psi, readout,
):  # fmt: skip
    """Steps `start` to `stop` - 1 of one trial.

    All arguments come one by one: taken out of tuples in here, they make the whole step 2.4 times as long.
    Kernels, which take them out before their loop over trials, pay nothing.

    Args:
        first: readout is kept from this step on.
        x_offset: (T+1,), x_index: inputs that spike at step t are x_index[x_offset[t]:x_offset[t+1]].
        v, a, wake: (n_pad,) state; what the spikes of step start-1 add to v is still to come.
        z: (n_pad,) bytes of spikes, of the last step.
        y: (n_out,) readout, a state.
        marks: (>= stop - start, words) spikes, out; a single row is used again and again.
        spikes, offset: out; neurons that spiked at step start-1+k are spikes[offset[k]:offset[k+1]].
            Those of k = 0 have to be there already.
        psi: (>= stop - start, n_pad) pseudo-derivative, out; a single row is used again and again.
        readout: (T - first, n_out) out.
    """
    for t in range(start, stop):
        k = t - start
        for e in range(x_offset[t], x_offset[t + 1]):
            add_row(v, w_in[x_index[e]])
        for e in range(offset[k], offset[k + 1]):
            add_row(v, w_rec[spikes[e]])
        neurons(v, a, wake, beta, alpha, rho, height, np.int32(t), psi[k if psi.shape[0] > 1 else 0], z)
        fired = marks[k if marks.shape[0] > 1 else 0]
        mark(z, fired)
        offset[k + 2] = fire(fired, t + refractory_steps, wake, a, spikes, offset[k + 1])
    for t in range(start, stop):  # a loop of its own: inside the one above it costs three times as much
        k = t - start
        for o in range(y.shape[0]):
            total = kappa * y[o]
            for e in range(offset[k + 1], offset[k + 2]):
                total += w_out[spikes[e], o]
            y[o] = total
            if t >= first:
                readout[t - first, o] = total


@inlined
def replay(
    x_offset, x_index, w_in, w_rec, alpha, rho, beta, height, refractory_steps,
    v, a, wake, marks, spikes, offset, psi,
):  # fmt: skip
    """All steps of a trial whose spikes were kept as `marks` (T, words): as `advance`, but no readout."""
    for t in range(psi.shape[0]):
        for e in range(x_offset[t], x_offset[t + 1]):
            add_row(v, w_in[x_index[e]])
        for e in range(offset[t], offset[t + 1]):
            add_row(v, w_rec[spikes[e]])
        slopes(v, a, wake, beta, alpha, rho, height, np.int32(t), psi[t])
        offset[t + 2] = fire(marks[t], t + refractory_steps, wake, a, spikes, offset[t + 1])


@called
def carry(spikes, offset, n_steps):
    """After `n_steps` steps: the last step's spikes become those before the next one."""
    n = offset[n_steps + 1] - offset[n_steps]
    for e in range(n):
        spikes[e] = spikes[offset[n_steps] + e]
    offset[1] = n


@kernel
def simulate(x_offset, x_index, weights, constants, z_out, y_out):
    """Spikes z_out (batch, T, n_rec) bool, all False before, and readout y_out (batch, T, n_out)."""
    w_in, w_rec, w_out = weights
    alpha, rho, kappa, beta, height, refractory_steps = constants
    n_steps = x_offset.shape[1] - 1
    n_pad = w_in.shape[1]
    for b in prange(x_offset.shape[0]):
        v = aligned(n_pad, w_in)
        a = aligned(n_pad, w_in)
        wake = aligned(n_pad, x_index)
        z = np.zeros(n_pad, np.uint8)
        marks = unmarked(1, n_pad)
        y = np.zeros(w_out.shape[1], w_in.dtype)
        psi = np.empty((1, n_pad), w_in.dtype)
        spikes = np.empty((BLOCK + 1) * w_rec.shape[0], np.int32)
        offset = np.zeros(BLOCK + 2, np.int64)
        for start in range(0, n_steps, BLOCK):
            stop = min(start + BLOCK, n_steps)
            advance(
                start, stop, 0, x_offset[b], x_index, w_in, w_rec, w_out,
                alpha, rho, kappa, beta, height, refractory_steps,
                v, a, wake, z, y, marks, spikes, offset, psi, y_out[b],
            )  # fmt: skip
            for t in range(start, stop):
                for e in range(offset[t - start + 1], offset[t - start + 2]):
                    z_out[b, t, spikes[e]] = True
            carry(spikes, offset, stop - start)
