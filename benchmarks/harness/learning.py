"""A training of seconds, on a task so easy that what learns can't be taken for what doesn't."""

import implementations as impl
from benchmarks.harness.problem import Problem
from implementations.training import Plan, Point, Training, initial_parameters

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
    return [_error(backend, rule, device, seed) for seed in SEEDS]


def _error(backend: str, rule: str, device: str, seed: int) -> float:
    learner = impl.learner(
        backend,
        rule,
        initial_parameters(EASY.network, seed),
        network=EASY.network,
        objective=EASY.objective,
        optimizer=_OPTIMIZER,
        device=device,
        threads=1 if device == "cpu" else None,  # so little work is as fast, and the same on every machine
    )
    plan = Plan(steps=_STEPS, batch=64, seed=seed, evaluate_every=20)
    events = Training(learner, EASY.task, plan, f"{rule} on {backend}").events()
    counted = [
        1.0 - event.test_accuracy
        for event in events
        if isinstance(event, Point) and event.step >= _FIRST_COUNTED
    ]
    return sum(counted) / len(counted)
