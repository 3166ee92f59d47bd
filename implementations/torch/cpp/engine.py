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
from implementations.way_back import WayBack


@dataclass(frozen=True, eq=False)
class Events:
    """A batch as the operators read it.

    Attributes:
        x_offset: (batch, time+1), x_index: the inputs that spike at step t of trial b are
            x_index[x_offset[b, t] : x_offset[b, t+1]].
        classes: (batch,) targets, empty where the loss is squared error.
        curves: (batch, window, n_out) targets over the window, empty where the loss is cross-entropy.
        shares: (batch, window) by how much each step counts, empty where all count alike.
        setting: of the learner that loaded it.
    """

    x_offset: torch.Tensor
    x_index: torch.Tensor
    classes: torch.Tensor
    curves: torch.Tensor
    shares: torch.Tensor
    setting: Setting

    @property
    def tensors(self) -> list[torch.Tensor]:
        """In the order of the operators."""
        return [self.x_offset, self.x_index, self.classes, self.curves, self.shares]


class CppEngine:
    """Calls the operators for one learner, whose scratch memory it keeps."""

    loaded = Events

    def __init__(self, setting: Setting, weights: Tensors) -> None:
        self._setting = setting
        self._threads = setting.threads or available_cores()
        self._back = WayBack.of(setting.rule, setting.network)
        betas = [
            torch.from_numpy(np.array(beta, np.float64)) for beta in (setting.network.beta, self._back.beta)
        ]
        names = "w_in", "w_rec", "w_out", setting.rule.feedback_weights
        self._weights = [*(weights[name] for name in names), *betas]
        # the same memory, as the tensors stay the same ones
        self._arrays = {name: weights[name].numpy() for name in weights_used(setting.rule)}
        self._scratch = torch.empty(0, dtype=torch.uint8, device="cpu")

    def load(self, batch: Batch) -> Events:
        """Lists of the inputs that spike."""
        return self.load_with(batch, batch.shares(self._setting.objective, self._setting.dtype))

    def load_with(self, batch: Batch, shares: np.ndarray) -> Events:
        """The same, where the shares are those of the trials in a larger batch."""
        setting = self._setting
        spikes = torch.from_numpy(np.array(batch.spikes, order="C"))
        classes, curves = batch.targets_within(setting.objective, setting.dtype)
        x_offset, x_index = torch.ops.eprop_bench.to_events(spikes, self._threads)
        of_trials = [torch.from_numpy(array) for array in (classes, curves, shares)]
        return Events(x_offset, x_index, of_trials[0], of_trials[1], of_trials[2], setting)

    def gradients(self, loaded: Events) -> tuple[dict[str, torch.Tensor], Metrics]:
        """By name, and the metrics as numbers."""
        found, figures = self._gradients(loaded, apart=False)
        return found, self._metrics(figures)

    def parts(self, loaded: Events) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of the task loss and, as a second w_in and w_rec, sums of the traces; and `sums`.

        Of rules without the recurrent gradient, in which c is a factor.
        """
        return self._gradients(loaded, apart=True)

    def gradients_given(self, loaded: Events, c: torch.Tensor) -> dict[str, torch.Tensor]:
        """Where c (n_rec,) double, the derivative of the rate loss by a spike, is known.

        Of rules with the recurrent gradient.
        """
        return self._recurrent(loaded, c)[0]

    def sums(self, loaded: Events) -> torch.Tensor:
        """(n_rec + 3,) double: spikes of each neuron, task loss, right answers and trials, summed up."""
        return torch.ops.eprop_bench.evaluate(*self._arguments(loaded), True, self._threads, self._scratch)

    def _gradients(self, loaded: Events, *, apart: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The way of the rule; `apart` where c is for the caller to add, see `parts`."""
        rule = self._setting.rule
        if rule.feedback == "none":
            return self._readout(loaded, apart)
        if rule.recurrent_gradient:
            return self._recurrent(loaded, None)
        *found, figures = torch.ops.eprop_bench.eprop(
            *self._arguments(loaded), rule.signal == "target", self._setting.mode == "online", apart,
            self._threads, self._scratch,
        )  # fmt: skip
        return dict(zip(TRAINED, found, strict=True)), figures

    def _recurrent(
        self, loaded: Events, c: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients and, unless c is known, metrics."""
        rule, n_steps = self._setting.rule, loaded.x_offset.shape[1] - 1
        *found, figures = torch.ops.eprop_bench.recurrent(
            *self._arguments(loaded), rule.signal == "target", int(min(rule.hops, n_steps)), c,
            self._threads, self._scratch,
        )  # fmt: skip
        return dict(zip(TRAINED, found, strict=True)), figures

    def _readout(self, loaded: Events, apart: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Zeros for all but W_out, in the shapes of `eprop`."""
        w_out, figures = torch.ops.eprop_bench.readout(
            *self._arguments(loaded), apart, self._threads, self._scratch
        )
        lead = (2,) if apart else ()
        still = (weights.new_zeros(lead + weights.shape) for weights in self._weights[:2])
        return dict(zip(TRAINED, (*still, w_out), strict=True)), figures

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
            self._back.alpha, self._back.kappa, self._back.theta,
        ]  # fmt: skip
        refractory_steps = min(network.refractory_steps, 2**62)  # fits int64; the operators cut it further
        return loaded.tensors, self._weights, settings, refractory_steps, objective.window

    def _metrics(self, figures: torch.Tensor) -> Metrics:
        task_loss, rate_loss, accuracy, rate_hz = figures.tolist()
        return self.judged(Metrics(task_loss + rate_loss, task_loss, rate_loss, accuracy, rate_hz))
