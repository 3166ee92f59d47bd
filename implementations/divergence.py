"""When a network has diverged: the one rule of all backends. interface.py says what a learner then does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from implementations.rules import Rule
from implementations.types import Metrics


@dataclass(frozen=True)
class Bounds:
    """What a network that has not diverged keeps to, in absolute values.

    Far below the largest number of a dtype, so that no order of summing up a trial reaches infinity: with
    weights up to the largest number, backends would find other spikes and losses.

    Attributes:
        weight: of the weights that the rule uses: 2^32 in float32, 2^256 in float64; the fourth root of the
            largest number.
        task_loss: 2^64 and 2^512, its square root.
    """

    weight: float
    task_loss: float

    @classmethod
    def of(cls, dtype: np.dtype) -> "Bounds":
        """Those of a dtype."""
        exponent = np.finfo(dtype).maxexp
        return cls(2.0 ** (exponent // 4), 2.0 ** (exponent // 2))


def weights_used(rule: Rule) -> tuple[str, ...]:
    """Fields of `Parameters` that a rule uses: the others may be what they like."""
    return tuple(dict.fromkeys(("w_in", "w_rec", "w_out", rule.feedback_weights)))


def judged(metrics: Metrics, weights: Mapping[str, np.ndarray], rule: Rule) -> Metrics:
    """`metrics` of a batch, with NaN for the losses where the network of `weights` has diverged.

    For weights in host memory; where they are on a device, that is for the program that adds up the loss.
    """
    bounds = Bounds.of(weights["w_in"].dtype)
    # NaN is not within any bound
    if all(_largest(weights[name]) <= bounds.weight for name in weights_used(rule)) and (
        abs(float(metrics.task_loss)) <= bounds.task_loss
    ):
        return metrics
    return replace(metrics, loss=math.nan, task_loss=math.nan)


def _largest(array: np.ndarray) -> float:
    """Absolute value; NaN where there is one."""
    return float(np.abs(array).max())
