"""The NumPy backend: what it keeps between calls."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from implementations import checks
from implementations.blocks import blocks
from implementations.host import HostWeights
from implementations.interface import Learner as Interface
from implementations.interface import Setting, check_loaded
from implementations.network import Parameters
from implementations.numpy.adjoint import Adjoint
from implementations.numpy.blas import Blas
from implementations.numpy.dynamics import Forward, Loaded
from implementations.numpy.loss import RateLoss, TaskLoss, metrics
from implementations.numpy.online import OnlineGradients
from implementations.process import quiet
from implementations.state import checked, entries
from implementations.types import Activity, Batch, Gradients, Metrics

_BLOCK = 64  # steps of a block where only the forward pass is wanted


def unavailable(device: str) -> str | None:
    """Why the backend can't run on the device; None where it can."""
    if device == "cuda":
        return "NumPy computes on the CPU only, use device 'cpu'"
    return None


class Learner(Interface):
    """Whole batches per time step; products over blocks of steps."""

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._setting = setting
        self._host = HostWeights(setting, parameters)
        self._blas = Blas()
        self._online = OnlineGradients(setting, self._one_thread)
        self._adjoint: tuple[tuple[int, int], Adjoint] | None = None
        self._forward: tuple[int, Forward] | None = None

    def load(self, batch: Batch) -> Loaded:
        """A time-major copy."""
        checks.instance("batch", batch, Batch)
        network, objective = self._setting.network, self._setting.objective
        batch.check_fits(network, objective, self._setting.dtype)
        if objective.loss == "squared_error":
            window = batch.targets[:, -objective.window :].transpose(1, 0, 2)
            targets = np.array(window, self._setting.dtype, order="C")
        else:
            targets = batch.targets.astype(np.int64)
        shares = None if batch.mask is None else batch.shares(objective, self._setting.dtype).T[..., None]
        return Loaded(np.array(batch.spikes.transpose(1, 0, 2), order="C"), targets, shares, self._setting)

    def gradients(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        """Forward and backward, or forward with traces."""
        check_loaded(loaded, Loaded, self._setting)
        feedback = self._weights[self._setting.rule.feedback_weights]
        with self._all_threads():
            if self._setting.mode == "online":
                found, figures = self._online.gradients(loaded, self._weights, feedback)
            else:
                shape = (len(loaded.x), loaded.x.shape[1])
                found, figures = self._adjoint_of(shape).gradients(loaded, self._weights, feedback)
        return found, self._host.judged(figures)

    def step(self, loaded: Loaded) -> Metrics:
        """Gradients, then Adam; done when it returns."""
        gradients, figures = self.gradients(loaded)
        self._host.train(gradients)
        return figures

    def evaluate(self, loaded: Loaded) -> Metrics:
        """The forward pass, a block at a time."""
        check_loaded(loaded, Loaded, self._setting)
        network, objective = self._setting.network, self._setting.objective
        n_steps, n_batch, _ = loaded.x.shape
        task = TaskLoss(objective, loaded, network.n_out)
        with self._all_threads():
            forward = self._forward_of(n_batch)
            for start, stop in blocks(n_steps, objective.window, _BLOCK):
                y = forward.advance(loaded.x[start:stop])
                if start >= n_steps - objective.window:
                    task.error(y, start, slice(None))
        return self._host.judged(
            metrics(task, RateLoss.of(forward.counts, (n_steps, n_batch), network, objective))
        )

    def simulate(self, loaded: Loaded) -> Activity:
        """The forward pass, everything kept."""
        check_loaded(loaded, Loaded, self._setting)
        network = self._setting.network
        n_steps, n_batch, _ = loaded.x.shape
        spikes = np.empty((n_batch, n_steps, network.n_rec), np.bool_)
        readout = np.empty((n_batch, n_steps, network.n_out), self._setting.dtype)
        z = np.empty((_BLOCK, n_batch, network.n_rec), np.bool_)
        with self._all_threads():
            forward = self._forward_of(n_batch)
            for start, stop in blocks(n_steps, self._setting.objective.window, _BLOCK):
                y = forward.advance(loaded.x[start:stop], z[: stop - start])
                spikes[:, start:stop] = z[: stop - start].transpose(1, 0, 2)
                readout[:, start:stop] = y.transpose(1, 0, 2)
        return Activity(spikes, readout)

    def synchronize(self) -> None:
        """Nothing runs on after a call has returned."""

    def parameters(self) -> Parameters:
        """Copies."""
        return self._host.parameters()

    def state(self) -> dict[str, np.ndarray]:
        """Weights and Adam's moments."""
        return self._host.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Copies them back."""
        self._host.restore(checked(state, entries(self._setting)))

    @staticmethod
    def compilations() -> int:
        """Nothing is compiled."""
        return 0

    @property
    def _weights(self) -> Mapping[str, np.ndarray]:
        return self._host.arrays

    def _adjoint_of(self, shape: tuple[int, int]) -> Adjoint:
        """Buffers for batches of this shape (time, batch); only the latest are kept."""
        if self._adjoint is None or self._adjoint[0] != shape:
            self._adjoint = None  # first give back the old ones
            self._adjoint = (shape, Adjoint(self._setting, shape, self._one_thread))
        return self._adjoint[1]

    def _forward_of(self, n_batch: int) -> Forward:
        """A forward pass that begins anew; only the latest buffers are kept."""
        if self._forward is None or self._forward[0] != n_batch:
            self._forward = None
            network, dtype = self._setting.network, self._setting.dtype
            self._forward = (n_batch, Forward(network, dtype, n_batch, _BLOCK, self._one_thread))
        forward = self._forward[1]
        forward.restart(self._weights["w_in"], self._weights["w_rec"], self._weights["w_out"])
        return forward

    @contextmanager
    def _all_threads(self) -> Iterator[None]:
        """BLAS with the threads of the setting; afterwards as many as before."""
        with self._blas.threads(self._setting.threads), quiet():
            yield

    def _one_thread(self) -> AbstractContextManager[Any]:
        return self._blas.threads(1)
