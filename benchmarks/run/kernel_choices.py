"""Choices about kernels timed on a card, one after the other; each record is on disk before it is yielded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.kernel_choices import Variant
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import device, process
from benchmarks.run.agreement import computed, deviations
from benchmarks.run.environment import environment
from benchmarks.run.measure import Timer, seconds
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures
from implementations.numba.card import choices as of_numba
from implementations.triton import choices as of_triton

_COMPARED = 16  # trials on which gradients are held against the defaults'


def measure(variant: Variant) -> dict[str, Any]:
    """Samples of a step, as `measure.measure` takes them, and how far its gradients are from the defaults."""
    case = variant.case
    system = SYSTEMS[case.system]
    with in_force(variant):
        learner: Any = system.learner(case)
    state = learner.state()
    inputs = [learner.load(batch) for batch in _batches(case)]
    first_step_s = seconds(lambda: (learner.step(inputs[0]), learner.synchronize()))
    timer = Timer(case, learner, inputs, state)
    timer.warm()
    while len(timer.wall_s) < case.min_samples or sum(timer.wall_s) < case.seconds:
        timer.sample()
    learner.restore(state)
    expected = _by_defaults(case)
    figures = {"engine": learner.engine, "first_step_s": first_step_s, "step_s": timer.wall_s}
    return {**figures, "event_s": timer.event_s, **deviations(computed(learner, _compared(case)), expected)}


def in_force(variant: Variant) -> AbstractContextManager[None]:
    """Inside, learners are made with the variant's choices.

    Raises:
        InvalidArgument: (a ValueError) for a choice that is none.
    """
    if variant.kernels == "numba":
        return of_numba.IN_FORCE.use(of_numba.Choices(**variant.change))
    return of_triton.IN_FORCE.use(of_triton.Choices(**variant.change))


@lru_cache(maxsize=1)
def _batches(case: Case) -> list[impl.Batch]:
    """Together larger than the card's cache; drawn once for all variants of a case."""
    system = SYSTEMS[case.system]
    first = system.batch(case)
    sets = device.input_sets(case.device, first.spikes.nbytes)
    return [first, *(system.batch(case, number) for number in range(1, sets))]


def _compared(case: Case) -> impl.Batch:
    return case.problem.task.batch(min(_COMPARED, case.batch), 0)


@lru_cache(maxsize=1)
def _by_defaults(case: Case) -> dict[str, Any]:
    learner: Any = SYSTEMS[case.system].learner(case)
    return computed(learner, _compared(case))


def measure_all(
    groups: Sequence[Sequence[Variant]],
    file: RunFile,
    limit_s: float,
    left_s: Callable[[], float],
    failures: Failures,
) -> Iterator[tuple[Variant, dict[str, Any] | None]]:
    """Each with its record, None for what there was no time left for; a group is in a process of its own.

    Args:
        file: of results/choices.
    """
    for group in groups:
        outcomes = process.run_each(measure, group, limit_s=limit_s, left_s=left_s)
        for variant in group:
            outcome = next(outcomes, None)
            if outcome is None:
                yield variant, None
                continue
            printed = outcome.pop("printed", None)
            if outcome["status"] == "failed":
                failures.keep(["choice", variant.name], outcome["reason"], printed)
            named = {"kind": "choice", **variant.case.record(), "kernels": variant.kernels}
            record = {**named, "change": dict(variant.change), **outcome, "environment": environment()}
            yield variant, file.append(record)
