"""The engine: a batch as lists of events, and the calls of the C++ operators."""

from dataclasses import dataclass

import numpy as np
import torch

from implementations.divergence import judged, weights_used
from implementations.interface import Setting
from implementations.optimizer import TRAINED
from implementations.registry import available_cores
from implementations.torch.weights import Tensors
from implementations.types import Batch, Metrics


@dataclass(frozen=True, eq=False)
class Events:
    """A batch as the operators read it.

    Attributes:
        x_offset: (batch, time+1), x_index: the inputs that spike at step t of trial b are
            x_index[x_offset[b, t] : x_offset[b, t+1]].
        classes: (batch,) targets, empty where the loss is squared error.
        curves: (batch, window, n_out) targets over the window, empty where the loss is cross-entropy.
        setting: of the learner that loaded it.
    """

    x_offset: torch.Tensor
    x_index: torch.Tensor
    classes: torch.Tensor
    curves: torch.Tensor
    setting: Setting

    @property
    def tensors(self) -> list[torch.Tensor]:
        """In the order of the operators."""
        return [self.x_offset, self.x_index, self.classes, self.curves]


class CppEngine:
    """Calls the operators for one learner, whose scratch memory it keeps."""

    loaded = Events

    def __init__(self, setting: Setting, weights: Tensors) -> None:
        self._setting = setting
        self._threads = setting.threads or available_cores()
        feedback = weights[setting.rule.feedback_weights]
        beta = torch.from_numpy(np.array(setting.network.beta, np.float64))
        self._weights = [weights["w_in"], weights["w_rec"], weights["w_out"], feedback, beta]
        # the same memory, as the tensors stay the same ones
        self._arrays = {name: weights[name].numpy() for name in weights_used(setting.rule)}
        self._scratch = torch.empty(0, dtype=torch.uint8, device="cpu")

    def load(self, batch: Batch) -> Events:
        """Lists of the inputs that spike."""
        setting = self._setting
        spikes = torch.from_numpy(np.array(batch.spikes, order="C"))
        classes, curves = batch.targets_within(setting.objective, setting.dtype)
        x_offset, x_index = torch.ops.eprop_bench.to_events(spikes, self._threads)
        return Events(x_offset, x_index, torch.from_numpy(classes), torch.from_numpy(curves), setting)

    def gradients(self, loaded: Events) -> tuple[dict[str, torch.Tensor], Metrics]:
        """By name, and the metrics as numbers."""
        operators = torch.ops.eprop_bench
        rest = (self._threads, self._scratch)
        if self._setting.rule.recurrent_gradient:
            reset = self._setting.rule.reset_gradient
            *found, figures = operators.bptt(*self._arguments(loaded), reset, None, *rest)
        else:
            online = self._setting.mode == "online"
            *found, figures = operators.eprop(*self._arguments(loaded), online, False, *rest)
        return dict(zip(TRAINED, found, strict=True)), self._metrics(figures)

    def sums(self, loaded: Events) -> torch.Tensor:
        """(n_rec + 3,) double: spikes of each neuron, task loss, right answers and trials, summed up."""
        return torch.ops.eprop_bench.evaluate(*self._arguments(loaded), True, self._threads, self._scratch)

    def eprop_parts(self, loaded: Events) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of the task loss and, as a second w_in and w_rec, sums of the traces; and `sums`."""
        online = self._setting.mode == "online"
        *found, sums = torch.ops.eprop_bench.eprop(
            *self._arguments(loaded), online, True, self._threads, self._scratch
        )
        return dict(zip(TRAINED, found, strict=True)), sums

    def bptt_given(self, loaded: Events, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients where c (n_rec,) double, the derivative of the rate loss by a spike, is known."""
        reset = self._setting.rule.reset_gradient
        *found, _ = torch.ops.eprop_bench.bptt(
            *self._arguments(loaded), reset, c, self._threads, self._scratch
        )
        return dict(zip(TRAINED, found, strict=True))

    def evaluate(self, loaded: Events) -> Metrics:
        """The forward pass alone."""
        figures = torch.ops.eprop_bench.evaluate(
            *self._arguments(loaded), False, self._threads, self._scratch
        )
        return self._metrics(figures)

    def judged(self, metrics: Metrics) -> Metrics:
        """Metrics of the present weights, with NaN for the losses where the network has diverged."""
        return judged(metrics, self._arrays, self._setting.rule)

    def simulate(self, loaded: Events) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes (batch, time, n_rec) bool and readout (batch, time, n_out)."""
        return torch.ops.eprop_bench.simulate(*self._arguments(loaded), self._threads, self._scratch)

    def _arguments(self, loaded: Events) -> tuple[object, ...]:
        """Batch, weights, settings (named in operators.cpp), refractory steps and window."""
        network, objective = self._setting.network, self._setting.objective
        settings = [
            network.alpha, network.rho, network.kappa, network.threshold, network.dampening,
            (loaded.x_offset.shape[1] - 1) * network.dt_ms, objective.rate_cost, objective.rate_target_per_ms,
        ]  # fmt: skip
        refractory_steps = min(network.refractory_steps, 2**62)  # fits int64; the operators cut it further
        return loaded.tensors, self._weights, settings, refractory_steps, objective.window

    def _metrics(self, figures: torch.Tensor) -> Metrics:
        task_loss, rate_loss, accuracy, rate_hz = figures.tolist()
        return self.judged(Metrics(task_loss + rate_loss, task_loss, rate_loss, accuracy, rate_hz))
