"""What BPTT, the ladder and adjoint e-prop share: a forward pass that is stored, and the way back over it."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.numpy.bptt import ThroughTime
from implementations.numpy.dynamics import Forward, Loaded, Threads, floor, flush, tile
from implementations.numpy.hops import Ladder
from implementations.numpy.loss import RateLoss, TaskLoss, metrics
from implementations.numpy.per_neuron import PerNeuron
from implementations.types import Gradients, Metrics
from implementations.way_back import WayBack

BLOCK = 32  # steps; the buffers of a block stay in the cache


class Recursion(Protocol):
    """One step backward of the neurons, for all trials."""

    def restart(self, w_rec: np.ndarray) -> None:
        """lam_v[T] = lam_a[T] = 0."""
        ...

    def step(self, psi: np.ndarray, drive: np.ndarray, lam_v_next: np.ndarray, out: np.ndarray) -> None:
        """lam_v[t] into `out`, which may be `psi`; `drive` is what dz[t] gets from outside the neurons."""
        ...

    def flush(self) -> None:
        """Set to 0 what has decayed to nothing."""
        ...


def recursion(setting: Setting, n_steps: int, n_batch: int) -> Recursion:
    """What the errors of a rule do on their way back over a trial."""
    hops, back, dtype = setting.rule.hops, WayBack.of(setting.rule, setting.network), setting.dtype
    if hops == 0:
        return PerNeuron(back, dtype, n_batch)
    # a connection takes a step: more hops than steps are all that there are
    return Ladder(back, dtype, n_batch, int(hops)) if hops < n_steps else ThroughTime(back, dtype, n_batch)


class ErrorFilter:
    """lbar[t] = kappa lbar[t+1] + (1-kappa) ell[t], by blocks from the last one on."""

    def __init__(self, kappa: float, gain: np.floating, dtype: np.dtype, n_batch: int, n_out: int) -> None:
        self._kappa, self._gain = dtype.type(kappa), gain
        self._floor = floor(dtype)
        self._lbar = np.zeros((BLOCK, n_batch, n_out), dtype)
        self._next = np.zeros((n_batch, n_out), dtype)

    def restart(self) -> None:
        """lbar[T] = 0."""
        self._next[...] = 0

    def block(self, ell: np.ndarray | None, n: int) -> np.ndarray | None:
        """lbar (steps, batch, n_out) of `n` steps, None where nothing is left of it.

        Args:
            ell: (steps, batch, n_out), None where it is 0.
        """
        flush(self._next, self._floor)
        if ell is None and not self._next.any():
            return None
        lbar, following = self._lbar[:n], self._next
        for k in reversed(range(n)):
            np.multiply(following, self._kappa, out=lbar[k])
            if ell is not None:
                lbar[k] += self._gain * ell[k]
            following = lbar[k]
        self._next[...] = following
        return lbar


class Adjoint:
    """Buffers for batches of one shape, and the gradient by going backward over the stored trial."""

    def __init__(self, setting: Setting, shape: tuple[int, int], one_thread: Threads) -> None:
        (n_steps, n_batch), network, dtype = shape, setting.network, setting.dtype
        back = WayBack.of(setting.rule, network)
        self._network, self._objective, self._rule = network, setting.objective, setting.rule
        self._one_thread = one_thread
        self._forward = Forward(network, dtype, n_batch, BLOCK, one_thread)
        self._blocks = blocks(n_steps, self._objective.window, BLOCK)
        self._z = np.empty((n_steps, n_batch, network.n_rec), np.bool_)
        self._ell = np.empty((self._objective.window, n_batch, network.n_out), dtype)
        # what goes to the neurons: most often what goes to W_out
        own_signal = setting.rule.signal != "error"
        self._sent = np.empty_like(self._ell) if own_signal else self._ell
        size = 1 - self._forward.constants.kappa, dtype, n_batch, network.n_out
        self._lbar_out = ErrorFilter(network.kappa, *size)
        shared = not own_signal and back.kappa == network.kappa
        self._lbar = self._lbar_out if shared else ErrorFilter(back.kappa, *size)
        self._psi = None
        if setting.rule.feedback != "none":
            self._recursion = recursion(setting, n_steps, n_batch)
            self._psi = np.empty((n_steps, n_batch, network.n_rec), dtype)  # on the way back, lam_v
            self._drive = np.zeros((n_batch, network.n_rec), dtype)
            self._zeros = np.zeros((n_batch, network.n_rec), dtype)

    def gradients(
        self, loaded: Loaded, weights: Mapping[str, np.ndarray], feedback: np.ndarray
    ) -> tuple[Gradients, Metrics]:
        """Gradients and metrics; feedback F (n_rec, n_out) sends the error back."""
        task = TaskLoss(self._objective, loaded, self._network.n_out)
        self._forward.restart(weights["w_in"], weights["w_rec"], weights["w_out"])
        window_start = len(loaded.x) - self._objective.window
        for start, stop in self._blocks:
            psi = None if self._psi is None else self._psi[start:stop]
            y = self._forward.advance(loaded.x[start:stop], self._z[start:stop], psi)
            if start >= window_start:
                inside = slice(start - window_start, stop - window_start)
                self._ell[inside] = task.error(y, start, slice(None))
                if self._sent is not self._ell:
                    self._sent[inside] = task.target(start, stop, slice(None))
        shape = (len(loaded.x), loaded.x.shape[1])
        rate = RateLoss.of(self._forward.counts, shape, self._network, self._objective)
        if self._psi is not None:
            self._recursion.restart(weights["w_rec"])
        return self._backward(loaded.x, feedback, rate.c), metrics(task, rate)

    def _backward(self, x: np.ndarray, feedback: np.ndarray, c: np.ndarray) -> Gradients:
        """From the last block to the first."""
        network, dtype = self._network, self._ell.dtype
        n_in, n_rec, n_out = network.n_in, network.n_rec, network.n_out
        window_start = len(x) - self._objective.window
        c = tile(c, x.shape[1], dtype)
        for filtered in (self._lbar_out, self._lbar):
            filtered.restart()
        gradient = np.zeros((n_in + n_rec, n_rec), dtype)
        gradient_out = np.zeros((n_rec, n_out), dtype)
        product, product_out = np.empty_like(gradient), np.empty_like(gradient_out)
        for start, stop in reversed(self._blocks):
            n = stop - start
            inside = slice(start - window_start, stop - window_start) if start >= window_start else None
            lbar_out = self._lbar_out.block(None if inside is None else self._ell[inside], n)
            if self._psi is None and lbar_out is None:
                break  # nothing is left of the errors, and there is nothing else to find
            pre = self._forward.pre_of(x, self._z, start, stop)
            if lbar_out is not None:
                # dW_out = sum_t z[t]^T lbar[t] = sum_t zbar[t]^T ell[t]
                z = pre[2:, :, n_in:].reshape(-1, n_rec)
                np.matmul(z.T, lbar_out.reshape(-1, n_out), out=product_out)
                gradient_out += product_out
            if self._psi is None:
                continue
            lbar = lbar_out
            if self._lbar is not self._lbar_out:
                lbar = self._lbar.block(None if inside is None else self._sent[inside], n)
            with self._one_thread():
                self._steps(self._psi, start, stop, lbar, feedback, c)
            self._recursion.flush()
            flush(self._psi[start], self._forward.constants.floor)
            # dW = sum_t [x[t], z[t-1]]^T lam_v[t], one product for W_in and W_rec
            lam_v = self._psi[start:stop].reshape(-1, n_rec)
            np.matmul(pre[1:-1].reshape(-1, n_in + n_rec).T, lam_v, out=product)
            gradient += product
        np.fill_diagonal(gradient[n_in:], 0)
        return Gradients(gradient[:n_in], gradient[n_in:], gradient_out)

    def _steps(
        self,
        lam_v: np.ndarray,
        start: int,
        stop: int,
        lbar: np.ndarray | None,
        feedback: np.ndarray,
        c: np.ndarray,
    ) -> None:
        """lam_v of a block, in place of psi."""
        drive = c if lbar is None else self._drive
        step = self._recursion.step
        lam_v_next = lam_v[stop] if stop < len(lam_v) else self._zeros
        for t in reversed(range(start, stop)):
            if lbar is not None:
                # lbar[t] F^T + c
                np.matmul(lbar[t - start], feedback.T, out=drive)
                np.add(drive, c, out=drive)
            step(lam_v[t], drive, lam_v_next, lam_v[t])
            lam_v_next = lam_v[t]
