"""The objective: task loss over a window at the end of the trial, and firing-rate regularisation."""

from dataclasses import dataclass

from implementations import checks

LOSSES = ("cross_entropy", "squared_error")


@dataclass(frozen=True)
class Objective:
    """What is minimised (Bellec et al. 2020, Methods).

    loss = task loss + rate_cost * sum_j (f_j - f0)^2, where f_j is the rate of neuron j over batch and
    time and f0 the target rate, both in spikes per ms. The task loss is the mean, over the batch and
    the last `window` steps, of

    - "cross_entropy": the cross-entropy of softmax(y) with the class `Batch.targets`;
    - "squared_error": 1/2 sum_k (y_k - target_k)^2.

    Raises:
        InvalidArgument: (a ValueError) for an unknown loss or a number out of range.
    """

    loss: str = "cross_entropy"
    window: int = 150
    rate_target_hz: float = 10.0
    rate_cost: float = 1.0

    def __post_init__(self) -> None:
        checks.choice("loss", self.loss, LOSSES)
        checks.integer("window", self.window, 1)
        checks.number("rate_target_hz", self.rate_target_hz, minimum=0.0)
        checks.number("rate_cost", self.rate_cost, minimum=0.0)

    @property
    def rate_target_per_ms(self) -> float:
        """Target rate f0 in spikes per ms."""
        return self.rate_target_hz / 1000.0
