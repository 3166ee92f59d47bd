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
        settings = self._adam
        if settings.clip_norm:
            gradients = _clipped(gradients, settings.clip_norm)
        rate = settings.learning_rate
        if settings.scheduled:
            rate = float(settings.rate(self._steps + 1))
        _copy(self._next, self._kept)
        if settings.weight_decay:
            for tensor in self._trained(""):
                tensor.mul_(1.0 - rate * settings.weight_decay)
        adam_step(
            self._trained(""),
            [gradients[followed] for followed in self._rule.trained.values()],
            self._trained(_MEAN),
            self._trained(_SQUARE),
            [],
            self._trained(_STEP),
            # one kernel for the whole update: half the time on the CPU of one per operation, foreach or not
            fused=True,
            lr=rate,
            beta1=settings.beta1,
            beta2=settings.beta2,
            eps=settings.epsilon,
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )
        for name in self._rule.decayed:
            self._next[name].mul_(1.0 - settings.readout_decay)
        _copy(self._kept, self._next)

    def parameters(self) -> Parameters:
        """A copy of the weights."""
        return Parameters(**{name: to_numpy(tensor) for name, tensor in self.tensors.items()})

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments."""
        steps = {name: tensor for name, tensor in self._kept.items() if name.startswith(_STEP)}
        state = {name: to_numpy(tensor) for name, tensor in self._kept.items() if name not in steps}
        return state | {"adam_step": np.array(self._steps)}

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

    @property
    def _steps(self) -> int:
        """Steps done; waits for them on a device."""
        return int(next(tensor for name, tensor in self._kept.items() if name.startswith(_STEP)).item())

    def _trained(self, kind: str) -> list[torch.Tensor]:
        return [self._next[kind + name] for name in self._rule.trained]


def _clipped(gradients: Tensors, clip_norm: float) -> Tensors:
    """As `optimizer.clipping` says, on the device and without waiting for it."""
    norms = [torch.linalg.vector_norm(gradient, dtype=torch.float64) for gradient in gradients.values()]
    scale = (clip_norm / torch.linalg.vector_norm(torch.stack(norms))).clamp(max=1.0)
    return {name: gradient * scale.to(gradient.dtype) for name, gradient in gradients.items()}


def _copy(into: dict[str, torch.Tensor], out_of: dict[str, torch.Tensor]) -> None:
    """Between dicts in the same order. One call, in the midst of which Python raises no KeyboardInterrupt."""
    torch._foreach_copy_(list(into.values()), list(out_of.values()))  # type: ignore[attr-defined]
