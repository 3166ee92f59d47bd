"""Online e-prop: eligibility traces carried forward, with memory that does not grow with time.

The traces e[t]_ij are linear in what arrives at the synapses, so they are carried over a block of steps at
once, exactly, instead of step by step. Any sum over a block,

    Phi_ij = sum_t w[t]_j e[t]_ij + q_j eps_a[t1]_ij        (the block is t = t0..t1-1)

is found by the recursion of `PerNeuron` from lam_a[t1] = q with the drive w:

    Phi_ij = sum_t pre[t]_i lam_v[t]_j + eps_v[t0-1]_i alpha lam_v[t0]_j + lam_a[t0]_j eps_a[t0]_ij

of which the first two terms are a matrix product, with eps_v[t0-1] as one more row of `pre`. Choices of w and
q give the next eps_a and ebar of each trial, and the sums over trials that make up the gradient.

Through the reset, potentials have a trace per synapse. What a block gets of it is then

    w[t0]_ij = alpha eps_v[t0-1]_ij - theta e[t0-1]_ij

in place of alpha eps_v[t0-1]_i; w[t1] is Phi from lam_v[t1] = 1, with nothing else.
"""

from collections.abc import Mapping

import numpy as np

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.network import Network
from implementations.numpy.dynamics import Forward, Loaded, Threads
from implementations.numpy.loss import RateLoss, TaskLoss, metrics
from implementations.numpy.per_neuron import PerNeuron
from implementations.types import Gradients, Metrics
from implementations.way_back import WayBack

BLOCK = 64  # steps; longer ones read and write the traces less often, but fall out of the cache
TRACE_BYTES = 64 * 2**20  # trials are done in groups whose traces take no more than this


