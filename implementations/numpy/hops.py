"""Backward over a number of recurrent connections: the neurons' recursion for each level of the ladder."""

import numpy as np

from implementations.numpy.dynamics import floor, flush
from implementations.numpy.per_neuron import PerNeuron
from implementations.way_back import WayBack


class Ladder:
    """Levels 0 to `hops`: what neurons send one another is of the level below; the last is the rule's."""

    def __init__(self, back: WayBack, dtype: np.dtype, n_batch: int, hops: int) -> None:
        self._levels = [PerNeuron(back, dtype, n_batch) for _ in range(hops + 1)]
        self._floor = floor(dtype)
        # lam_v[t+1] of all levels but the last, which the caller keeps
        self._lam_v = np.zeros((hops, n_batch, back.beta.size), dtype)
        self._sent = np.zeros_like(self._lam_v)

    def restart(self, w_rec: np.ndarray) -> None:
        """All to 0."""
        for level in self._levels:
            level.restart(w_rec)
        self._lam_v[...] = 0
        self._w_back = w_rec.T.copy("C")  # BLAS takes longer for a transposed view

    def step(self, psi: np.ndarray, drive: np.ndarray, lam_v_next: np.ndarray, out: np.ndarray) -> None:
        """dz[t] = drive + lam_a[t+1] + lam_v[t+1] W_rec^T of the level below - theta lam_v[t+1]."""
        hops, _, n_rec = self._lam_v.shape
        # of all levels at once: one product of hops * batch rows
        np.matmul(self._lam_v.reshape(-1, n_rec), self._w_back, out=self._sent.reshape(-1, n_rec))
        np.add(self._sent, drive, out=self._sent)
        for k, level in enumerate(self._levels):
            last = k == hops  # may write to psi, which no level reads after it
            own = (lam_v_next, out) if last else (self._lam_v[k], self._lam_v[k])
            level.step(psi, self._sent[k - 1] if k else drive, *own)

    def flush(self) -> None:
        """Set to 0 what has decayed to nothing."""
        for level in self._levels:
            level.flush()
        flush(self._lam_v, self._floor)
