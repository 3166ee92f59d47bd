"""Weights on a device, and torch's Adam that changes them in place."""

from collections.abc import Mapping

import numpy as np
import torch
from torch.optim.adam import adam as adam_step

from implementations.interface import Setting
from implementations.network import Parameters
from implementations.optimizer import TRAINED
from implementations.types import Gradients

Tensors = Mapping[str, torch.Tensor]

_MEAN, _SQUARE, _STEP = "adam_mean_", "adam_square_", "adam_step_"


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy in host memory."""
    return np.array(tensor.cpu().numpy())


def gradients_to_numpy(gradients: Tensors) -> Gradients:
    """Copies in host memory."""
    return Gradients(*(to_numpy(gradients[name]) for name in TRAINED))


class Weights:
    """Weights in the dtype of a setting, on its device, and torch's Adam that trains them.

    Attributes:
        tensors: w_in, w_rec, w_out and feedback by name; the tensors stay the same ones.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._rule, self._adam = setting.rule, setting.optimizer
        self.tensors = {
            name: torch.from_numpy(np.array(getattr(parameters, name), setting.dtype)).to(setting.device)
            for name in (*TRAINED, "feedback")
        }
        self._kept = dict(self.tensors)
        for name in self._rule.trained:
            self._kept[_MEAN + name] = torch.zeros_like(self.tensors[name])
            self._kept[_SQUARE + name] = torch.zeros_like(self.tensors[name])
            # Adam's kernels count the steps of each tensor, in float32
            self._kept[_STEP + name] = torch.zeros((), dtype=torch.float32, device=setting.device)
        self._next = {name: torch.empty_like(tensor) for name, tensor in self._kept.items()}

    def train(self, gradients: Tensors) -> None:
        """One step of Adam, then the decay of what decays; Ctrl-C finds it done, or not begun."""
        _copy(self._next, self._kept)
        adam_step(
            self._trained(""),
            [gradients[followed] for followed in self._rule.trained.values()],
            self._trained(_MEAN),
            self._trained(_SQUARE),
            [],
            self._trained(_STEP),
            # one kernel for the whole update: half the time on the CPU of one per operation, foreach or not
            fused=True,
            lr=self._adam.learning_rate,
            beta1=self._adam.beta1,
            beta2=self._adam.beta2,
            eps=self._adam.epsilon,
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )
        for name in self._rule.decayed:
            self._next[name].mul_(1.0 - self._adam.readout_decay)
        _copy(self._kept, self._next)

    def parameters(self) -> Parameters:
        """A copy of the weights."""
        return Parameters(**{name: to_numpy(tensor) for name, tensor in self.tensors.items()})

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments."""
        steps = {name: tensor for name, tensor in self._kept.items() if name.startswith(_STEP)}
        state = {name: to_numpy(tensor) for name, tensor in self._kept.items() if name not in steps}
        return state | {"adam_step": np.array(int(next(iter(steps.values())).item()))}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned; Ctrl-C finds it done, or not begun."""
        _copy(
            self._kept,
            {
                name: torch.from_numpy(
                    np.array(state["adam_step" if name.startswith(_STEP) else name], np.float64)
                )
                for name in self._kept
            },
        )

    def _trained(self, kind: str) -> list[torch.Tensor]:
        return [self._next[kind + name] for name in self._rule.trained]


def _copy(into: dict[str, torch.Tensor], out_of: dict[str, torch.Tensor]) -> None:
    """Between dicts in the same order. One call, in the midst of which Python raises no KeyboardInterrupt."""
    torch._foreach_copy_(list(into.values()), list(out_of.values()))  # type: ignore[attr-defined]
