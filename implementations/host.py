"""Weights and optimizer in host memory: what backends without a framework of their own share."""

from collections.abc import Mapping

import numpy as np

from implementations import divergence
from implementations.interface import Setting
from implementations.network import Parameters
from implementations.optimizer import TRAINED, HostAdam
from implementations.types import Gradients, Metrics


class HostWeights:
    """Weights in the dtype of a setting, and the Adam that trains them."""

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._rule = setting.rule
        self._optimizer = HostAdam(setting.optimizer, setting.rule)
        weights = {
            name: np.array(getattr(parameters, name), setting.dtype) for name in (*TRAINED, "feedback")
        }
        # replaced as a whole, and never changed: Ctrl-C finds the state before a step, or the one after it
        self._state = self._optimizer.start(weights)

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """By name, the weights as they are now, and what Adam keeps; not to be written to."""
        return self._state

    def train(self, gradients: Gradients) -> None:
        """One step of Adam."""
        self._state = self._optimizer.step(self._state, {name: getattr(gradients, name) for name in TRAINED})

    def judged(self, metrics: Metrics) -> Metrics:
        """Metrics of the present weights, with NaN for the losses where the network has diverged."""
        return divergence.judged(metrics, self._state, self._rule)

    def parameters(self) -> Parameters:
        """A copy of the weights."""
        state = self._state
        return Parameters(*(state[name] for name in (*TRAINED, "feedback")))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments."""
        return {name: array.copy() for name, array in self._state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state.checked` returned."""
        self._state = dict(state)
