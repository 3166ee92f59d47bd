"""Adam: its settings, and the update in NumPy for backends whose framework has none of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from implementations import checks
from implementations.process import quiet
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
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    warm_up_steps: int = 0
    cosine_steps: int = 0
    halve_every: int = 0

    def __post_init__(self) -> None:
        checks.number("learning_rate", self.learning_rate, minimum=0.0)
        checks.fraction("beta1", self.beta1)
        checks.fraction("beta2", self.beta2)
        checks.number("epsilon", self.epsilon, above=0.0)
        checks.fraction("readout_decay", self.readout_decay)
        for name in ("clip_norm", "weight_decay"):
            checks.number(name, getattr(self, name), minimum=0.0)
        for name in ("warm_up_steps", "cosine_steps", "halve_every"):
            checks.integer(name, getattr(self, name), 0)
        if self.cosine_steps and self.halve_every:
            checks.fail("halve_every", self.halve_every, "0 where cosine_steps says how the rate falls")

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate depends on the step."""
        return bool(self.warm_up_steps or self.cosine_steps or self.halve_every)

    def rate(self, step: Any, xp: Any = np) -> Any:
        """The learning rate of a step.

        Args:
            step: of 1, 2, ..; a number, or an array in the dtype of the weights.
            xp: NumPy, or the module that has its functions for that array.
        """
        rate: Any = self.learning_rate
        if self.warm_up_steps:
            rate = rate * xp.minimum(step / self.warm_up_steps, 1.0)
        if self.cosine_steps:
            done = xp.minimum((step - 1) / self.cosine_steps, 1.0)
            rate = rate * (0.5 + 0.5 * xp.cos(np.pi * done))
        if self.halve_every:
            rate = rate * 0.5 ** xp.floor((step - 1) / self.halve_every)
        return rate

    @property
    def recorded(self) -> dict[str, Any]:
        """What records hold: by name, without what is off and was not there when the first were written."""
        off = {name: value for name, value in asdict(Adam()).items() if name in _LATER}
        return {name: value for name, value in asdict(self).items() if off.get(name) != value}


_LATER = ("clip_norm", "weight_decay", "warm_up_steps", "cosine_steps", "halve_every")


def clipping(gradients: Iterable[np.ndarray], clip_norm: float) -> float:
    """By how much gradients are multiplied so that all together they are no longer than `clip_norm`."""
    with quiet():
        squares = [np.square(gradient, dtype=np.float64).sum() for gradient in gradients]
        return float(np.minimum(clip_norm / np.sqrt(np.sum(squares)), 1.0))


class HostAdam:
    """Adam on NumPy arrays. No array library without a gradient engine ships one.

    Its state, and that of the weights, is a mapping that nothing here changes: a step returns the next one.

    Args:
        settings: of Adam.
        rule: says which weights are trained, by which gradient, and which decay.
    """

    def __init__(self, settings: Adam, rule: Rule) -> None:
        self._settings = settings
        self._rule = rule

    def start(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`weights` by name, and the moments of those that are trained, before the first step."""
        state = {**weights, "adam_step": np.array(0)}
        for name in self._rule.trained:
            state[f"adam_mean_{name}"] = np.zeros_like(weights[name])
            state[f"adam_square_{name}"] = np.zeros_like(weights[name])
        return state

    def step(
        self, state: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The state after one step along `gradients`, and after the decay of what decays."""
        s = self._settings
        step = int(state["adam_step"]) + 1
        found = {**state, "adam_step": np.array(step)}
        # m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps), as algorithm 1 has it
        rate = float(s.rate(step))
        mean_scale = rate / (1.0 - s.beta1**step)
        square_scale = 1.0 / (1.0 - s.beta2**step)
        if s.clip_norm:
            scale = clipping(gradients.values(), s.clip_norm)
            gradients = {name: gradient * scale for name, gradient in gradients.items()}
        with quiet():
            for name, followed in self._rule.trained.items():
                gradient = gradients[followed]
                mean = state[f"adam_mean_{name}"] * s.beta1
                mean += (1.0 - s.beta1) * gradient
                square = state[f"adam_square_{name}"] * s.beta2
                square += (1.0 - s.beta2) * gradient * gradient
                found[f"adam_mean_{name}"], found[f"adam_square_{name}"] = mean, square
                found[name] = state[name] - mean_scale * mean / (np.sqrt(square * square_scale) + s.epsilon)
                if s.weight_decay:
                    found[name] -= rate * s.weight_decay * state[name]
            for name in self._rule.decayed:
                found[name] = found[name] * (1.0 - s.readout_decay)
        return found
