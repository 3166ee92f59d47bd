"""Trainings of seconds, as each task has one: whether a rule still learns."""

import implementations as impl
from benchmarks.define.problem import PROBLEMS, Problem
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


def _error(wanted: Quick, backend: str, rule: str, device: str, seed: int) -> float:
    problem, recipe = Problem(wanted.network, wanted.task, wanted.objective), wanted.recipe
    learner = impl.learner(
        backend,
        rule,
        problem.initial_parameters(seed),
        network=problem.network,
        objective=problem.objective,
        optimizer=impl.Adam(learning_rate=recipe.learning_rate),
        device=device,
        threads=1 if device == "cpu" else None,  # so little work is as fast, and the same on every machine
    )
    plan = Plan(steps=recipe.steps, batch=recipe.batch, seed=seed, evaluate_every=recipe.evaluate_every)
    measure = problem.task.measure
    events = Training(learner, problem.task, plan, f"{rule} on {backend}").events()
    counted = [
        measure.error(getattr(event, measure.column))
        for event in events
        if isinstance(event, Point) and event.step >= wanted.counted_from
    ]
    return sum(counted) / len(counted)
