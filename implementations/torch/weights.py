"""Weights on a device, and torch's Adam that changes them in place."""

from collections.abc import Mapping

import numpy as np
import torch

from implementations.interface import Setting
from implementations.network import Parameters
from implementations.optimizer import TRAINED
from implementations.types import Gradients

Tensors = Mapping[str, torch.Tensor]


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy in host memory."""
    return np.array(tensor.cpu().numpy())


def gradients_to_numpy(gradients: Tensors) -> Gradients:
    """Copies in host memory."""
    return Gradients(*(to_numpy(gradients[name]) for name in TRAINED))


class Weights:
    """Weights in the dtype of a setting, on its device.

    Attributes:
        tensors: w_in, w_rec, w_out and feedback by name; the tensors stay the same ones.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self.tensors = {
            name: torch.from_numpy(np.array(getattr(parameters, name), setting.dtype)).to(setting.device)
            for name in (*TRAINED, "feedback")
        }
        self._rule, adam = setting.rule, setting.optimizer
        self._kept = 1.0 - adam.readout_decay
        # one kernel for the whole update: half the time on the CPU of one per operation, foreach or not
        self._optimizer = torch.optim.Adam(
            [self.tensors[name] for name in self._rule.trained],
            lr=adam.learning_rate,
            betas=(adam.beta1, adam.beta2),
            eps=adam.epsilon,
            fused=True,
        )

    def train(self, gradients: Tensors) -> None:
        """One step of Adam, then the decay of what decays."""
        for name, followed in self._rule.trained.items():
            self.tensors[name].grad = gradients[followed]
        self._optimizer.step()
        for name in self._rule.decayed:
            self.tensors[name].mul_(self._kept)
        self._optimizer.zero_grad(set_to_none=True)

    def parameters(self) -> Parameters:
        """A copy of the weights."""
        return Parameters(**{name: to_numpy(tensor) for name, tensor in self.tensors.items()})

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments."""
        state = {name: to_numpy(tensor) for name, tensor in self.tensors.items()}
        state["adam_step"] = np.array(0)
        for name in self._rule.trained:
            tensor = self.tensors[name]
            moments = self._optimizer.state.get(tensor, {})
            if moments:
                state["adam_step"] = np.array(int(moments["step"].item()))
            mean, square = moments.get("exp_avg"), moments.get("exp_avg_sq")
            state[f"adam_mean_{name}"] = to_numpy(torch.zeros_like(tensor) if mean is None else mean)
            state[f"adam_square_{name}"] = to_numpy(torch.zeros_like(tensor) if square is None else square)
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned."""
        for name, tensor in self.tensors.items():
            tensor.copy_(torch.from_numpy(np.array(state[name])))
        moments = {}
        for i, name in enumerate(self._rule.trained):
            moments[i] = {
                "step": torch.full((), float(state["adam_step"]), dtype=torch.float32, device="cpu"),
                "exp_avg": torch.from_numpy(np.array(state[f"adam_mean_{name}"])),
                "exp_avg_sq": torch.from_numpy(np.array(state[f"adam_square_{name}"])),
            }
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
