"""The forward pass, in blocks of time steps; also what all passes share: constants, BLAS threads.

    here              README.md     unit or scaling
    _v, _a            v[t], a[t]    as there; a of adaptive neurons alone
    _u                u[t]          times theta, as is v: v[t] - theta - beta a[t]
    _w                W_in, W_rec   [W_in; W_rec - theta I]: the reset is a weight
    _r, _silent       refractory    silent steps that are left, n_ref - 1 after a spike; silent where > 0
    constants.height  dampening     over theta^2, as psi is found from theta u
    pre               x[t], z[t-1]  [x[t], z[t-1]] as numbers, what arrives at the synapses
    y                 y[t]          as there; z[t] W_out is filtered instead of z[t]

Buffers are time-major, (time, batch, n), so that one step of a batch is one contiguous piece of memory.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from implementations.interface import Setting
from implementations.network import Network

Threads = Callable[[], AbstractContextManager[Any]]
"""Within `with one_thread():` BLAS uses one thread: a time step is too short to be worth sharing."""


class Constants(NamedTuple):
    """Scalars in the learner's dtype, the symbols of README.md."""

    alpha: np.floating
    rho: np.floating
    kappa: np.floating
    theta: np.floating
    height: np.floating  # dampening/theta^2, as the slope is found from theta u instead of u
    floor: np.floating

    @classmethod
    def of(cls, network: Network, dtype: np.dtype) -> "Constants":
        """Those of a network."""
        scalar = dtype.type
        return cls(
            scalar(network.alpha),
            scalar(network.rho),
            scalar(network.kappa),
            scalar(network.threshold),
            scalar(network.dampening / network.threshold**2),
            floor(dtype),
        )


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch, time-major.

    Attributes:
        x: (time, batch, n_in) bool.
        targets: (batch,) classes; or (window, batch, n_out) float, where the loss is "squared_error".
        shares: (window, batch, 1) by how much each step counts, as `Batch.shares` has it; None where all
            count alike.
        setting: of the learner that loaded it.
    """

    x: np.ndarray
    targets: np.ndarray
    shares: np.ndarray | None
    setting: Setting


def floor(dtype: np.dtype) -> np.floating:
    """What decays is set to 0 below this: denormal numbers are slow."""
    info = np.finfo(dtype)
    return dtype.type(float(info.tiny) / float(info.eps))


def flush(state: np.ndarray, floor: np.floating) -> None:
    """Set to 0 what has decayed below `floor`."""
    state[np.abs(state) < floor] = 0


def tile(row: np.ndarray, n_batch: int, dtype: np.dtype) -> np.ndarray:
    """(batch, n) copies of `row`: products of equal shapes take half the time of broadcast ones."""
    # order="C", as NumPy would keep the broadcast array's order, and mixed orders are ten times slower
    return np.array(np.broadcast_to(row, (n_batch, row.size)), dtype, order="C")


class Forward:
    """State and buffers of the forward pass of `n_batch` trials.

    Attributes:
        pre: (block + 2, batch, n_in + n_rec), what arrives at the synapses: pre[1 + k] = [x[t], z[t-1]]
            of step t = start + k of the latest block. pre[0] is for others to use (online e-prop keeps
            there what arrived before the block).
        y: (block, batch, n_out) readout of the latest block.
        counts: (n_rec,) spikes since `restart`.
    """

    def __init__(
        self, network: Network, dtype: np.dtype, n_batch: int, block: int, one_thread: Threads
    ) -> None:
        n_in, n_rec, n_out = network.n_in, network.n_rec, network.n_out
        self.network = network
        self.constants = Constants.of(network, dtype)
        self.block = block
        self.one_thread = one_thread
        self.pre = np.zeros((block + 2, n_batch, n_in + n_rec), dtype)
        self.y = np.zeros((block, n_batch, n_out), dtype)
        self.counts = np.zeros(n_rec, np.int64)
        self._ones = np.ones(block * n_batch, dtype)
        self._z = np.zeros((block, n_batch, n_rec), np.bool_)
        self._v = np.zeros((n_batch, n_rec), dtype)
        self._u = np.zeros((n_batch, n_rec), dtype)  # theta u
        self._current = np.zeros((n_batch, n_rec), dtype)
        self._zeros = np.zeros((n_batch, n_rec), dtype)
        # only adaptive neurons carry a; the threshold of the others stays at theta
        self._a = np.zeros((n_batch, network.n_adaptive), dtype)
        self._beta = tile(network.beta[network.n_regular :], n_batch, dtype)
        self._beta_a = np.zeros((n_batch, network.n_adaptive), dtype)
        self._threshold = np.full((n_batch, n_rec), self.constants.theta)
        self._y = np.zeros((n_batch, n_out), dtype)
        # r[t+1] = r[t] - silent[t] + (n_ref - 1) z[t], as a silent neuron does not spike
        counter = np.dtype(np.uint8 if network.refractory_steps <= 256 else np.int32)
        self._rest = counter.type(min(max(network.refractory_steps - 1, 0), np.iinfo(counter).max))
        self._r = np.zeros((n_batch, n_rec), counter)
        self._added = np.zeros((n_batch, n_rec), counter)
        self._silent = np.zeros((n_batch, n_rec), np.bool_)

    def restart(self, w_in: np.ndarray, w_rec: np.ndarray, w_out: np.ndarray) -> None:
        """All states to 0; with these weights from now on."""
        n_in, theta = self.network.n_in, self.constants.theta
        self._w = np.concatenate([w_in, w_rec])  # (n_in + n_rec, n_rec)
        np.einsum("ii->i", self._w[n_in:])[...] -= theta  # W_rec - theta I: the reset is a weight
        self._w_readout = (1 - self.constants.kappa) * w_out
        self._last = 0  # steps of the latest block
        for state in (self.pre, self._v, self._a, self._y, self._r, self.counts):
            state[...] = 0

    def pre_of(self, x: np.ndarray, z: np.ndarray, start: int, stop: int) -> np.ndarray:
        """`pre` of a block again, from x (time, batch, n_in) and z (time, batch, n_rec) of the trial.

        Returns:
            (2 + steps, batch, n_in + n_rec), its first row to be ignored.
        """
        n_in, n = self.network.n_in, stop - start
        pre = self.pre[: n + 2]
        pre[1:-1, :, :n_in] = x[start:stop]
        pre[1, :, n_in:] = z[start - 1] if start else 0
        pre[2:, :, n_in:] = z[start:stop]
        return pre

    def advance(
        self, x: np.ndarray, z: np.ndarray | None = None, psi: np.ndarray | None = None
    ) -> np.ndarray:
        """The next block of steps.

        Args:
            x: (steps, batch, n_in) input, at most `block` steps.
            z: (steps, batch, n_rec) bool, out, where given.
            psi: (steps, batch, n_rec), out, where given.

        Returns:
            (steps, batch, n_out) readout, in memory that the next block takes again.
        """
        n_in, n = self.network.n_in, len(x)
        z = self._z[:n] if z is None else z
        self.pre[1, :, n_in:] = self.pre[self._last + 1, :, n_in:]
        self.pre[1 : n + 1, :, :n_in] = x
        self._last = n
        with self.one_thread():
            self._steps(z, psi)
        flush(self._v, self.constants.floor)
        spikes = self.pre[2 : n + 2, :, n_in:].reshape(-1, self.network.n_rec)  # a view
        self.counts += np.rint(self._ones[: len(spikes)] @ spikes).astype(np.int64)
        return self._filter(spikes, n)

    def _steps(self, z: np.ndarray, psi: np.ndarray | None) -> None:
        """The neurons; pre[1] and the inputs in `pre` are there."""
        network, pre, w = self.network, self.pre, self._w
        alpha, rho, _, theta, height, _ = self.constants
        v, a, u, current = self._v, self._a, self._u, self._current
        beta, beta_a, threshold, zeros = self._beta, self._beta_a, self._threshold, self._zeros
        r, added, rest, silent = self._r, self._added, self._rest, self._silent
        adaptive_threshold = threshold[:, network.n_regular :]
        z_float = pre[1:, :, network.n_in :]  # z_float[k] = z[t-1]
        z_adaptive = z_float[:, :, network.n_regular :]
        z_byte, silent_byte = z.view(np.uint8), silent.view(np.uint8)
        zero = theta.dtype.type(0)
        for k in range(len(z)):
            # a[t] = rho a[t-1] + z[t-1]
            np.multiply(a, rho, out=a)
            np.add(a, z_adaptive[k], out=a)
            # v[t] = alpha v[t-1] + x[t] W_in + z[t-1] (W_rec - theta I)
            np.multiply(v, alpha, out=v)
            np.matmul(pre[k + 1], w, out=current)
            np.add(v, current, out=v)
            # theta u[t] = v[t] - (theta + beta a[t])
            np.multiply(beta, a, out=beta_a)
            np.add(beta_a, theta, out=adaptive_threshold)
            np.subtract(v, threshold, out=u)
            # z[t] = 1 if u[t] > 0 and not silent[t],  silent[t] = r[t] > 0
            np.greater(u, zero, out=z[k])
            if rest:
                np.greater(r, 0, out=silent)
                np.greater(z[k], silent, out=z[k])
            np.copyto(z_float[k + 1], z[k])
            # r[t+1] = r[t] - silent[t] + (n_ref - 1) z[t]
            if rest:
                np.subtract(r, silent_byte, out=r)
                np.multiply(z_byte[k], rest, out=added)
                np.add(r, added, out=r)
            # psi[t] = dampening/theta max(0, 1 - |u[t]|) if not silent[t]
            if psi is not None:
                slope = psi[k]
                np.abs(u, out=slope)
                np.subtract(theta, slope, out=slope)
                np.maximum(slope, zeros, out=slope)  # an array of zeros: with a scalar it takes 3x as long
                np.multiply(slope, height, out=slope)
                if rest:
                    np.logical_not(silent, out=silent)
                    np.multiply(slope, silent, out=slope)

    def _filter(self, spikes: np.ndarray, n: int) -> np.ndarray:
        """y[t] = kappa y[t-1] + (1-kappa) z[t] W_out; linear, so the projection is filtered, not z."""
        y, kappa = self._y, self.constants.kappa
        np.matmul(spikes, self._w_readout, out=self.y[:n].reshape(len(spikes), -1))
        flush(y, self.constants.floor)
        for y_t in self.y[:n]:
            np.multiply(y, kappa, out=y)
            np.add(y_t, y, out=y_t)
            y[...] = y_t
        return self.y[:n]
