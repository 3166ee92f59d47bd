"""Weights and Adam on the device, and what the other kernels need of the weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import cuda

from implementations.interface import Setting
from implementations.network import Parameters
from implementations.numba.card.dynamics import check_size
from implementations.numba.card.optimizer import adam, prepare

THREADS = 128  # of kernels over single numbers


class DeviceWeights:
    """As `host.HostWeights` in host memory, in the dtype of a setting.

    Attributes:
        arrays: "w" = [W_in; W_rec], "w_out" and "feedback"; the arrays stay the same ones.
        forward: (n_in + n_rec, n_rec) [W_in; W_rec - theta I] over theta.
        backward: (n_rec, n_rec) W_rec^T, with the reset on its diagonal where the rule has its gradient.
        infinite: (1,) 1 where a weight is NaN or infinite, else 0.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        check_size(setting.network)
        self._setting = setting
        network, dtype = setting.network, setting.dtype
        w = np.concatenate([parameters.w_in, parameters.w_rec]).astype(dtype)
        self.arrays = {
            "w": cuda.to_device(w),
            "w_out": cuda.to_device(np.ascontiguousarray(parameters.w_out, dtype)),
            "feedback": cuda.to_device(np.ascontiguousarray(parameters.feedback, dtype)),
        }
        # what Adam trains, and the gradient that each follows; W_in and W_rec are one array
        self._trained = {"w": "w", "w_out": "w_out"}
        if "feedback" in setting.rule.trained:
            self._trained["feedback"] = "w_out"
        self._moments = {
            (kind, name): self._zeros(self.arrays[name].shape)
            for kind in ("mean", "square")
            for name in self._trained
        }
        self._adam_step = 0
        self.forward = self._zeros(w.shape)
        self.backward = self._zeros((network.n_rec, network.n_rec))
        self.infinite = cuda.to_device(np.zeros(1, np.int32))
        self._prepare()

    def train(self, gradients: Mapping[str, Any]) -> None:
        """One step of Adam from flat gradients of "w" and "w_out", and the decay of what decays."""
        s, scalar, decayed = self._setting.optimizer, self._setting.dtype.type, self._setting.rule.decayed
        self._adam_step += 1
        for name, followed in self._trained.items():
            weights = flat(self.arrays[name])
            keep = 1.0 - s.readout_decay if name in decayed else 1.0
            constants = (
                s.beta1, s.beta2, 1.0 - s.beta1, 1.0 - s.beta2,
                s.learning_rate / (1.0 - s.beta1**self._adam_step),
                1.0 / (1.0 - s.beta2**self._adam_step), s.epsilon, keep,
            )  # fmt: skip
            moments = (flat(self._moments["mean", name]), flat(self._moments["square", name]))
            adam.launch(
                *over(weights.shape[0]), 0, weights, gradients[followed], *moments, *map(scalar, constants)
            )
        self._prepare()

    def parameters(self) -> Parameters:
        """A copy of the weights, in host memory."""
        state = self.state()
        return Parameters(*(state[name] for name in ("w_in", "w_rec", "w_out", "feedback")))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments, by the names that `HostWeights` has."""
        state: dict[str, np.ndarray] = {"adam_step": np.array(self._adam_step)}
        for name, array in self.arrays.items():
            state |= self._named(name, array.copy_to_host())
        for (kind, name), array in self._moments.items():
            state |= {
                f"adam_{kind}_{key}": part for key, part in self._named(name, array.copy_to_host()).items()
            }
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned, or that of `HostWeights`."""
        self._adam_step = int(state["adam_step"])
        for name, array in self.arrays.items():
            self._put(array, name, state, "")
        for (kind, name), array in self._moments.items():
            self._put(array, name, state, f"adam_{kind}_")
        self.infinite.copy_to_device(np.zeros(1, np.int32))
        self._prepare()

    def _prepare(self) -> None:
        network, scalar = self._setting.network, self._setting.dtype.type
        reset = network.threshold if self._setting.rule.reset_gradient else 0.0
        n_cells = max(self.arrays["w"].shape[0] * network.n_rec, network.n_rec * network.n_out)
        prepare.launch(
            *over(n_cells), 0, *self.arrays.values(), network.n_in,
            scalar(network.threshold), scalar(reset), self.forward, self.backward, self.infinite,
        )  # fmt: skip

    def _named(self, name: str, array: np.ndarray) -> dict[str, np.ndarray]:
        """By the names of Parameters: "w" is w_in and w_rec."""
        if name != "w":
            return {name: array}
        n_in = self._setting.network.n_in
        return {"w_in": array[:n_in].copy(), "w_rec": array[n_in:].copy()}

    def _put(self, array: Any, name: str, state: Mapping[str, np.ndarray], prefix: str) -> None:
        names = ("w_in", "w_rec") if name == "w" else (name,)
        parts = [np.asarray(state[prefix + part], self._setting.dtype) for part in names]
        array.copy_to_device(np.ascontiguousarray(np.concatenate(parts)))

    def _zeros(self, shape: tuple[int, ...]) -> Any:
        return cuda.to_device(np.zeros(shape, self._setting.dtype))


def flat(array: Any) -> Any:
    """The same memory, of one axis."""
    return array.reshape(array.size) if array.ndim > 1 else array


def over(n: int) -> tuple[int, int]:
    """Blocks and threads for a thread per number."""
    n_threads = min(n, THREADS)
    return -(-n // n_threads), n_threads
