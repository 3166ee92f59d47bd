"""Weights and Adam on the device, and what the other kernels need of the weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from implementations import checks
from implementations.divergence import Bounds
from implementations.interface import Setting
from implementations.network import Parameters
from implementations.numba.card import sums
from implementations.numba.card.dynamics import check_size
from implementations.numba.card.optimizer import adam, prepare
from implementations.optimizer import TRAINED, clipping

THREADS = 128  # of kernels over single numbers


class _State(NamedTuple):
    """Of the weights, of Adam, and what was made of them, on the device."""

    arrays: dict[str, Any]  # "w" = [W_in; W_rec], "w_out" and "feedback"
    moments: dict[tuple[str, str], Any]  # by "mean" or "square", and the name of what is trained
    forward: Any
    backward: Any
    diverged: Any
    adam_step: int


class DeviceWeights:
    """As `host.HostWeights` in host memory, in the dtype of a setting.

    A step writes the next state beside the present one, and then they change places: Ctrl-C finds the state
    before it, or the one after it.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        check_size(setting.network)
        self._setting = setting
        # what Adam trains, and the gradient that each follows; W_in and W_rec are one array
        self._trained = {"w": "w", "w_out": "w_out"}
        if "feedback" in setting.rule.trained:
            self._trained["feedback"] = "w_out"
        weights = {name: getattr(parameters, name) for name in (*TRAINED, "feedback")}
        moments = {
            f"adam_{kind}_{name}": np.zeros_like(weights[name])
            for kind in ("mean", "square")
            for name in setting.rule.trained
        }
        self.restore({"adam_step": np.array(0), **weights, **moments})

    @property
    def arrays(self) -> Mapping[str, Any]:
        """ "w" = [W_in; W_rec], "w_out" and "feedback", as they are now."""
        return self._states[0].arrays

    @property
    def forward(self) -> Any:
        """(n_in + n_rec, n_rec) [W_in; W_rec - theta I] over theta."""
        return self._states[0].forward

    @property
    def backward(self) -> Any:
        """(n_rec, n_rec) W_rec^T, with the reset on its diagonal where the rule has its gradient."""
        return self._states[0].backward

    @property
    def diverged(self) -> Any:
        """(1,) 1 where a weight that the rule uses is beyond `divergence.Bounds`, else 0."""
        return self._states[0].diverged

    def train(self, gradients: Mapping[str, Any]) -> None:
        """One step of Adam from flat gradients of "w" and "w_out", and the decay of what decays."""
        s, scalar, decayed = self._setting.optimizer, self._setting.dtype.type, self._setting.rule.decayed
        now, following = self._states
        step = now.adam_step + 1
        rate = float(s.rate(step))
        # what scales gradients and weights is in the constants of the kernel, which needs nothing more
        scale = 1.0
        if s.clip_norm:
            scale = clipping([gradients[name].copy_to_host() for name in ("w", "w_out")], s.clip_norm)
        left = 1.0 - rate * s.weight_decay
        if left <= 0.0:
            checks.fail("optimizer.weight_decay", s.weight_decay, f"less than 1/{rate:g}, the learning rate")
        for name, followed in self._trained.items():
            keep = 1.0 - s.readout_decay if name in decayed else 1.0
            constants = (
                s.beta1, s.beta2, (1.0 - s.beta1) * scale, (1.0 - s.beta2) * scale**2,
                rate / (1.0 - s.beta1**step) / left, 1.0 / (1.0 - s.beta2**step), s.epsilon, keep * left,
            )  # fmt: skip
            before, after = (
                [
                    flat(array)
                    for array in (
                        state.arrays[name],
                        state.moments["mean", name],
                        state.moments["square", name],
                    )
                ]
                for state in (now, following)
            )
            adam.launch(
                *over(before[0].shape[0]), 0, *before, gradients[followed], *after, *map(scalar, constants)
            )
        self._prepare(following)
        self._states = (following._replace(adam_step=step), now)

    def parameters(self) -> Parameters:
        """A copy of the weights, in host memory."""
        state = self.state()
        return Parameters(*(state[name] for name in ("w_in", "w_rec", "w_out", "feedback")))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments, by the names that `HostWeights` has."""
        now = self._states[0]
        state: dict[str, np.ndarray] = {"adam_step": np.array(now.adam_step)}
        for name, array in now.arrays.items():
            state |= self._named(name, array.copy_to_host())
        for (kind, name), array in now.moments.items():
            state |= {
                f"adam_{kind}_{key}": part for key, part in self._named(name, array.copy_to_host()).items()
            }
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned, or that of `HostWeights`."""
        network = self._setting.network
        arrays = {name: self._on_device(name, state, "") for name in ("w", "w_out", "feedback")}
        moments = {
            (kind, name): self._on_device(name, state, f"adam_{kind}_")
            for kind in ("mean", "square")
            for name in self._trained
        }
        forward = _like(arrays["w"])
        backward = cuda.device_array((network.n_rec,) * 2, self._setting.dtype)  # type: ignore[arg-type]
        diverged = cuda.device_array(1, np.int32)  # type: ignore[arg-type]
        now = _State(arrays, moments, forward, backward, diverged, int(state["adam_step"]))
        # feedback that is not trained is in both
        others = {name: _like(array) if name in self._trained else array for name, array in arrays.items()}
        spare = _State(
            others,
            {key: _like(array) for key, array in moments.items()},
            _like(forward),
            _like(backward),
            _like(diverged),
            0,
        )
        self._prepare(now)
        self._states = (now, spare)

    def _prepare(self, state: _State) -> None:
        """What is made of the weights of a state."""
        network, rule, scalar = self._setting.network, self._setting.rule, self._setting.dtype.type
        reset = network.threshold if rule.reset_gradient else 0.0
        w, w_out = state.arrays["w"], state.arrays["w_out"]
        n_cells = max(w.shape[0] * network.n_rec, network.n_rec * network.n_out)
        sums.clear.launch(1, 1, 0, state.diverged)
        prepare.launch(
            *over(n_cells), 0, w, w_out, state.arrays[rule.feedback_weights], network.n_in,
            scalar(network.threshold), scalar(reset), scalar(Bounds.of(self._setting.dtype).weight),
            state.forward, state.backward, state.diverged,
        )  # fmt: skip

    def _named(self, name: str, array: np.ndarray) -> dict[str, np.ndarray]:
        """By the names of Parameters: "w" is w_in and w_rec."""
        if name != "w":
            return {name: array}
        n_in = self._setting.network.n_in
        return {"w_in": array[:n_in].copy(), "w_rec": array[n_in:].copy()}

    def _on_device(self, name: str, state: Mapping[str, np.ndarray], prefix: str) -> Any:
        names = ("w_in", "w_rec") if name == "w" else (name,)
        parts = [np.asarray(state[prefix + part], self._setting.dtype) for part in names]
        return cuda.to_device(np.ascontiguousarray(np.concatenate(parts)))


def _like(array: Any) -> Any:
    """Memory for another one."""
    return cuda.device_array(array.shape, array.dtype)


def flat(array: Any) -> Any:
    """The same memory, of one axis."""
    return array.reshape(array.size) if array.ndim > 1 else array


def over(n: int) -> tuple[int, int]:
    """Blocks and threads for a thread per number."""
    n_threads = min(n, THREADS)
    return -(-n // n_threads), n_threads
