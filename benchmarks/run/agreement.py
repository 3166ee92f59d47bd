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
    limit_s: float,
    left_s: Callable[[], float],
) -> Iterator[tuple[C, dict[str, Any]]]:
    """Each comparison with its outcome, in order: "unavailable" if it can't run here, "failed" on any error.

    Args:
        wanted: what to compare, in one fresh process, or more where some fail: `process.run_each`.
        compare: of a module; the deviations of one of them.
        unavailable: why one can't run here; None where it can.
        limit_s: seconds for one of them.
        left_s: seconds that may still be used; what these don't suffice for is not yielded.
    """
    reasons = [unavailable(one) for one in wanted]
    runnable = [one for one, reason in zip(wanted, reasons, strict=True) if reason is None]
    outcomes = process.run_each(compare, runnable, limit_s=limit_s, left_s=left_s)
    for one, reason in zip(wanted, reasons, strict=True):
        if reason is not None:
            yield one, {"status": "unavailable", "reason": reason}
            continue
        outcome = next(outcomes, None)
        if outcome is None:
            return
        yield one, outcome


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
