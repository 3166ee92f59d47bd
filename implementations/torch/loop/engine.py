"""The engine: which pass a rule and mode take, with buffers kept from batch to batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from implementations.blocks import blocks
from implementations.interface import Setting
from implementations.process import changed
from implementations.registry import available_cores
from implementations.torch.exact import exact
from implementations.torch.loop.adjoint import BLOCK, Adjoint
from implementations.torch.loop.dynamics import Forward, Kind, Loaded
from implementations.torch.loop.loss import RateLoss, TaskLoss, judged, metrics
from implementations.torch.loop.online import Online
from implementations.torch.weights import Tensors
from implementations.types import Batch, Metrics


class LoopEngine:
    """Keeps the buffers of one learner; those for the latest shape of batches only."""

    loaded = Loaded

    def __init__(self, setting: Setting, weights: Tensors) -> None:
        self._setting, self._weights = setting, weights
        self._kind = Kind.of(setting)
        self._feedback = weights[setting.rule.feedback_weights]
        self._way_back: tuple[tuple[int, int], Adjoint | Online] | None = None
        self._forward: tuple[tuple[int, int], Forward] | None = None

    def load(self, batch: Batch) -> Loaded:
        """A time-major copy."""
        objective, device = self._setting.objective, self._kind.device
        if objective.loss == "squared_error":
            targets = self._kind.from_numpy(batch.targets[:, -objective.window :].transpose(1, 0, 2))
        else:
            targets = torch.from_numpy(batch.targets.astype(np.int64)).to(device)
        x = torch.from_numpy(np.array(batch.spikes.transpose(1, 0, 2), order="C")).to(device)
        shares = self._kind.from_numpy(batch.shares(objective, self._setting.dtype).T[..., None])
        return Loaded(x, targets, shares, self._setting)

    def gradients(self, loaded: Loaded) -> tuple[dict[str, torch.Tensor], Metrics]:
        """By name; both still on the device."""
        with self._settings():
            way_back = self._way_back_of(loaded.shape)
            found, figures = way_back.gradients(loaded, self._weights, self._feedback)
            return found, self._judged(figures)

    def evaluate(self, loaded: Loaded) -> Metrics:
        """The forward pass alone; still on the device."""
        network, objective = self._setting.network, self._setting.objective
        task = TaskLoss(objective, loaded, network.n_out)
        with self._settings():
            forward = self._forward_of(loaded.shape)
            for start, stop in blocks(loaded.shape[0], objective.window, BLOCK):
                y = forward.advance(loaded.x[start:stop])
                if start >= loaded.shape[0] - objective.window:
                    task.error(y, start)
            rate = RateLoss.of(forward.counts, loaded.shape, network, objective)
            return self._judged(metrics(task, rate))

    def simulate(self, loaded: Loaded) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes (batch, time, n_rec) bool and readout (batch, time, n_out)."""
        network = self._setting.network
        n_steps, n_batch = loaded.shape
        device = self._kind.device
        spikes = torch.empty((n_batch, n_steps, network.n_rec), dtype=torch.bool, device=device)
        readout = self._kind.zeros(n_batch, n_steps, network.n_out)
        with self._settings():
            forward = self._forward_of(loaded.shape)
            for start, stop in blocks(n_steps, self._setting.objective.window, BLOCK):
                y = forward.advance(loaded.x[start:stop])
                spikes[:, start:stop] = forward.z[1 : 1 + stop - start].transpose(0, 1)
                readout[:, start:stop] = y.transpose(0, 1)
        return spikes, readout

    def _judged(self, figures: Metrics) -> Metrics:
        return judged(figures, self._weights, self._setting.rule)

    def _way_back_of(self, shape: tuple[int, int]) -> Adjoint | Online:
        if self._way_back is None or self._way_back[0] != shape:
            self._way_back = None  # first give back the old buffers
            kind = Online if self._setting.mode == "online" else Adjoint
            self._way_back = shape, kind(self._setting, shape)
        return self._way_back[1]

    def _forward_of(self, shape: tuple[int, int]) -> Forward:
        """A forward pass that begins anew."""
        if self._forward is None or self._forward[0] != shape:
            self._forward = None
            self._forward = shape, Forward(self._setting.network, self._kind, shape, BLOCK)
        forward = self._forward[1]
        forward.restart(self._weights)
        return forward

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Torch's thread count is the calling thread's; it is given back as it was."""
        wanted = self._setting.threads or available_cores()
        with changed(torch.set_num_threads, torch.get_num_threads(), wanted), exact(self._kind.device):
            yield
