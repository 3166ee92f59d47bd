"""`PeerLearner`: what is asked of a library's network, whichever it is. Needs NumPy alone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from implementations.interface import Setting
from implementations.objective import Objective
from implementations.types import Activity, Batch, Gradients, Metrics

_UNKNOWN = float("nan")


class PeerLearner(ABC):
    """A network in a library, and its training step; `systems.Measurable` says what each method does.

    Args:
        setting: what it is to do.
    """

    engine = "own"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @abstractmethod
    def load(self, batch: Batch) -> Any:
        """As the library takes it."""

    @abstractmethod
    def step(self, loaded: Any) -> Metrics:
        """One training step; of its metrics the loss alone is known, NaN where that is not."""

    def curve(self, batches: Sequence[Batch]) -> list[float]:
        """The loss of each batch before its training step, one after the other."""
        return [float(self.step(self.load(batch)).loss) for batch in batches]

    @abstractmethod
    def gradients(self, loaded: Any) -> tuple[Gradients, float]:
        """Gradients and the loss, as NumPy arrays."""

    @abstractmethod
    def simulate(self, loaded: Any) -> Activity:
        """Spikes (batch, time, n_rec) and readout (batch, time, n_out)."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """All that training changes."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned."""

    def synchronize(self) -> None:  # noqa: B027 (most compute before they return)
        """Wait until all is done."""

    def evaluate(self, loaded: Any) -> Metrics:
        """A forward pass; libraries count in their own ways, and its loss is in none of them a call."""
        spikes = self.simulate(loaded).spikes
        rate_hz = 1e3 * float(spikes.mean()) / self.setting.network.dt_ms
        return Metrics(_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, rate_hz)


def only_loss(loss: float) -> Metrics:
    """Metrics of a step that tells nothing else."""
    return Metrics(loss, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)


def rate_loss(spikes: np.ndarray, objective: Objective, dt_ms: float) -> float:
    """The regularisation of firing rates of spikes (batch, time, n_rec)."""
    rates = spikes.mean((0, 1)) / dt_ms
    return float(objective.rate_cost * ((rates - objective.rate_target_per_ms) ** 2).sum())
