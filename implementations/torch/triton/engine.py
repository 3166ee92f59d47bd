"""The engine: a batch as bits on the device, and the calls of the operators.

Environment variables:
    EPROP_BENCH_TORCH_TRITON: "0" does without the kernels.
    TRITON_CACHE_DIR, TRITON_INTERPRET: as everywhere in Triton.
"""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from implementations.interface import Setting
from implementations.optimizer import TRAINED
from implementations.torch.weights import Tensors
from implementations.triton import choices, use
from implementations.types import Batch, Metrics

SWITCH = "EPROP_BENCH_TORCH_TRITON"
# where Triton looks for headers: Debian's own scheme names a folder that has none
_SCHEME = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")


def compilations() -> int:
    """Kernels that this process compiled, or loaded from Triton's cache on disk."""
    # not there unless a learner needed it
    launches = sys.modules.get("implementations.torch.triton.launches")
    return 0 if launches is None else launches.compilations()


def unusable(setting: Setting) -> str | None:
    """Why the kernels are not used for a setting; None where they are."""
    reason = use.unusable(SWITCH, "triton", (), setting.network.n_rec)
    if reason is not None:
        return reason
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "triton has no C compiler to build its launchers with: install gcc or clang, or name one in CC"
    if not Path(sysconfig.get_path("include", _SCHEME), "Python.h").exists():
        return "triton has no Python.h to build its launchers with: install python3-dev"
    return None


@dataclass(frozen=True, eq=False)
class Packed:
    """A batch as the kernels read it.

    Attributes:
        x_words: (batch, n_steps, words) int32; bit i of word w is input 32 w + i.
        classes: (batch,) targets, empty where the loss is squared error.
        curves: (batch, window, n_out) targets over the window, empty where the loss is cross-entropy.
        setting: of the learner that loaded it.
    """

    x_words: torch.Tensor
    classes: torch.Tensor
    curves: torch.Tensor
    setting: Setting

    @property
    def tensors(self) -> list[torch.Tensor]:
        """In the order of the operators."""
        return [self.x_words, self.classes, self.curves]

    def with_tensors(self, tensors: list[torch.Tensor]) -> "Packed":
        """The same setting with other tensors, in that order."""
        x_words, classes, curves = tensors
        return Packed(x_words, classes, curves, self.setting)


class TritonEngine:
    """Calls the operators for one learner. It works on the device where the weights are."""

    loaded = Packed

    def __init__(self, setting: Setting, weights: Tensors) -> None:
        from implementations.torch.triton import operators  # imports triton

        self._operators = operators
        self._chosen = choices.IN_FORCE.now().packed()
        self._setting = setting
        self._device = weights["w_in"].device
        feedback = weights[setting.rule.feedback_weights]
        beta = torch.from_numpy(np.array(setting.network.beta, setting.dtype)).to(self._device)
        self._weights = [weights["w_in"], weights["w_rec"], weights["w_out"], feedback, beta]

    def load(self, batch: Batch) -> Packed:
        """Bits, copied from pinned memory without waiting."""
        setting = self._setting
        batch.refuse_mask("the Triton kernels", f"with {SWITCH}=0, torch operations take one")
        classes, curves = batch.targets_within(setting.objective, setting.dtype)
        to = self._to_device
        return Packed(to(batch.spike_words().view(np.int32)), to(classes), to(curves), setting)

    def gradients(self, loaded: Packed) -> tuple[dict[str, torch.Tensor], Metrics]:
        """By name, and the metrics; all still on the device."""
        rule, operators = self._setting.rule, self._operators
        if self._setting.mode == "online":
            *found, figures = operators.carried(*self._arguments(loaded))
        else:
            flags = rule.recurrent_gradient, rule.reset_gradient
            *found, figures = operators.adjoint(*self._arguments(loaded), *flags)
        return dict(zip(TRAINED, found, strict=True)), Metrics(*figures.unbind())

    def evaluate(self, loaded: Packed) -> Metrics:
        """The forward pass alone."""
        return Metrics(*self._operators.evaluate(*self._arguments(loaded)).unbind())

    def simulate(self, loaded: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes (batch, time, n_rec) bool and readout (batch, time, n_out)."""
        spikes, readout = self._operators.simulate(*self._arguments(loaded))
        return spikes.bool(), readout

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type == "cuda" and tensor.numel() > 0:
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)

    def _arguments(
        self, loaded: Packed
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[float], list[int], list[int]]:
        """As the operators take them."""
        network, objective = self._setting.network, self._setting.objective
        constants = [
            network.alpha, network.rho, network.kappa, network.threshold, network.dampening, network.dt_ms,
            objective.rate_cost, objective.rate_target_per_ms,
        ]  # fmt: skip
        counts = [min(network.refractory_steps, 2**31 - 1), objective.window, network.n_in]
        return loaded.tensors, self._weights, list(map(float, constants)), counts, self._chosen
