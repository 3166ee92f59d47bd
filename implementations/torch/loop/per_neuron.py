"""The backward recursion of each neuron by itself: all of adjoint e-prop, and of a block of online e-prop.

BPTT (bptt.py) has a product with W_rec in each step of it, and is written out there.
"""

import torch

from implementations.network import Network
from implementations.torch.loop.dynamics import Kind, flush, one_thread


class PerNeuron:
    """The recursion of README.md, in blocks of up to `size` steps, for several trials or sums at once.

    Attributes:
        lam_a: (*lead, n_rec) state: lam_a of the step after a block before it, of its first step after it.
        lam_v: (*lead, n_rec) state, likewise.
    """

    def __init__(self, network: Network, kind: Kind, lead: tuple[int, ...], size: int) -> None:
        self._network, self._kind = network, kind
        n_rec = network.n_rec
        self._beta = kind.from_numpy(network.beta)
        self.lam_a = kind.zeros(*lead, n_rec)
        self.lam_v = kind.zeros(*lead, n_rec)
        self._lam_a = kind.zeros(1 + size, *lead, n_rec)  # of the steps of a block, and the one after it
        self._lam_v = kind.zeros(1 + size, *lead, n_rec)  # alpha times that of the first, and of all

    def restart(self, w_rec: torch.Tensor | None = None) -> None:
        """All to 0."""
        self.lam_a.zero_()
        self.lam_v.zero_()

    def block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """lam_v (steps, *lead, n_rec) of a block, in memory that the next one takes again.

        Args:
            psi: (steps, *lead, n_rec), or what broadcasts to it.
            drive: likewise: what dz gets from outside the neurons.
        """
        return self.extended_block(psi, drive)[1:]

    def extended_block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """The same with alpha lam_v of the first step in front: (1 + steps, *lead, n_rec)."""
        n, alpha = len(psi), self._network.alpha
        lam_a, extended = self._lam_a[: n + 1], self._lam_v[: n + 1]
        g = extended[1:]
        lam_a[n] = self.lam_a
        if self._network.n_adaptive > 0:
            # lam_a[t] = rho lam_a[t+1] - beta g[t] = (rho - beta psi[t]) lam_a[t+1] - beta psi[t] drive[t]:
            # one operation per step, as the rest of it can be had for the whole block
            factor = psi * -self._beta
            torch.mul(factor, drive, out=g)
            factor.add_(self._network.rho)
            steps = zip(g.unbind(), factor.unbind(), lam_a[1:].unbind(), lam_a.unbind(), strict=False)
            with one_thread():
                for g_t, factor_t, following, out in reversed(list(steps)):
                    torch.addcmul(g_t, factor_t, following, out=out)
        # g[t] = psi[t] (drive[t] + lam_a[t+1])
        torch.add(lam_a[1:], drive, out=g)
        g.mul_(psi)
        # lam_v[t] = alpha lam_v[t+1] + g[t]
        following = self.lam_v
        with one_thread():
            for g_t in reversed(g.unbind()):
                torch.add(g_t, following, alpha=alpha, out=g_t)
                following = g_t
        self.lam_v.copy_(following)
        self.lam_a.copy_(lam_a[0])
        for state in (self.lam_v, self.lam_a):
            flush(state, self._kind.floor)
        torch.mul(self.lam_v, alpha, out=extended[0])
        return extended
