"""Backward through time: the gradient through the recurrent weights and, unless detached, the reset."""

from dataclasses import replace

import numpy as np

from implementations.numpy.per_neuron import PerNeuron
from implementations.way_back import WayBack


class ThroughTime:
    """The recursion of each neuron by itself, and what neurons send one another on top of it."""

    def __init__(self, back: WayBack, dtype: np.dtype, n_batch: int) -> None:
        self._reset = back.theta
        self._neurons = PerNeuron(replace(back, theta=0.0), dtype, n_batch)
        self._drive = np.zeros((n_batch, back.beta.size), dtype)

    def restart(self, w_rec: np.ndarray) -> None:
        """All to 0."""
        self._neurons.restart(w_rec)
        # (W_rec - theta I)^T, copied: BLAS takes longer for a transposed view
        self._w_back = w_rec.T.copy("C")
        np.fill_diagonal(self._w_back, self._w_back.diagonal() - self._reset)

    def step(self, psi: np.ndarray, drive: np.ndarray, lam_v_next: np.ndarray, out: np.ndarray) -> None:
        """dz[t] = drive + lam_a[t+1] + lam_v[t+1] W_rec^T - theta lam_v[t+1]; the rest by itself."""
        np.matmul(lam_v_next, self._w_back, out=self._drive)
        np.add(self._drive, drive, out=self._drive)
        self._neurons.step(psi, self._drive, lam_v_next, out)

    def flush(self) -> None:
        """Set to 0 what has decayed to nothing."""
        self._neurons.flush()
