"""What BPTT and adjoint e-prop share: a forward pass that is stored, and the way back over it."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from implementations.blocks import blocks
from implementations.network import Network
from implementations.numpy.dynamics import Forward, Loaded, Threads, flush, tile
from implementations.numpy.loss import RateLoss, TaskLoss, metrics
from implementations.objective import Objective
from implementations.types import Gradients, Metrics

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


class Adjoint:
    """Buffers for batches of one shape, and the gradient by going backward over the stored trial."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        dtype: np.dtype,
        shape: tuple[int, int],
        recursion: Recursion,
        one_thread: Threads,
    ) -> None:
        n_steps, n_batch = shape
        self._network, self._objective = network, objective
        self._recursion = recursion
        self._one_thread = one_thread
        self._forward = Forward(network, dtype, n_batch, BLOCK, one_thread)
        self._blocks = blocks(n_steps, objective.window, BLOCK)
        self._z = np.empty((n_steps, n_batch, network.n_rec), np.bool_)
        self._psi = np.empty((n_steps, n_batch, network.n_rec), dtype)  # on the way back, lam_v
        self._ell = np.empty((objective.window, n_batch, network.n_out), dtype)
        self._lbar = np.zeros((BLOCK, n_batch, network.n_out), dtype)
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
            y = self._forward.advance(loaded.x[start:stop], self._z[start:stop], self._psi[start:stop])
            if start >= window_start:
                ell = task.error(y, start, slice(None))
                self._ell[start - window_start : stop - window_start] = ell
        shape = (len(loaded.x), loaded.x.shape[1])
        rate = RateLoss.of(self._forward.counts, shape, self._network, self._objective)
        self._recursion.restart(weights["w_rec"])
        return self._backward(loaded.x, feedback, rate.c), metrics(task, rate)

    def _backward(self, x: np.ndarray, feedback: np.ndarray, c: np.ndarray) -> Gradients:
        """From the last block to the first."""
        network, dtype = self._network, self._psi.dtype
        n_in, n_rec, n_out = network.n_in, network.n_rec, network.n_out
        window_start = len(x) - self._objective.window
        c = tile(c, x.shape[1], dtype)
        lbar = np.zeros((x.shape[1], n_out), dtype)  # lbar[t+1]
        gradient = np.zeros((n_in + n_rec, n_rec), dtype)
        gradient_out = np.zeros((n_rec, n_out), dtype)
        product, product_out = np.empty_like(gradient), np.empty_like(gradient_out)
        for start, stop in reversed(self._blocks):
            n = stop - start
            flush(lbar, self._forward.constants.floor)
            error = start >= window_start or bool(lbar.any())
            if error:
                lbar = self._filter(lbar, start, stop)
            with self._one_thread():
                self._steps(start, stop, self._lbar[:n] if error else None, feedback, c)
            self._recursion.flush()
            flush(self._psi[start], self._forward.constants.floor)
            # dW = sum_t [x[t], z[t-1]]^T lam_v[t], one product for W_in and W_rec
            pre = self._forward.pre_of(x, self._z, start, stop)
            lam_v = self._psi[start:stop].reshape(-1, n_rec)
            np.matmul(pre[1:-1].reshape(-1, n_in + n_rec).T, lam_v, out=product)
            gradient += product
            if error:
                # dW_out = sum_t z[t]^T lbar[t] = sum_t zbar[t]^T ell[t]
                z = pre[2:, :, n_in:].reshape(-1, n_rec)
                np.matmul(z.T, self._lbar[:n].reshape(-1, n_out), out=product_out)
                gradient_out += product_out
        np.fill_diagonal(gradient[n_in:], 0)
        return Gradients(gradient[:n_in], gradient[n_in:], gradient_out)

    def _filter(self, lbar_next: np.ndarray, start: int, stop: int) -> np.ndarray:
        """lbar[t] = kappa lbar[t+1] + (1-kappa) ell[t] of a block; returns that of its first step."""
        kappa = self._forward.constants.kappa
        ell = self._ell[max(start - len(self._z) + len(self._ell), 0) :]
        for k in reversed(range(stop - start)):
            np.multiply(lbar_next, kappa, out=self._lbar[k])
            if start >= len(self._z) - len(self._ell):
                self._lbar[k] += (1 - kappa) * ell[k]
            lbar_next = self._lbar[k]
        return lbar_next.copy()

    def _steps(
        self, start: int, stop: int, lbar: np.ndarray | None, feedback: np.ndarray, c: np.ndarray
    ) -> None:
        """lam_v of a block, in place of psi."""
        lam_v = self._psi
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
