"""The forward pass in torch operations, in blocks of time steps, on preallocated buffers.

    here           README.md         unit or scaling
    _v             v[t]              over theta
    _a             a[t]              as there
    u              u[t]              plus 1: v[t]/theta - beta a[t]/theta; far below where silent
    _beta          beta              over theta
    _w_in, _w_rec  W_in, W_rec       W_in/theta and W_rec/theta - I: the reset is a weight
    _barrier       refractory        2^100 for each spike of the last n_ref - 1 steps, taken from u
    z              z[t-1], z[t], ..  of a block, as numbers
    _w_out         W_out             times (1-kappa): z[t] W_out is filtered instead of z[t]

Buffers are time-major, (time, batch, n), so that one step of a batch is one contiguous piece of memory.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from implementations.interface import Setting
from implementations.network import Network
from implementations.process import changed
from implementations.torch.weights import Tensors

# What is taken from the potential of a silent neuron for each spike that keeps it silent. A power of two, so
# that sums of few of them are exact, and so large that no potential is left above the threshold.
_BARRIER = 2.0**100


class Kind(NamedTuple):
    """Of all tensors of a learner."""

    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, setting: Setting) -> "Kind":
        """What a setting asks for."""
        return cls(getattr(torch, setting.dtype.name), torch.device(setting.device))

    def zeros(self, *shape: int) -> torch.Tensor:
        """Zeros of this kind; nothing depends on torch's default dtype and device."""
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def from_numpy(self, array: np.ndarray) -> torch.Tensor:
        """A copy of `array`."""
        return torch.from_numpy(np.array(array, order="C")).to(self.device, self.dtype)

    @property
    def floor(self) -> float:
        """Set to 0 below this: far from what rounding sees, and from denormal numbers, which are slow."""
        info = torch.finfo(self.dtype)
        return info.tiny / info.eps


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch, time-major.

    Attributes:
        x: (time, batch, n_in) bool.
        targets: (batch,) classes; or (window, batch, n_out) float, where the loss is "squared_error".
        shares: (window, batch, 1) by how much each step counts, empty where all count alike.
        setting: of the learner that loaded it.
    """

    x: torch.Tensor
    targets: torch.Tensor
    shares: torch.Tensor
    setting: Setting

    @property
    def shape(self) -> tuple[int, int]:
        """Number of steps, number of trials."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What a recorded engine has to have in the same place each time."""
        return [self.x, self.targets, self.shares]

    def with_tensors(self, tensors: list[torch.Tensor]) -> "Loaded":
        """The same setting with other tensors, in that order."""
        x, targets, shares = tensors
        return Loaded(x, targets, shares, self.setting)


def one_thread() -> AbstractContextManager[None]:
    """For time loops: a step is too short to be worth sharing, and on a busy machine waits for the others."""
    return changed(torch.set_num_threads, torch.get_num_threads(), 1)


def flush(state: torch.Tensor, floor: float) -> None:
    """Set to 0 what has decayed below `floor`; NaN stays."""
    state.copy_(torch.nn.functional.hardshrink(state, floor))


