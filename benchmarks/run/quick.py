"""Trainings of seconds, as each task has one: whether a rule still learns."""

import implementations as impl
from benchmarks.define.problem import PROBLEMS, Problem
from benchmarks.define.runs import Run
from implementations import checks
from implementations.tasks import Quick
from implementations.training import Plan, Point, Training


def quick(task: str) -> Quick:
    """The quick training of a task.

    Raises:
        InvalidArgument: (a ValueError) for a task that has none.
    """
    found = type(PROBLEMS[checks.choice("task", task, PROBLEMS)].task).quick()
    if found is None:
        checks.fail("task", task, "a task with a quick training")
    return found


def errors(task: str, backend: str, rule: str, device: str) -> list[float]:
    """Error by the task's measure, one per seed; each the mean over the last points of training.

    Raises:
        InvalidArgument: (a ValueError) for names that are not what they may be, or can't run here.
        NonFiniteLoss: training went wrong.
    """
    wanted = quick(task)
    return [_error(wanted, backend, rule, device, seed) for seed in wanted.seeds]


def misalignment(task: str, backend: str, rule: str, device: str) -> float:
    """1 minus the cosine of a rule's gradient to BPTT's, of the backend's own, at the initial weights.

    Raises:
        InvalidArgument: (a ValueError) for names that are not what they may be, or can't run here.
    """
    found = _training(quick(task), backend, rule, device, seed=0, alignment_every=1).alignment()
    assert found is not None  # the plan has them compared
    return 1.0 - found.alignment.cosine


def _training(
    wanted: Quick, backend: str, rule: str, device: str, seed: int, alignment_every: int = 0
) -> Training:
    recipe = wanted.recipe
    run = Run(
        backend,
        rule,
        "adjoint",
        "float32",
        device,
        1 if device == "cpu" else None,  # so little work is as fast, and the same on every machine
        Problem(wanted.network, wanted.task, wanted.objective),
        impl.Adam(learning_rate=recipe.learning_rate),
        Plan(
            steps=recipe.steps,
            batch=recipe.batch,
            seed=seed,
            evaluate_every=recipe.evaluate_every,
            alignment_every=alignment_every,
        ),
    )
    return run.training()


def _error(wanted: Quick, backend: str, rule: str, device: str, seed: int) -> float:
    measure = wanted.task.measure
    events = _training(wanted, backend, rule, device, seed).events()
    counted = [
        measure.error(getattr(event, measure.column))
        for event in events
        if isinstance(event, Point) and event.step >= wanted.counted_from
    ]
    return sum(counted) / len(counted)
