"""What BPTT, the ladder and adjoint e-prop share: a forward pass that is stored, and the way back over it."""

from typing import Protocol

import torch

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.torch.loop.bptt import ThroughTime
from implementations.torch.loop.dynamics import Filter, Forward, Kind, Loaded, flush
from implementations.torch.loop.hops import Ladder
from implementations.torch.loop.loss import RateLoss, TaskLoss, metrics
from implementations.torch.loop.per_neuron import PerNeuron
from implementations.torch.weights import Tensors
from implementations.types import Metrics
from implementations.way_back import WayBack

BLOCK = 32  # steps; the buffers of a block stay in the cache


class Recursion(Protocol):
    """The neurons, backward in time, for all trials."""

    def restart(self, w_rec: torch.Tensor) -> None:
        """lam_v[T] = lam_a[T] = 0."""
        ...

    def block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """lam_v (steps, batch, n_rec) of a block; `drive` is what dz gets from outside the neurons."""
        ...


def recursion(setting: Setting, n_steps: int, n_batch: int) -> Recursion | None:
    """What the errors of a rule do on their way back over a trial; None where none go back."""
    hops, kind, back = setting.rule.hops, Kind.of(setting), WayBack.of(setting.rule, setting.network)
    if setting.rule.feedback == "none":
        return None
    if hops == 0:
        return PerNeuron(back, kind, (n_batch,), BLOCK)
    # a connection takes a step: more hops than steps are all that there are
    if hops < n_steps:
        return Ladder(back, kind, n_batch, BLOCK, int(hops))
    return ThroughTime(back, kind, n_batch, BLOCK)


class ErrorFilter:
    """lbar[t] = kappa lbar[t+1] + (1-kappa) ell[t], by blocks from the last one on."""

    def __init__(self, kappa: float, gain: float, kind: Kind, n_batch: int, n_out: int) -> None:
        self._gain, self._floor = gain, kind.floor
        self._filter = Filter(kappa, BLOCK, kind)
        self._next = kind.zeros(n_batch, n_out)

    def restart(self) -> None:
        """lbar[T] = 0."""
        self._next.zero_()

    def block(self, ell: torch.Tensor | None, n: int) -> torch.Tensor:
        """lbar (steps, batch, n_out) of `n` steps; ell likewise, None where it is 0."""
        flush(self._next, self._floor)
        scaled = self._next.new_zeros((n, *self._next.shape)) if ell is None else ell * self._gain
        lbar = self._filter.backward(scaled, self._next)
        self._next.copy_(lbar[0])
        return lbar


class Adjoint:
    """Buffers for batches of one shape (time, batch), and the gradient by going backward over the trial."""

    def __init__(self, setting: Setting, shape: tuple[int, int]) -> None:
        n_steps, n_batch = shape
        self._network, self._objective = setting.network, setting.objective
        self._kind = kind = Kind.of(setting)
        n_rec, n_out = self._network.n_rec, self._network.n_out
        back = WayBack.of(setting.rule, self._network)
        self._recursion = recursion(setting, n_steps, n_batch)
        self._forward = Forward(self._network, kind, shape, BLOCK)
        self._blocks = blocks(n_steps, self._objective.window, BLOCK)
        # spikes from step -1 on: those before the trial are none
        self._z = torch.zeros((1 + n_steps, n_batch, n_rec), dtype=torch.bool, device=kind.device)
        self._ell = kind.zeros(self._objective.window, n_batch, n_out)
        # what goes to the neurons: most often what goes to W_out
        own_signal = setting.rule.signal != "error"
        self._sent = torch.zeros_like(self._ell) if own_signal else self._ell
        self._lbar_out = ErrorFilter(self._network.kappa, back.gain, kind, n_batch, n_out)
        shared = not own_signal and back.kappa == self._network.kappa
        self._lbar = self._lbar_out if shared else ErrorFilter(back.kappa, back.gain, kind, n_batch, n_out)
        if self._recursion is not None:
            self._psi = kind.zeros(n_steps, n_batch, n_rec)
            self._drive = kind.zeros(BLOCK, n_batch, n_rec)

    def gradients(
        self, loaded: Loaded, weights: Tensors, feedback: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], Metrics]:
        """Gradients by name, and metrics; feedback F (n_rec, n_out) sends the error back."""
        task = TaskLoss(self._objective, loaded, self._network.n_out)
        self._forward.restart(weights)
        window_start = loaded.shape[0] - self._objective.window
        for start, stop in self._blocks:
            psi = None if self._recursion is None else self._psi[start:stop]
            y = self._forward.advance(loaded.x[start:stop], psi)
            self._z[1 + start : 1 + stop] = self._forward.z[1 : 1 + stop - start]
            if start >= window_start:
                inside = slice(start - window_start, stop - window_start)
                self._ell[inside] = task.error(y, start)
                if self._sent is not self._ell:
                    self._sent[inside] = task.target(y, start)
        rate = RateLoss.of(self._forward.counts, loaded.shape, self._network, self._objective)
        if self._recursion is not None:
            self._recursion.restart(weights["w_rec"])
        return self._backward(loaded, feedback, rate.c.to(self._kind.dtype)), metrics(task, rate)

    def _backward(self, loaded: Loaded, feedback: torch.Tensor, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """From the last block to the first."""
        n_in, n_rec, n_out = self._network.n_in, self._network.n_rec, self._network.n_out
        window_start = loaded.shape[0] - self._objective.window
        gradient_in = self._kind.zeros(n_in, n_rec)
        gradient_rec = self._kind.zeros(n_rec, n_rec)
        gradient_out = self._kind.zeros(n_rec, n_out)
        for lbar in (self._lbar_out, self._lbar):
            lbar.restart()
        x, z = self._forward.x, self._forward.z
        for start, stop in reversed(self._blocks):
            n = stop - start
            inside = slice(start - window_start, stop - window_start) if start >= window_start else None
            lbar_out = self._lbar_out.block(None if inside is None else self._ell[inside], n)
            z[: n + 1] = self._z[start : stop + 1]
            # dW_out = sum_t z[t]^T lbar[t] = sum_t zbar[t]^T ell[t]
            gradient_out.addmm_(z[1 : n + 1].view(-1, n_rec).T, lbar_out.view(-1, n_out))
            if self._recursion is None:
                continue
            lbar = lbar_out
            if self._lbar is not self._lbar_out:
                lbar = self._lbar.block(None if inside is None else self._sent[inside], n)
            drive = torch.matmul(lbar, feedback.T, out=self._drive[:n]).add_(c)
            lam_v = self._recursion.block(self._psi[start:stop], drive).view(-1, n_rec)
            x[:n] = loaded.x[start:stop]
            gradient_in.addmm_(x[:n].view(-1, n_in).T, lam_v)
            gradient_rec.addmm_(z[:n].view(-1, n_rec).T, lam_v)
        gradient_rec.fill_diagonal_(0.0)
        return {"w_in": gradient_in, "w_rec": gradient_rec, "w_out": gradient_out}
