"""Adam: its settings, and the update in NumPy for backends whose framework has none of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from implementations import checks
from implementations.rules import Rule

TRAINED = ("w_in", "w_rec", "w_out")


@dataclass(frozen=True)
class Adam:
    """Settings of Adam (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1; epsilon outside the root).

    Attributes:
        readout_decay: share of W_out and of the feedback that each update takes off, after Adam's step, in
            rules whose feedback is learned (Kolen & Pollack 1994; Akrout et al. 2019, arXiv 1904.05391), and
            in no other; not scaled by the learning rate. The code published with Bellec et al. 2020 has 1e-2
            for frames of TIMIT and 1e-4 for its sequences; the latter is the default, as evidence
            accumulation is learned worse with the former (docs/tried.md). There as here the feedback gets
            the gradient of W_out and moments of its own. There it begins as N(0, 1)/sqrt(n_rec), here as
            `Parameters` have it.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    learning_rate: float = 0.005
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    readout_decay: float = 1e-4

    def __post_init__(self) -> None:
        checks.number("learning_rate", self.learning_rate, minimum=0.0)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        checks.number("epsilon", self.epsilon, above=0.0)
        checks.fraction("readout_decay", self.readout_decay)


class HostAdam:
    """Adam on NumPy arrays, in place. No array library without a gradient engine ships one.

    Args:
        settings: of Adam.
        rule: says which weights are trained, by which gradient, and which decay.
        weights: by name; changed in place.
    """

    def __init__(self, settings: Adam, rule: Rule, weights: Mapping[str, np.ndarray]) -> None:
        self._settings = settings
        self._rule = rule
        self._weights = weights
        self._mean = {name: np.zeros_like(weights[name]) for name in rule.trained}
        self._square = {name: np.zeros_like(weights[name]) for name in rule.trained}
        self._step = 0

    def update(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Change the weights in place by one step along `gradients`, then let decay what decays."""
        s = self._settings
        self._step += 1
        # m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps), as algorithm 1 has it
        mean_scale = s.learning_rate / (1.0 - s.beta1**self._step)
        square_scale = 1.0 / (1.0 - s.beta2**self._step)
        for name, followed in self._rule.trained.items():
            gradient, mean, square = gradients[followed], self._mean[name], self._square[name]
            mean *= s.beta1
            mean += (1.0 - s.beta1) * gradient
            square *= s.beta2
            square += (1.0 - s.beta2) * gradient * gradient
            self._weights[name][...] -= mean_scale * mean / (np.sqrt(square * square_scale) + s.epsilon)
        for name in self._rule.decayed:
            self._weights[name][...] *= 1.0 - s.readout_decay

    def state(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs, as arrays."""
        state = {"adam_step": np.array(self._step)}
        for name in self._rule.trained:
            state[f"adam_mean_{name}"] = self._mean[name].copy()
            state[f"adam_square_{name}"] = self._square[name].copy()
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned."""
        self._step = int(state["adam_step"])
        for name in self._rule.trained:
            self._mean[name][...] = state[f"adam_mean_{name}"]
            self._square[name][...] = state[f"adam_square_{name}"]
