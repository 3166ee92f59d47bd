"""The backward recursion of each neuron by itself: all of adjoint e-prop, and a part of each step of BPTT."""

import numpy as np

from implementations.numpy.dynamics import floor, flush, tile
from implementations.way_back import WayBack


class PerNeuron:
    """The recursion of README.md for `n_batch` trials, all neurons or only the adaptive ones.

    Attributes:
        lam_a: (batch, n) state, lam_a[t+1] before a step and lam_a[t] after it.
    """

    def __init__(self, back: WayBack, dtype: np.dtype, n_batch: int, first: int = 0) -> None:
        self._alpha, self._rho, self._theta = map(dtype.type, (back.alpha, back.rho, back.theta))
        self._floor = floor(dtype)
        # of all neurons, as whole rows take less time than every second half of one
        self._beta = tile(back.beta[first:], n_batch, dtype)
        self.lam_a = np.zeros_like(self._beta)
        self._g = np.zeros_like(self._beta)
        self._beta_g = np.zeros_like(self._beta)

    def restart(self, w_rec: np.ndarray) -> None:
        """All to 0."""
        self.lam_a[...] = 0

    def step(
        self, psi: np.ndarray, drive: np.ndarray | np.floating, lam_v_next: np.ndarray, out: np.ndarray
    ) -> None:
        """lam_v[t] into `out`, which may be `psi`; all (batch, n)."""
        alpha, rho, theta = self._alpha, self._rho, self._theta
        lam_a, g, beta_g = self.lam_a, self._g, self._beta_g
        # g[t] = psi[t] dz[t],  dz[t] = drive + lam_a[t+1] - theta lam_v[t+1]
        np.add(lam_a, drive, out=g)
        if theta:
            np.multiply(lam_v_next, theta, out=beta_g)
            np.subtract(g, beta_g, out=g)
        np.multiply(psi, g, out=g)
        # lam_a[t] = rho lam_a[t+1] - beta g[t]
        np.multiply(lam_a, rho, out=lam_a)
        np.multiply(self._beta, g, out=beta_g)
        np.subtract(lam_a, beta_g, out=lam_a)
        # lam_v[t] = alpha lam_v[t+1] + g[t]
        np.multiply(lam_v_next, alpha, out=out)
        np.add(out, g, out=out)

    def flush(self) -> None:
        """Set to 0 what has decayed to nothing."""
        flush(self.lam_a, self._floor)