def group_sizes(network: Network, dtype: np.dtype, n_batch: int, reset: bool = False) -> list[int]:
    """Sizes of the groups of trials, as even as may be; through the reset there is one trace more."""
    n_pre = network.n_in + network.n_rec
    trial_bytes = n_pre * (2 * (network.n_rec + network.n_adaptive) + reset * network.n_rec) * dtype.itemsize
    n_groups = -(-n_batch // max(TRACE_BYTES // trial_bytes, 1))
    size, n_larger = divmod(n_batch, n_groups)
    return [size + 1] * n_larger + [size] * (n_groups - n_larger)


class Online:
    """Traces of `n_batch` trials and the buffers of a block."""

    def __init__(self, setting: Setting, n_batch: int, one_thread: Threads) -> None:
        network, dtype = setting.network, setting.dtype
        back = WayBack.of(setting.rule, network)
        n_rec, n_adaptive, n_out = network.n_rec, network.n_adaptive, network.n_out
        n_pre = network.n_in + n_rec
        self.n_batch = n_batch
        self._network, self._objective = network, setting.objective
        self._own_signal = setting.rule.signal != "error"
        self._one_thread = one_thread
        self._forward = Forward(network, dtype, n_batch, BLOCK, one_thread)
        self._psi = np.empty((BLOCK, n_batch, n_rec), dtype)
        self._neurons = PerNeuron(back, dtype, n_batch)
        self._adaptive = PerNeuron(back, dtype, n_batch, first=network.n_regular)
        # row 0 is alpha lam_v[t0], which meets eps_v[t0-1] in row 0 of `pre`
        self._lam_v = np.empty((BLOCK + 1, n_batch, n_rec), dtype)
        self._lam_v_adaptive = np.empty((BLOCK + 1, n_batch, n_adaptive), dtype)
        self._drive = np.empty((BLOCK, n_batch, n_rec), dtype)
        # states before a block t0..t1-1
        self._eps_a = np.empty((n_batch, n_pre, n_adaptive), dtype)  # [t0]
        self._ebar = np.empty((n_batch, n_pre, n_rec), dtype)  # [t0-1]
        self._zbar = np.empty((n_batch, n_rec), dtype)  # [t0-1]
        self._new_adaptive = np.empty_like(self._eps_a)
        self._new = np.empty_like(self._ebar)
        self._ones = np.ones((n_batch, n_rec), dtype)
        self._zeros = np.zeros((n_batch, n_rec), dtype)
        # decay over 0, 1, .. steps
        steps = np.arange(BLOCK + 1)
        self._alpha_powers = (back.alpha**steps).astype(dtype)
        self._kappa_powers = (network.kappa**steps).astype(dtype)  # of zbar
        self._back_powers = (back.kappa**steps).astype(dtype)  # of ebar
        self._alpha = dtype.type(back.alpha)
        # [t0], as above; without the reset, w is alpha eps_v, the first row of `pre` and of lam_v
        self._w = np.empty((n_batch, n_pre, n_rec), dtype) if back.theta else None
        self._sum = np.empty((n_pre, n_rec), dtype)  # (i, j) sum of e over trials and time
        self._gradient = np.empty((n_pre, n_rec), dtype)
        self._gradient_out = np.empty((n_rec, n_out), dtype)

    def run(
        self,
        loaded: Loaded,
        trials: slice,
        task: TaskLoss,
        weights: Mapping[str, np.ndarray],
        feedback: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Spikes per neuron, sum of e, task gradient and that of W_out, summed over `trials`."""
        n_steps, window = len(loaded.x), self._objective.window
        self._forward.restart(weights["w_in"], weights["w_rec"], weights["w_out"])
        for state in (self._eps_a, self._ebar, self._zbar, self._sum, self._gradient, self._gradient_out):
            state[...] = 0
        if self._w is not None:
            self._w[...] = 0
        for start, stop in blocks(n_steps, window, BLOCK):
            psi = self._psi[: stop - start]
            y = self._forward.advance(loaded.x[start:stop, trials], psi=psi)
            if start >= n_steps - window:
                ell = task.error(y, start, trials)
                sent = task.target(start, stop, trials) if self._own_signal else ell
                self._learn(ell, sent, psi, feedback)
            self._add_sum(psi)
            if stop < n_steps:
                self._carry(psi)
        return self._forward.counts, self._sum, self._gradient, self._gradient_out

    def _backward(
        self,
        neurons: PerNeuron,
        psi: np.ndarray,
        drive: np.ndarray,
        lam_a: float,
        lam_v: np.ndarray,
        after: np.ndarray | None = None,
    ) -> np.ndarray:
        """lam_v (1 + steps, batch, n) of a block, from lam_a and lam_v at t1; leaves lam_a[t0] in `neurons`.

        Args:
            after: (batch, n) lam_v[t1], 0 where not given.
        """
        neurons.lam_a[...] = lam_a
        following = self._zeros[:, : psi.shape[-1]] if after is None else after
        with self._one_thread():
            for k in reversed(range(len(psi))):
                neurons.step(psi[k], drive[k], following, lam_v[k + 1])
                following = lam_v[k + 1]
        np.multiply(following, self._alpha, out=lam_v[0])
        return lam_v[: len(psi) + 1]

    def _add_product(self, lam_v: np.ndarray, total: np.ndarray) -> None:
        """Phi, summed over trials, on top of `total` (n_pre, n_rec)."""
        n_regular = self._network.n_regular
        pre = self._forward.pre[: len(lam_v)]
        total += pre.reshape(-1, pre.shape[-1]).T @ lam_v.reshape(-1, lam_v.shape[-1])
        lam_a = self._neurons.lam_a[:, n_regular:]
        total[:, n_regular:] += np.einsum("bij,bj->ij", self._eps_a, lam_a)
        if self._w is not None:
            total += np.einsum("bij,bj->ij", self._w, lam_v[1])

    def _phi(self, lam_v: np.ndarray, out: np.ndarray) -> None:
        """Phi of each trial into `out` (batch, n_pre, n), but for its last term; of the last n neurons."""
        trial_pre = self._forward.pre[: len(lam_v)].transpose(1, 2, 0)  # (batch, n_pre, 1 + steps)
        np.matmul(trial_pre, lam_v.transpose(1, 0, 2), out=out)
        if self._w is not None:
            out += self._w[:, :, self._w.shape[-1] - lam_v.shape[-1] :] * lam_v[1][:, None]

    def _add_sum(self, psi: np.ndarray) -> None:
        """sum_t e[t]: w = 1."""
        ones = np.broadcast_to(self._ones, psi.shape)
        self._add_product(self._backward(self._neurons, psi, ones, 0.0, self._lam_v), self._sum)

    def _learn(self, ell: np.ndarray, sent: np.ndarray, psi: np.ndarray, feedback: np.ndarray) -> None:
        """sum_t L[t] ebar[t], with w[t] = (1-kappa) sum_{s>=t} kappa^(s-t) L[s]; and zbar[t]^T ell[t]."""
        n, n_rec = len(ell), self._network.n_rec
        kappa, back_kappa = self._kappa_powers[1], self._back_powers[1]
        gain = 1 - self._forward.constants.kappa
        sent = _filtered(sent, back_kappa)
        ell = sent if not self._own_signal and back_kappa == kappa else _filtered(ell, kappa)
        drive = self._drive[:n]
        np.matmul(gain * sent, feedback.T, out=drive)
        self._add_product(self._backward(self._neurons, psi, drive, 0.0, self._lam_v), self._gradient)
        # what was in the traces before the block
        self._gradient += np.einsum("bij,bj->ij", self._ebar, (back_kappa * sent[0]) @ feedback.T)
        z = self._forward.pre[2 : n + 2, :, self._network.n_in :].reshape(-1, n_rec)
        self._gradient_out += z.T @ (gain * ell).reshape(len(z), -1) + self._zbar.T @ (kappa * ell[0])

    def _carry(self, psi: np.ndarray) -> None:
        """All traces to the end of the block."""
        n, n_in, n_regular = len(psi), self._network.n_in, self._network.n_regular
        gain = 1 - self._forward.constants.kappa
        pre = self._forward.pre
        # ebar[t1-1] = kappa^n ebar[t0-1] + Phi, with w[t] = (1-kappa) kappa^(t1-1-t)
        w = (gain * self._back_powers[:n])[::-1]
        drive = np.broadcast_to(w[:, None, None], psi.shape)
        lam_v = self._backward(self._neurons, psi, drive, 0.0, self._lam_v)
        self._phi(lam_v, self._new)
        np.multiply(self._ebar, self._back_powers[n], out=self._ebar)
        np.add(self._ebar, self._new, out=self._ebar)
        ebar = self._ebar[:, :, n_regular:]
        np.multiply(self._eps_a, self._neurons.lam_a[:, None, n_regular:], out=self._new_adaptive)
        np.add(ebar, self._new_adaptive, out=ebar)
        if self._w is not None:
            # w[t1] = Phi, with lam_v[t1] = 1; as the other traces need w[t0], it is put in place last
            drive = np.broadcast_to(self._zeros, psi.shape)
            lam_v = self._backward(self._neurons, psi, drive, 0.0, self._lam_v, self._ones)
            self._phi(lam_v, self._new)
            np.multiply(self._eps_a, self._neurons.lam_a[:, None, n_regular:], out=self._new_adaptive)
            self._new[:, :, n_regular:] += self._new_adaptive
        # eps_a[t1] = Phi, with w = 0 and q = 1
        drive = np.broadcast_to(self._zeros[:, n_regular:], (n, *self._adaptive.lam_a.shape))
        lam_v = self._backward(self._adaptive, psi[:, :, n_regular:], drive, 1.0, self._lam_v_adaptive)
        self._phi(lam_v, self._new_adaptive)
        np.multiply(self._eps_a, self._adaptive.lam_a[:, None], out=self._eps_a)
        np.add(self._eps_a, self._new_adaptive, out=self._eps_a)
        # zbar[t1-1], and last, as it is part of `pre`, eps_v[t1-1]
        z = pre[2 : n + 2, :, n_in:]
        np.multiply(self._zbar, self._kappa_powers[n], out=self._zbar)
        self._zbar += np.tensordot((gain * self._kappa_powers[:n])[::-1], z, 1)
        if self._w is None:
            pre[0] = np.tensordot(self._alpha_powers[n::-1], pre[: n + 1], 1)
        else:
            self._w, self._new = self._new, self._w


def _filtered(ell: np.ndarray, kappa: np.floating) -> np.ndarray:
    """sum_{s>=t} kappa^(s-t) ell[s] of each step t of a block."""
    found = ell.copy()
    for k in reversed(range(len(ell) - 1)):
        found[k] += kappa * found[k + 1]
    return found


class OnlineGradients:
    """The gradient of a batch, in groups of trials."""

    def __init__(self, setting: Setting, one_thread: Threads) -> None:
        self._setting = setting
        self._one_thread = one_thread
        self._group: Online | None = None

    def gradients(
        self, loaded: Loaded, weights: Mapping[str, np.ndarray], feedback: np.ndarray
    ) -> tuple[Gradients, Metrics]:
        """Gradients and metrics; feedback F (n_rec, n_out) sends the error back."""
        n_steps, n_batch, n_in = loaded.x.shape
        network, objective, dtype = self._setting.network, self._setting.objective, self._setting.dtype
        task = TaskLoss(objective, loaded, network.n_out)
        totals: list[np.ndarray] = []
        first = 0
        for size in group_sizes(network, dtype, n_batch, self._setting.rule.reset_gradient):
            parts = self._of(size).run(loaded, slice(first, first + size), task, weights, feedback)
            totals = (
                [a + b for a, b in zip(totals, parts, strict=True)] if totals else [p.copy() for p in parts]
            )
            first += size
        counts, trace_sum, gradient, gradient_out = totals
        # the rates, and with them c, are known only now
        rate = RateLoss.of(counts, (n_steps, n_batch), network, objective)
        gradient += trace_sum * rate.c.astype(dtype)
        np.fill_diagonal(gradient[n_in:], 0)
        return Gradients(gradient[:n_in], gradient[n_in:], gradient_out), metrics(task, rate)

    def _of(self, n_batch: int) -> Online:
        """Buffers for groups of this size; only the latest are kept."""
        if self._group is None or self._group.n_batch != n_batch:
            self._group = None  # first give back the old ones
            self._group = Online(self._setting, n_batch, self._one_thread)
        return self._group
