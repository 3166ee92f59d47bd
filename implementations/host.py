"""Weights and optimizer in host memory: what backends without a framework of their own share."""

from collections.abc import Mapping

import numpy as np

from implementations.interface import Setting
from implementations.network import Parameters
from implementations.optimizer import TRAINED, HostAdam
from implementations.types import Gradients


class HostWeights:
    """Weights in the dtype of a setting, and the Adam that changes them in place.

    Attributes:
        arrays: w_in, w_rec, w_out and feedback by name; the arrays stay the same ones.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        names = (*TRAINED, "feedback")
        self.arrays = {name: np.array(getattr(parameters, name), setting.dtype) for name in names}
        self._optimizer = HostAdam(setting.optimizer, setting.rule, self.arrays)

    def train(self, gradients: Gradients) -> None:
        """One step of Adam."""
        self._optimizer.update({name: getattr(gradients, name) for name in TRAINED})

    def parameters(self) -> Parameters:
        """A copy of the weights."""
        return Parameters(**self.arrays)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of Adam's moments."""
        return {name: array.copy() for name, array in self.arrays.items()} | self._optimizer.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned."""
        for name, array in self.arrays.items():
            array[...] = state[name]
        self._optimizer.restore(state)
