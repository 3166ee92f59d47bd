"""Online e-prop: eligibility traces carried forward, with memory that does not grow with time.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij        (the block is t = t0..t1-1)

is found by the recursion of `PerNeuron` from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.

Through the reset, potentials have a trace per synapse. What a block gets of it is then

    w[t0]_ij = alpha eps_v[t0-1]_ij - theta e[t0-1]_ij,    times lam_v[t0]_j,

in place of alpha eps_v[t0-1]_i; w[t1] is Phi from lam_v[t1] = 1, with nothing else.
"""

import numpy as np
import torch

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.torch.loop.dynamics import Filter, Forward, Kind, Loaded, flush
from implementations.torch.loop.loss import RateLoss, TaskLoss, metrics
from implementations.torch.loop.per_neuron import PerNeuron
from implementations.torch.weights import Tensors
from implementations.types import Metrics
from implementations.way_back import WayBack

BLOCK = 64  # steps; longer ones read and write the traces less often, but fall out of the cache
# axis 1 of the sums that every block needs: of e; ebar, eps_a and, through the reset, w after it
SUM, BAR, A, W = 0, 1, 2, 3


class Online:
    """Traces and the buffers of a block, for batches of one shape (time, batch)."""

    def __init__(self, setting: Setting, shape: tuple[int, int]) -> None:
        network = self._network = setting.network
        self._objective = setting.objective
        self._kind = kind = Kind.of(setting)
        back = self._back = WayBack.of(setting.rule, network)
        self._own_signal = setting.rule.signal != "error"
        n_batch = shape[1]
        n_in, n_rec = network.n_in, network.n_rec
        # neurons in front of the first with a trace eps_a: none has one where the rule cuts it
        self._n_regular = network.n_regular if back.beta.any() else n_rec
        n_adaptive = n_rec - self._n_regular
        n_pre = n_in + n_rec
        # a spike is remembered for as long as it silences, but no longer than the trial
        self._forward = Forward(network, kind, shape, BLOCK)
        self._filter_out = Filter(network.kappa, BLOCK, kind)
        self._filter = Filter(back.kappa, BLOCK, kind)
        self._psi = kind.zeros(BLOCK, n_batch, n_rec)
        self._sums = PerNeuron(back, kind, (4 if back.theta else 3, n_batch), BLOCK)
        self._errors = PerNeuron(back, kind, (n_batch,), BLOCK)
        # what arrives: eps_v of the step before the block (0 where w is in its place), then [x[t], z[t-1]]
        self._pre = kind.zeros(1 + BLOCK, n_batch, n_pre)
        # states before a block t0..t1-1
        self._eps_a = kind.zeros(n_batch, n_pre, n_adaptive)  # [t0]
        self._ebar = kind.zeros(n_batch, n_pre, n_rec)  # [t0-1]
        self._zbar = kind.zeros(n_batch, n_rec)  # [t0-1]
        self._w = kind.zeros(n_batch, n_pre, n_rec) if back.theta else None  # [t0]
        # decay over 0, 1, .. steps
        steps = np.arange(BLOCK + 1)
        self._alpha_powers = kind.from_numpy(back.alpha**steps)
        self._kappa_powers = kind.from_numpy(network.kappa**steps)  # of zbar
        self._back_powers = kind.from_numpy(back.kappa**steps)  # of ebar
        self._sum = kind.zeros(n_pre, n_rec)  # (i, j) sum of e over trials and time
        self._gradient = kind.zeros(n_pre, n_rec)
        self._gradient_out = kind.zeros(n_rec, network.n_out)

    def gradients(
        self, loaded: Loaded, weights: Tensors, feedback: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], Metrics]:
        """Gradients by name, and metrics; feedback F (n_rec, n_out) sends the error back."""
        network, n_steps = self._network, loaded.shape[0]
        task = TaskLoss(self._objective, loaded, network.n_out)
        self._forward.restart(weights)
        for state in (
            self._pre, self._eps_a, self._ebar, self._zbar, self._sum, self._gradient, self._gradient_out
        ):  # fmt: skip
            state.zero_()
        if self._w is not None:
            self._w.zero_()
        for start, stop in blocks(n_steps, self._objective.window, BLOCK):
            n = stop - start
            psi = self._psi[:n]
            y = self._forward.advance(loaded.x[start:stop], psi)
            self._pre[1 : n + 1, :, : network.n_in] = self._forward.x[:n]
            self._pre[1 : n + 1, :, network.n_in :] = self._forward.z[:n]
            if start >= n_steps - self._objective.window:
                ell = task.error(y, start)
                self._learn(ell, task.target(y, start) if self._own_signal else ell, psi, feedback)
            self._carry(psi)
        # the rates, and with them c, are known only now
        rate = RateLoss.of(self._forward.counts, loaded.shape, network, self._objective)
        gradient = self._gradient + self._sum * rate.c.to(self._kind.dtype)
        gradient_in, gradient_rec = gradient[: network.n_in], gradient[network.n_in :]
        gradient_rec.fill_diagonal_(0.0)
        gradients = {"w_in": gradient_in, "w_rec": gradient_rec, "w_out": self._gradient_out.clone()}
        return gradients, metrics(task, rate)

    def _add_product(self, lam_v: torch.Tensor, lam_a: torch.Tensor, total: torch.Tensor) -> None:
        """Phi, summed over trials, on top of `total` (n_pre, n_rec)."""
        n_regular = self._n_regular
        pre = self._pre[: len(lam_v)]
        total.addmm_(pre.view(-1, pre.shape[-1]).T, lam_v.reshape(-1, lam_v.shape[-1]))
        total[:, n_regular:] += torch.einsum("bij,bj->ij", self._eps_a, lam_a[:, n_regular:])
        if self._w is not None:
            total += torch.einsum("bij,bj->ij", self._w, lam_v[1])

    def _add_phi(self, lam_v: torch.Tensor, total: torch.Tensor) -> None:
        """Phi of each trial, but for its last term, on top of `total` (batch, n_pre, n); last n neurons."""
        n = total.shape[-1]
        lam_v = lam_v[..., lam_v.shape[-1] - n :]
        trial_pre = self._pre[: len(lam_v)].permute(1, 2, 0)  # (batch, n_pre, 1 + steps)
        total.baddbmm_(trial_pre, lam_v.transpose(0, 1))
        if self._w is not None:
            total.addcmul_(self._w[:, :, self._w.shape[-1] - n :], lam_v[1][:, None])

    def _learn(
        self, ell: torch.Tensor, sent: torch.Tensor, psi: torch.Tensor, feedback: torch.Tensor
    ) -> None:
        """sum_t L[t] ebar[t], with w[t] = (1-kappa) sum_{s>=t} kappa^(s-t) L[s]; and zbar[t]^T ell[t]."""
        gain, n = self._back.gain, len(ell)
        none_after = torch.zeros_like(ell[0])
        # now sum_{s>=t} kappa^(s-t) ell[s]
        ell = self._filter_out.backward(ell, none_after)
        sent = self._filter.backward(sent, none_after)
        self._errors.restart()
        lam_v = self._errors.extended_block(psi, (gain * sent) @ feedback.T)
        self._add_product(lam_v, self._errors.lam_a, self._gradient)
        # what was in the traces before the block
        before = self._back.kappa * sent[0]  # (batch, n_out)
        self._gradient += torch.einsum("bij,bj->ij", self._ebar, before @ feedback.T)
        z = self._forward.z[1 : n + 1].view(-1, self._network.n_rec)
        self._gradient_out.addmm_(z.T, (gain * ell).view(len(z), -1))
        self._gradient_out.addmm_(self._zbar.T, self._network.kappa * ell[0])

    def _carry(self, psi: torch.Tensor) -> None:
        """The sum of e, and all traces to the end of the block."""
        n, n_regular, gain = len(psi), self._n_regular, self._back.gain
        # w = 1 and q = 0: sum_t e[t]; w[t] = (1-kappa) kappa^(t1-1-t) and q = 0: ebar[t1-1], less
        # kappa^n ebar[t0-1]; w = 0 and q = 1: eps_a[t1]
        w = gain * self._back_powers[:n].flip(0)
        none = torch.zeros_like(w)
        drives = [torch.ones_like(w), w, none, none][: len(self._sums.lam_a)]
        self._sums.restart()
        self._sums.lam_a[A] = 1.0
        if self._w is not None:
            self._sums.lam_v[W] = 1.0
        lam_v = self._sums.extended_block(psi[:, None], torch.stack(drives, dim=1)[..., None, None])
        lam_a = self._sums.lam_a
        self._add_product(lam_v[:, SUM], lam_a[SUM], self._sum)
        pre = self._pre[: n + 1]
        # ebar[t1-1] = kappa^n ebar[t0-1] + Phi
        self._add_phi(lam_v[:, BAR], self._ebar.mul_(self._back_powers[n]))
        self._ebar[:, :, n_regular:].addcmul_(self._eps_a, lam_a[BAR, :, None, n_regular:])
        following = None
        if self._w is not None:  # as eps_a needs w[t0], w[t1] is put in place last
            following = torch.zeros_like(self._w)
            self._add_phi(lam_v[:, W], following)
            following[:, :, n_regular:].addcmul_(self._eps_a, lam_a[W, :, None, n_regular:])
        self._add_phi(lam_v[:, A], self._eps_a.mul_(lam_a[A, :, None, n_regular:]))
        # zbar[t1-1], and last, as it is part of `pre`, eps_v[t1-1]
        z = self._forward.z[1 : n + 1]
        w_out = gain * self._kappa_powers[:n].flip(0)
        self._zbar.mul_(self._kappa_powers[n]).add_(torch.tensordot(w_out, z, 1))
        if following is None:
            pre[0] = torch.tensordot(self._alpha_powers[: n + 1].flip(0), pre, 1)
            flush(pre[0], self._kind.floor)
        else:
            self._w = following
        flush(self._zbar, self._kind.floor)
