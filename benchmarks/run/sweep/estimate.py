"""How long a sweep would take, from a few steps of each rule and backend, measured here and now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from benchmarks.define.runs import Run

_STEPS = 3


@dataclass(frozen=True)
class _Cost:
    """Seconds per trial and time step of training, drawing of trials included, and of evaluation."""

    step_s: float
    evaluation_s: float


def seconds(runs: Sequence[Run]) -> float:
    """Sum over all runs, one after another on this machine; a cluster divides it by its workers."""
    costs: dict[tuple[str, str, str], _Cost] = {}
    total = 0.0
    for run in runs:
        kind = (run.backend, run.rule, run.mode)
        if kind not in costs:
            costs[kind] = _measured(run)
        plan, size = run.plan, _size(run)
        points = plan.steps // plan.evaluate_every
        passes = plan.test_batches + 1  # and one to look at the stopping criterion
        total += size * (plan.steps * costs[kind].step_s + points * passes * costs[kind].evaluation_s)
    return total


def _size(run: Run) -> int:
    return run.plan.batch * run.problem.task.n_steps


def _measured(run: Run) -> _Cost:
    plan = replace(run.plan, steps=_STEPS, evaluate_every=_STEPS, test_trials=run.plan.batch)
    training = replace(run, plan=plan).training()
    training.warm_up()
    times = [perf_counter()]
    times.extend(perf_counter() for _ in training.events())  # steps, then a point of two passes
    size = _size(run)
    return _Cost((times[_STEPS] - times[0]) / _STEPS / size, (times[_STEPS + 1] - times[_STEPS]) / 2 / size)
