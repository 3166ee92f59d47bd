"""Backward over a number of recurrent connections: the neurons' recursion for each level of the ladder."""

import torch

from implementations.torch.loop.dynamics import Kind, flush, one_thread
from implementations.way_back import WayBack


class Ladder:
    """Levels 0 to `hops`, all in one operation; what neurons send one another comes from the level below.

    The last level is the rule's.
    """

    def __init__(self, back: WayBack, kind: Kind, n_batch: int, size: int, hops: int) -> None:
        self._back, self._kind = back, kind
        n_rec = back.beta.size
        self._beta = kind.from_numpy(back.beta)
        self._adaptive = bool(back.beta.any())
        self._lam_a = kind.zeros(1 + hops, n_batch, n_rec)
        self._lam_v = kind.zeros(1 + hops, n_batch, n_rec)
        self._dz = kind.zeros(1 + hops, n_batch, n_rec)
        self._last = kind.zeros(size, n_batch, n_rec)  # lam_v of the last level

    def restart(self, w_rec: torch.Tensor) -> None:
        """All to 0; with these weights from now on."""
        self._lam_a.zero_()
        self._lam_v.zero_()
        self._w_back = w_rec.T.clone(memory_format=torch.contiguous_format)

    def block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """lam_v (steps, batch, n_rec) of a block, of the last level; the arguments as in per_neuron.py."""
        with one_thread():
            self._steps(psi, drive)
        for state in (self._lam_a, self._lam_v):
            flush(state, self._kind.floor)
        return self._last[: len(psi)]

    def _steps(self, psi: torch.Tensor, drive: torch.Tensor) -> None:
        """From the last step to the first."""
        alpha, rho, theta = self._back.alpha, self._back.rho, self._back.theta
        lam_a, lam_v, dz, beta = self._lam_a, self._lam_v, self._dz, self._beta
        n_rec = lam_v.shape[-1]
        below, dz_above = lam_v[:-1].view(-1, n_rec), dz[1:].view(-1, n_rec)
        for k in reversed(range(len(psi))):
            # dz[t] = drive[t] + lam_a[t+1] + lam_v[t+1] of the level below, W_rec^T, - theta lam_v[t+1]
            torch.add(lam_a, drive[k], out=dz)
            dz_above.addmm_(below, self._w_back)
            if theta:
                dz.sub_(lam_v, alpha=theta)
            # g[t] = psi[t] dz[t];  lam_a[t] = rho lam_a[t+1] - beta g[t]
            dz.mul_(psi[k])
            if self._adaptive:
                lam_a.mul_(rho).addcmul_(beta, dz, value=-1.0)
            # lam_v[t] = alpha lam_v[t+1] + g[t]
            torch.add(dz, lam_v, alpha=alpha, out=lam_v)
            self._last[k] = lam_v[-1]
