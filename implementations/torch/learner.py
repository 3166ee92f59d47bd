"""The PyTorch backend: what it keeps, and which engine computes."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from implementations import checks
from implementations.interface import Learner as Interface
from implementations.interface import Setting, check_loaded
from implementations.network import Parameters
from implementations.process import changed
from implementations.state import checked, entries
from implementations.torch.cpp import extension
from implementations.torch.engines import engine
from implementations.torch.triton import engine as triton_engine
from implementations.torch.weights import Weights, gradients_to_numpy, to_numpy
from implementations.types import Activity, Batch, Gradients, Metrics


def unavailable(device: str) -> str | None:
    """Why the backend can't run on the device; None where it can."""
    if device == "cuda" and not torch.cuda.is_available():
        return "torch finds no CUDA device, use device 'cpu'"
    return None


class Learner(Interface):
    """C++ operators on the CPU, Triton kernels on a card, torch operations without them: see engines.py."""

    data_parallel = True

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._setting = setting
        # always in inference mode, whatever the caller's: its tensors can't be changed outside of it
        with torch.inference_mode():
            self._weights = Weights(setting, parameters)
            self._name, self._engine = engine(setting, self._weights.tensors)

    @property
    def engine(self) -> str:
        """See the interface."""
        return self._name

    def load(self, batch: Batch) -> Any:
        """See the interface."""
        checks.instance("batch", batch, Batch)
        setting = self._setting
        batch.check_fits(setting.network, setting.objective, setting.dtype)
        with torch.inference_mode():
            return self._engine.load(batch)

    def gradients(self, loaded: Any) -> tuple[Gradients, Metrics]:
        """See the interface."""
        self._check(loaded)
        with torch.inference_mode():
            gradients, metrics = self._engine.gradients(loaded)
            figures = (metrics.loss, metrics.task_loss, metrics.rate_loss, metrics.accuracy, metrics.rate_hz)
            return gradients_to_numpy(gradients), Metrics(*map(float, figures))

    def step(self, loaded: Any) -> Metrics:
        """See the interface."""
        self._check(loaded)
        with torch.inference_mode():
            gradients, metrics = self._engine.gradients(loaded)
            with self._threads():
                self._weights.train(gradients)
        return metrics

    def evaluate(self, loaded: Any) -> Metrics:
        """See the interface."""
        self._check(loaded)
        with torch.inference_mode():
            return self._engine.evaluate(loaded)

    def simulate(self, loaded: Any) -> Activity:
        """See the interface."""
        self._check(loaded)
        with torch.inference_mode():
            return Activity(*map(to_numpy, self._engine.simulate(loaded)))

    def synchronize(self) -> None:
        """See the interface."""
        if self._setting.device == "cuda":
            torch.cuda.synchronize()

    def parameters(self) -> Parameters:
        """See the interface."""
        with torch.inference_mode():
            return self._weights.parameters()

    def state(self) -> dict[str, np.ndarray]:
        """See the interface."""
        with torch.inference_mode():
            return self._weights.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See the interface."""
        found = checked(state, entries(self._setting))
        with torch.inference_mode():
            self._weights.restore(found)

    @staticmethod
    def compilations() -> int:
        """See the interface."""
        return extension.compilations() + triton_engine.compilations()

    def _threads(self) -> AbstractContextManager[None]:
        """For Adam's kernel: with more threads than there are free cores, it waits for milliseconds."""
        if self._setting.threads is None:
            return nullcontext()
        return changed(torch.set_num_threads, torch.get_num_threads(), self._setting.threads)

    def _check(self, loaded: Any) -> None:
        check_loaded(loaded, self._engine.loaded, self._setting)