class Filter:
    """x[t] + decay x[t-1] + decay^2 x[t-2] + ... of up to `size` steps, as one product with a matrix."""

    def __init__(self, decay: float, size: int, kind: Kind) -> None:
        steps = np.arange(size)
        lags = steps[:, None] - steps
        self._matrix = kind.from_numpy(np.where(lags >= 0, decay ** np.maximum(lags, 0.0), 0.0))
        self._powers = kind.from_numpy(decay ** (steps + 1.0))

    def forward(self, x: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """(steps, batch, n) filtered, of x (steps, batch, n), after `before` (batch, n)."""
        n = len(x)
        filtered = (self._matrix[:n, :n] @ x.reshape(n, -1)).view(x.shape)
        return torch.addcmul(filtered, self._powers[:n, None, None], before)

    def backward(self, x: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """The same, backward in time."""
        n = len(x)
        filtered = (self._matrix[:n, :n].T @ x.reshape(n, -1)).view(x.shape)
        return torch.addcmul(filtered, self._powers[:n].flip(0)[:, None, None], after)


class Forward:
    """State and buffers of the forward pass of `n_batch` trials of `n_steps` steps.

    Attributes:
        x: (block, batch, n_in) inputs of the latest block, in the dtype.
        z: (1 + block, batch, n_rec) spikes z[t-1] .. of the latest block, in the dtype.
        counts: (n_rec,) spikes since `restart`.
    """

    def __init__(self, network: Network, kind: Kind, shape: tuple[int, int], block: int) -> None:
        n_steps, n_batch = shape
        n_rec = network.n_rec
        self.network, self.kind, self.block = network, kind, block
        # a spike keeps a neuron silent for so many steps, and has to be remembered for as long
        self._silent_steps = min(max(network.refractory_steps - 1, 0), n_steps)
        self._z = kind.zeros(self._silent_steps + 1 + block, n_batch, n_rec)
        self.z = self._z[self._silent_steps :]
        self.x = kind.zeros(block, n_batch, network.n_in)
        self.u = kind.zeros(block, n_batch, n_rec)
        self.counts = torch.zeros(n_rec, dtype=torch.int64, device=kind.device)
        self._v = kind.zeros(n_batch, n_rec)
        self._a = kind.zeros(n_batch, n_rec)
        self._barrier = kind.zeros(n_batch, n_rec)
        self._y = kind.zeros(n_batch, network.n_out)
        self._one = kind.zeros(1) + 1.0
        self._beta = kind.from_numpy(np.tile(network.beta / network.threshold, (n_batch, 1)))
        self._filter = Filter(network.kappa, block, kind)

    def restart(self, weights: Tensors) -> None:
        """All states to 0; with these weights from now on."""
        theta = self.network.threshold
        self._w_in = weights["w_in"] / theta
        self._w_rec = weights["w_rec"] / theta
        self._w_rec.diagonal().sub_(1.0)  # the reset is a weight
        self._w_out = (1.0 - self.network.kappa) * weights["w_out"]
        self._last = 0  # steps of the latest block
        for state in (self._z, self._v, self._a, self._barrier, self._y, self.counts):
            state.zero_()

    def advance(self, x: torch.Tensor, psi: torch.Tensor | None = None) -> torch.Tensor:
        """The next block of steps; leaves `x` and `z` of it.

        Args:
            x: (steps, batch, n_in) bool, at most `block` steps.
            psi: (steps, batch, n_rec), out, where given.

        Returns:
            (steps, batch, n_out) readout.
        """
        n, floor = len(x), self.kind.floor
        kept = self._silent_steps + 1
        self._z[:kept] = self._z[self._last : self._last + kept].clone()
        self._last = n
        self.x[:n] = x
        torch.matmul(self.x[:n], self._w_in, out=self.u[:n])
        with one_thread():
            self._steps(n)
        for state in (self._v, self._a):
            flush(state, floor)
        z = self.z[1 : n + 1]
        self.counts += z.sum(dim=(0, 1)).to(torch.int64)
        if psi is not None:
            # psi[t] = dampening/theta max(0, 1 - |u[t]|), and 0 of silent neurons, whose u is far below
            torch.sub(self.u[:n], 1.0, out=psi)
            torch.sub(self._one, psi.abs_(), out=psi)
            psi.clamp_min_(0.0).mul_(self.network.dampening / self.network.threshold)
        y = self._filter.forward(z @ self._w_out, self._y)
        self._y.copy_(y[-1])
        flush(self._y, floor)
        return y

    def _steps(self, n: int) -> None:
        """The neurons; `u` has what the inputs add, and gets u + 1."""
        alpha, rho, silent = self.network.alpha, self.network.rho, self._silent_steps
        v, a, barrier, beta, w_rec = self._v, self._a, self._barrier, self._beta, self._w_rec
        adaptive = self.network.n_adaptive > 0
        steps = zip(self.u[:n].unbind(), self._z.unbind(), self.z.unbind(), self.z[1:].unbind(), strict=False)
        for u, z_past, z_before, z in steps:
            # v[t] = alpha v[t-1] + x[t] W_in + z[t-1] (W_rec - theta I)
            torch.add(u, v, alpha=alpha, out=v)
            v.addmm_(z_before, w_rec)
            # u[t] + 1 = v[t] - beta a[t],  a[t] = rho a[t-1] + z[t-1]
            if adaptive:
                torch.add(z_before, a, alpha=rho, out=a)
                torch.addcmul(v, beta, a, value=-1.0, out=u)
            else:
                u.copy_(v)
            if silent > 1:
                # spikes of the last n_ref - 1 steps: one more, one less
                barrier.add_(z_before, alpha=_BARRIER)
                barrier.sub_(z_past, alpha=_BARRIER)
                u.sub_(barrier)
            elif silent == 1:
                u.sub_(z_before, alpha=_BARRIER)
            torch.gt(u, 1.0, out=z)
