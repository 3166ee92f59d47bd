"""The backward recursion of each neuron by itself: all of adjoint e-prop, and of a block of online e-prop.

BPTT (bptt.py) and the ladder (hops.py) have a product with W_rec in each step of it, and write it out there.
"""

import torch

from implementations.torch.loop.dynamics import Kind, flush, one_thread
from implementations.way_back import WayBack


class PerNeuron:
    """The recursion of README.md, in blocks of up to `size` steps, for several trials or sums at once.

    Attributes:
        lam_a: (*lead, n_rec) state: lam_a of the step after a block before it, of its first step after it.
        lam_v: (*lead, n_rec) state, likewise.
    """

    def __init__(self, back: WayBack, kind: Kind, lead: tuple[int, ...], size: int) -> None:
        self._back, self._kind = back, kind
        n_rec = back.beta.size
        self._beta = kind.from_numpy(back.beta)
        self._adaptive = bool(back.beta.any())
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
        n = len(psi)
        lam_a, extended = self._lam_a[: n + 1], self._lam_v[: n + 1]
        lam_a[n] = self.lam_a
        steps = self._through_reset if self._back.theta else self._apart
        self.lam_v.copy_(steps(psi, drive, lam_a, extended[1:]))
        self.lam_a.copy_(lam_a[0])
        for state in (self.lam_v, self.lam_a):
            flush(state, self._kind.floor)
        torch.mul(self.lam_v, self._back.alpha, out=extended[0])
        return extended

    def _apart(
        self, psi: torch.Tensor, drive: torch.Tensor, lam_a: torch.Tensor, lam_v: torch.Tensor
    ) -> torch.Tensor:
        """lam_a (1 + steps, ..), of which that of the step after the block is there; then lam_v (steps, ..).

        Returns:
            lam_v of the first step.
        """
        g = lam_v
        if self._adaptive:
            # lam_a[t] = rho lam_a[t+1] - beta g[t] = (rho - beta psi[t]) lam_a[t+1] - beta psi[t] drive[t]:
            # one operation per step, as the rest of it can be had for the whole block
            factor = psi * -self._beta
            torch.mul(factor, drive, out=g)
            factor.add_(self._back.rho)
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
                torch.add(g_t, following, alpha=self._back.alpha, out=g_t)
                following = g_t
        return following

    def _through_reset(
        self, psi: torch.Tensor, drive: torch.Tensor, lam_a: torch.Tensor, lam_v: torch.Tensor
    ) -> torch.Tensor:
        """The same where dz[t] has - theta lam_v[t+1] in it, so that each of the two needs the other."""
        alpha, rho, theta = self._back.alpha, self._back.rho, self._back.theta
        # lam_v[t] = (alpha - theta psi[t]) lam_v[t+1] + psi[t] lam_a[t+1] + psi[t] drive[t]
        torch.mul(psi, drive, out=lam_v)
        kept = (psi * -theta).add_(alpha)
        following = self.lam_v
        if not self._adaptive:
            with one_thread():
                for out, kept_t in zip(reversed(lam_v.unbind()), reversed(kept.unbind()), strict=True):
                    following = out.addcmul_(kept_t, following)
            return following
        # lam_a[t] = (rho - beta psi[t]) lam_a[t+1] + beta theta psi[t] lam_v[t+1] - beta psi[t] drive[t]
        torch.mul(lam_v, -self._beta, out=lam_a[:-1])
        kept_a = psi * -self._beta
        crossed = kept_a * -theta
        kept_a.add_(rho)
        factors = (psi.unbind(), kept.unbind(), kept_a.unbind(), crossed.unbind())
        steps = zip(*factors, lam_a[1:].unbind(), lam_a[:-1].unbind(), lam_v.unbind(), strict=True)
        with one_thread():
            for psi_t, kept_t, kept_a_t, crossed_t, following_a, out_a, out in reversed(list(steps)):
                out_a.addcmul_(kept_a_t, following_a).addcmul_(crossed_t, following)
                following = out.addcmul_(kept_t, following).addcmul_(psi_t, following_a)
        return following
