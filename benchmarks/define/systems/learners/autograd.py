"""Training by PyTorch's autograd, as snnTorch, Norse and SpikingJelly teach it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from benchmarks.define.systems.learners.learner import PeerLearner, only_loss
from implementations.interface import Setting
from implementations.network import Parameters
from implementations.optimizer import TRAINED
from implementations.registry import available_cores
from implementations.types import Activity, Batch, Gradients, Metrics


class Network(NamedTuple):
    """A module: input (time, batch, n_in) to spikes (time, batch, n_rec) and readout (time, batch, n_out).

    Attributes:
        weights: w_in, w_rec and w_out, (post, pre) as PyTorch's layers have them, or whatever is trained in a
            network of another kind.
    """

    module: torch.nn.Module
    weights: Mapping[str, torch.nn.Parameter]


class AutogradLearner(PeerLearner):
    """A network of a library on PyTorch.

    Args:
        setting: what it is to do.
        make: makes the network; called once PyTorch has the threads and the precision of the setting.
    """

    def __init__(self, setting: Setting, make: Callable[[], Network]) -> None:
        super().__init__(setting)
        torch.set_num_threads(setting.threads or available_cores())
        self._dtype = getattr(torch, setting.dtype.name)
        torch.set_default_dtype(self._dtype)
        self._network, self._weights = make()
        adam = setting.optimizer
        self._adam = torch.optim.Adam(
            self._weights.values(), adam.learning_rate, (adam.beta1, adam.beta2), adam.epsilon
        )

    def load(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes (time, batch, n_in), and the class of each trial."""
        spikes = np.ascontiguousarray(batch.spikes.swapaxes(0, 1))
        return torch.as_tensor(spikes).to(self._dtype), torch.as_tensor(batch.targets.astype(np.int64))

    def step(self, loaded: Any) -> Metrics:
        """See `PeerLearner`."""
        self._adam.zero_grad(set_to_none=True)
        loss, _, _ = self._forward(loaded)
        loss.backward()
        self._adam.step()
        return only_loss(loss.item())

    def gradients(self, loaded: Any) -> tuple[Gradients, float]:
        """See `PeerLearner`."""
        self._adam.zero_grad(set_to_none=True)
        loss, _, _ = self._forward(loaded)
        loss.backward()
        found = {name: self._weights[name].grad for name in TRAINED}
        return Gradients(**{name: grad.numpy().T.copy() for name, grad in found.items()}), loss.item()  # type: ignore[union-attr]

    def simulate(self, loaded: Any) -> Activity:
        """See `PeerLearner`."""
        with torch.no_grad():
            _, spikes, readout = self._forward(loaded)
        return Activity(spikes.numpy().swapaxes(0, 1) > 0.0, readout.numpy().swapaxes(0, 1))

    def state(self) -> dict[str, np.ndarray]:
        """Weights and what Adam keeps, which is nothing before its first step."""
        found: dict[str, np.ndarray] = {}
        for name, weight in self._weights.items():
            found[name] = weight.detach().numpy().copy()
            for key, value in self._adam.state.get(weight, {}).items():
                found[f"{name}.{key}"] = value.numpy().copy()
        return found

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `PeerLearner`."""
        self._adam.state.clear()
        for name, weight in self._weights.items():
            with torch.no_grad():
                weight.copy_(torch.as_tensor(state[name]))
            kept = {key.rpartition(".")[2]: key for key in state if key.startswith(f"{name}.")}
            if kept:
                moments = {part: torch.as_tensor(state[key]).clone() for part, key in kept.items()}
                self._adam.state[weight] = moments

    def _forward(self, loaded: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss, spikes and readout."""
        inputs, targets = loaded
        objective = self.setting.objective
        spikes, readout = self._network(inputs)
        within = readout[-objective.window :].flatten(0, 1)  # (window * batch, n_out)
        loss = functional.cross_entropy(within, targets.repeat(objective.window))
        rates = spikes.mean((0, 1)) / self.setting.network.dt_ms
        loss = loss + objective.rate_cost * ((rates - objective.rate_target_per_ms) ** 2).sum()
        return loss, spikes, readout


class _Triangle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: torch.Tensor, dampening: float) -> torch.Tensor:  # type: ignore[override]
        ctx.save_for_backward(u)
        ctx.dampening = dampening
        return (u > 0.0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:  # type: ignore[override]
        (u,) = ctx.saved_tensors
        return gradient * (ctx.dampening * torch.clamp(1.0 - u.abs(), min=0.0)), None


def triangle(u: torch.Tensor, dampening: float) -> torch.Tensor:
    """z = 1 where u > 0, with the derivative dampening max(0, 1 - |u|)."""
    return _Triangle.apply(u, dampening)  # type: ignore[return-value]


def leaky(drive: torch.Tensor, kappa: float) -> torch.Tensor:
    """y[t] = kappa y[t-1] + drive[t] of (time, batch, n_out)."""
    y, found = torch.zeros_like(drive[0]), []
    # unbind: the gradient of drive[t] would fill all T steps, T times over
    for now in drive.unbind(0):
        y = kappa * y + now
        found.append(y)
    return torch.stack(found)


def weights(parameters: Parameters, dtype: np.dtype) -> dict[str, torch.nn.Parameter]:
    """The trained weights as PyTorch's layers have them, (post, pre)."""
    arrays = {name: np.array(getattr(parameters, name).T, dtype, order="C") for name in TRAINED}
    return {name: torch.nn.Parameter(torch.as_tensor(array)) for name, array in arrays.items()}


def without_autapses(weight: torch.nn.Parameter) -> torch.nn.Parameter:
    """The same; a neuron gets no connection to itself, as the gradient of the diagonal is taken off."""
    weight.register_hook(lambda gradient: gradient - torch.diag(torch.diagonal(gradient)))
    return weight
