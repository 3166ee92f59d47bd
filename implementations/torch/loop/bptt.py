"""Backward through time: the gradient through the recurrent weights and, unless detached, the reset."""

import numpy as np
import torch

from implementations.torch.loop.dynamics import Kind, flush, one_thread
from implementations.way_back import WayBack


class ThroughTime:
    """The recursion of README.md for `n_batch` trials, in blocks of up to `size` steps.

    The product with W_rec^T is dense: to add the rows of active neurons alone, which are others in each
    trial, would be an operation per trial here.
    """

    def __init__(self, back: WayBack, kind: Kind, n_batch: int, size: int) -> None:
        self._back, self._kind = back, kind
        n_rec = back.beta.size
        self._beta = kind.from_numpy(np.tile(back.beta, (n_batch, 1)))
        self._adaptive = bool(back.beta.any())
        self._lam_a = kind.zeros(n_batch, n_rec)
        self._lam_v = kind.zeros(1 + size, n_batch, n_rec)
        self._dz = kind.zeros(n_batch, n_rec)

    def restart(self, w_rec: torch.Tensor) -> None:
        """All to 0; with these weights from now on."""
        self._lam_a.zero_()
        self._lam_v.zero_()
        self._w_back = w_rec.T.clone(memory_format=torch.contiguous_format)  # (W_rec - theta I)^T
        self._w_back.diagonal().sub_(self._back.theta)

    def block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """lam_v (steps, batch, n_rec) of a block; the arguments as in per_neuron.py."""
        self._lam_v[len(psi)] = self._lam_v[0].clone()
        with one_thread():
            self._steps(psi, drive)
        for state in (self._lam_a, self._lam_v[0]):
            flush(state, self._kind.floor)
        return self._lam_v[: len(psi)]

    def _steps(self, psi: torch.Tensor, drive: torch.Tensor) -> None:
        """From the last step to the first; lam_v[n], that of the step after them, is there."""
        n, alpha, rho = len(psi), self._back.alpha, self._back.rho
        lam_a, dz, beta, w_back = self._lam_a, self._dz, self._beta, self._w_back
        lam_v = self._lam_v[: n + 1].unbind()
        for k in reversed(range(n)):
            # dz[t] = drive[t] + lam_a[t+1] + lam_v[t+1] (W_rec - theta I)^T
            torch.addmm(drive[k], lam_v[k + 1], w_back, out=dz)
            if self._adaptive:
                dz.add_(lam_a)
            # g[t] = psi[t] dz[t];  lam_a[t] = rho lam_a[t+1] - beta g[t]
            dz.mul_(psi[k])
            if self._adaptive:
                lam_a.mul_(rho).addcmul_(beta, dz, value=-1.0)
            # lam_v[t] = alpha lam_v[t+1] + g[t]
            torch.add(dz, lam_v[k + 1], alpha=alpha, out=lam_v[k])
