"""By what measure a network is judged on a task: one table, with the unit and the better side of each."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from implementations.types import Batch, Metrics


@dataclass(frozen=True, eq=False)
class Measure:
    """A figure of a network on a batch, and the error below which the task counts as learned.

    Attributes:
        column: its name in a `Point` and in records.
        title: for people, with the unit.
        higher_is_better: which way is better.
        best: its value where nothing is wrong.
        criterion_error: the task is learned where the error, |best - value|, is less than this.
        criterion_source: where that comes from.
        of: metrics of a batch, and the batch -> value.
    """

    column: str
    title: str
    higher_is_better: bool
    best: float
    criterion_error: float
    criterion_source: str
    of: Callable[[Metrics, Batch], float]

    def error(self, value: float) -> float:
        """How far `value` is from the best one."""
        return abs(self.best - value)


def _accuracy(metrics: Metrics, batch: Batch) -> float:
    return float(metrics.accuracy)


def _nmse(metrics: Metrics, batch: Batch) -> float:
    """The task loss over that of the best constant readout; the factor 1/2 of both cancels."""
    if batch.mask is not None:
        counted = batch.targets[batch.mask]  # (steps that count, n_out)
        return float(metrics.task_loss) / float(
            0.5 * ((counted - counted.mean(axis=0)) ** 2).sum(axis=1).mean()
        )
    deviations = batch.targets - batch.targets.mean(axis=(0, 1))
    return float(metrics.task_loss) / float(0.5 * (deviations**2).sum(axis=2).mean())


ACCURACY = Measure(
    "test_accuracy",
    "share of right answers in fresh trials",
    higher_is_better=True,
    best=1.0,
    criterion_error=0.07,
    criterion_source="published",
    of=_accuracy,
)
NMSE = Measure(
    "nmse",
    "mean squared error over the variance of the target",
    higher_is_better=False,
    best=0.0,
    criterion_error=0.05,
    criterion_source="ours: what the published recipe reaches with random feedback in its 2000 steps",
    of=_nmse,
)
OURS = replace(ACCURACY, criterion_source="ours: that of evidence accumulation")
MEASURES = (ACCURACY, NMSE)
"""By their columns; a task may have another criterion."""
