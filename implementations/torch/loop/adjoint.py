"""What BPTT and adjoint e-prop share: a forward pass that is stored, and the way back over it."""

from typing import Protocol

import torch

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.torch.loop.dynamics import Filter, Forward, Kind, Loaded, flush
from implementations.torch.loop.loss import RateLoss, TaskLoss, metrics
from implementations.torch.weights import Tensors
from implementations.types import Metrics

BLOCK = 32  # steps; the buffers of a block stay in the cache


class Recursion(Protocol):
    """The neurons, backward in time, for all trials."""

    def restart(self, w_rec: torch.Tensor) -> None:
        """lam_v[T] = lam_a[T] = 0."""
        ...

    def block(self, psi: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
        """lam_v (steps, batch, n_rec) of a block; `drive` is what dz gets from outside the neurons."""
        ...


class Adjoint:
    """Buffers for batches of one shape (time, batch), and the gradient by going backward over the trial."""

    def __init__(self, setting: Setting, shape: tuple[int, int], recursion: Recursion) -> None:
        n_steps, n_batch = shape
        self._network, self._objective = setting.network, setting.objective
        self._kind = kind = Kind.of(setting)
        n_rec, n_out = self._network.n_rec, self._network.n_out
        self._recursion = recursion
        self._forward = Forward(self._network, kind, shape, BLOCK)
        self._filter = Filter(self._network.kappa, BLOCK, kind)
        self._blocks = blocks(n_steps, self._objective.window, BLOCK)
        # spikes from step -1 on: those before the trial are none
        self._z = torch.zeros((1 + n_steps, n_batch, n_rec), dtype=torch.bool, device=kind.device)
        self._psi = kind.zeros(n_steps, n_batch, n_rec)
        self._ell = kind.zeros(self._objective.window, n_batch, n_out)
        self._drive = kind.zeros(BLOCK, n_batch, n_rec)

    def gradients(
        self, loaded: Loaded, weights: Tensors, feedback: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], Metrics]:
        """Gradients by name, and metrics; feedback F (n_rec, n_out) sends the error back."""
        task = TaskLoss(self._objective, loaded, self._network.n_out)
        self._forward.restart(weights)
        window_start = loaded.shape[0] - self._objective.window
        for start, stop in self._blocks:
            y = self._forward.advance(loaded.x[start:stop], self._psi[start:stop])
            self._z[1 + start : 1 + stop] = self._forward.z[1 : 1 + stop - start]
            if start >= window_start:
                self._ell[start - window_start : stop - window_start] = task.error(y, start)
        rate = RateLoss.of(self._forward.counts, loaded.shape, self._network, self._objective)
        self._recursion.restart(weights["w_rec"])
        return self._backward(loaded, feedback, rate.c.to(self._kind.dtype)), metrics(task, rate)

    def _backward(self, loaded: Loaded, feedback: torch.Tensor, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """From the last block to the first."""
        n_in, n_rec, n_out = self._network.n_in, self._network.n_rec, self._network.n_out
        window_start = loaded.shape[0] - self._objective.window
        gradient_in = self._kind.zeros(n_in, n_rec)
        gradient_rec = self._kind.zeros(n_rec, n_rec)
        gradient_out = self._kind.zeros(n_rec, n_out)
        lbar_next = self._kind.zeros(loaded.shape[1], n_out)
        x, z = self._forward.x, self._forward.z
        for start, stop in reversed(self._blocks):
            n = stop - start
            # lbar[t] = kappa lbar[t+1] + (1-kappa) ell[t]
            flush(lbar_next, self._kind.floor)
            ell = self._ell[start - window_start : stop - window_start] if start >= window_start else None
            scaled = (
                lbar_next.new_zeros((n, *lbar_next.shape)) if ell is None else ell * (1 - self._network.kappa)
            )
            lbar = self._filter.backward(scaled, lbar_next)
            lbar_next = lbar[0].clone()
            drive = torch.matmul(lbar, feedback.T, out=self._drive[:n]).add_(c)
            lam_v = self._recursion.block(self._psi[start:stop], drive).view(-1, n_rec)
            x[:n] = loaded.x[start:stop]
            z[: n + 1] = self._z[start : stop + 1]
            gradient_in.addmm_(x[:n].view(-1, n_in).T, lam_v)
            gradient_rec.addmm_(z[:n].view(-1, n_rec).T, lam_v)
            # dW_out = sum_t z[t]^T lbar[t] = sum_t zbar[t]^T ell[t]
            gradient_out.addmm_(z[1 : n + 1].view(-1, n_rec).T, lbar.view(-1, n_out))
        gradient_rec.fill_diagonal_(0.0)
        return {"w_in": gradient_in, "w_rec": gradient_rec, "w_out": gradient_out}
