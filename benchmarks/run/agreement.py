"""What the comparisons of backends share: each in a process of its own, as far apart as two results are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

import implementations as impl
from benchmarks.run import process

C = TypeVar("C")


def compared(
    wanted: Sequence[C],
    compare: Callable[[C], Mapping[str, Any]],
    unavailable: Callable[[C], str | None],
    timeout_s: float,
    late: str,
) -> Iterator[tuple[C, dict[str, Any]]]:
    """Each comparison with its outcome, in order: "unavailable" if it can't run here, "failed" on any error.

    Args:
        wanted: what to compare, all in one fresh process.
        compare: of a module; the deviations of one of them.
        unavailable: why one can't run here; None where it can.
        timeout_s: seconds for all of them.
        late: the reason of those that had not enough.
    """
    reasons = [unavailable(one) for one in wanted]
    runnable = [one for one, reason in zip(wanted, reasons, strict=True) if reason is None]
    outcomes = process.run(compare, runnable, timeout_s=timeout_s, late=late)
    for one, reason in zip(wanted, reasons, strict=True):
        yield one, next(outcomes) if reason is None else {"status": "unavailable", "reason": reason}


def computed(learner: impl.Learner, batch: impl.Batch) -> dict[str, Any]:
    """Spikes, loss and gradients of a batch, by the names of their deviations."""
    loaded = learner.load(batch)
    spikes = learner.simulate(loaded).spikes
    gradients, metrics = learner.gradients(loaded)
    return {"spikes": spikes, "loss": float(metrics.loss), **vars(gradients)}


def deviations(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """How far a result of `computed` is from what is expected.

    Returns:
        spikes: how many differ; loss, w_in, w_rec, w_out: the largest absolute difference over the largest
        absolute value expected.

    Raises:
        ValueError: the shapes differ.
    """
    differ = int((found["spikes"] != expected["spikes"]).sum())
    of_reals = {name: _deviation(found[name], expected[name]) for name in ("loss", "w_in", "w_rec", "w_out")}
    return {"spikes": differ, **of_reals}


def _deviation(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise ValueError(f"shape {found.shape} where {expected.shape} is expected")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(found - expected).max() / scale)
