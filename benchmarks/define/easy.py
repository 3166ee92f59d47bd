"""Trainings of seconds, so easy that what learns can't be taken for what doesn't: one of each task."""

import implementations as impl
from benchmarks.define.problem import PROBLEMS, Problem
from implementations.training import Plan, Point, Training

# One cue, over when the delay begins: half of the trials are wrong where nothing was learned.
_TASK = impl.EvidenceAccumulation(n_cues=1, interval_ms=100, delay_ms=200, recall_ms=100)

# The published cost of 1 for firing rates outweighs the task at first in trials this short. With 0.1 all
# rules are below 10 % (mean of four seeds) after 80 steps, and a slower learning rate keeps them there.
EASY = Problem(
    impl.Network(n_regular=20, n_adaptive=20),
    _TASK,
    impl.Objective(window=_TASK.recall_ms, rate_cost=0.1),
)
_OPTIMIZER = impl.Adam(learning_rate=0.003)
_STEPS, _FIRST_COUNTED = 120, 80
SEEDS = (0, 1, 2, 3)
"""Rounding moves the error of one seed by some per cent, as training is chaotic; of four, by half that."""


def easy_errors(backend: str, rule: str, device: str) -> list[float]:
    """Share of wrong answers on fresh trials, one per seed; each the mean over the last third of training.

    Raises:
        InvalidArgument: (a ValueError) for names that are not what they may be, or can't run here.
        NonFiniteLoss: training went wrong.
    """
    plans = [Plan(steps=_STEPS, batch=64, seed=seed, evaluate_every=20) for seed in SEEDS]
    return [_error(EASY, _OPTIMIZER, backend, rule, device, plan, _FIRST_COUNTED) for plan in plans]


PATTERN = PROBLEMS[impl.PatternGeneration.name]
"""As published: small already, and one trial a step. After 80 to 100 steps the readout follows the target."""

_PATTERN_STEPS, _PATTERN_FIRST_COUNTED, _PATTERN_EVERY = 100, 80, 20
_PATTERN_SEEDS = SEEDS[:2]


def pattern_errors(backend: str, rule: str, device: str) -> list[float]:
    """Normalised mean squared error of the pattern, one per seed; each the mean over the last steps.

    Raises:
        InvalidArgument: (a ValueError) for names that are not what they may be, or can't run here.
        NonFiniteLoss: training went wrong.
    """
    plans = [Plan(_PATTERN_STEPS, PATTERN.recipe.batch, seed, _PATTERN_EVERY) for seed in _PATTERN_SEEDS]
    optimizer = impl.Adam(learning_rate=PATTERN.recipe.learning_rate)
    return [_error(PATTERN, optimizer, backend, rule, device, plan, _PATTERN_FIRST_COUNTED) for plan in plans]


def _error(
    problem: Problem, optimizer: impl.Adam, backend: str, rule: str, device: str, plan: Plan, first: int
) -> float:
    """Mean error, by the task's measure, of the points from step `first` on."""
    learner = impl.learner(
        backend,
        rule,
        problem.initial_parameters(plan.seed),
        network=problem.network,
        objective=problem.objective,
        optimizer=optimizer,
        device=device,
        threads=1 if device == "cpu" else None,  # so little work is as fast, and the same on every machine
    )
    measure = problem.task.measure
    events = Training(learner, problem.task, plan, f"{rule} on {backend}").events()
    counted = [
        measure.error(getattr(event, measure.column))
        for event in events
        if isinstance(event, Point) and event.step >= first
    ]
    return sum(counted) / len(counted)
