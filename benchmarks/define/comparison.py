"""The published comparison of the rules: which runs it is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import implementations as impl
from benchmarks.define.hyperparameters import turned
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Run
from implementations import rules
from implementations.training import Plan

RULES = rules.learning()
"""Those that learn; the others are trained where they are asked for."""

ALIGNMENT_EVERY = 100
"""Steps between gradients that are compared with BPTT's where the ladder is trained."""

SEEDS = 20
FINAL_TRIALS = 512


def of(
    problem: Problem,
    backend: str,
    names: Sequence[str],
    seeds: Sequence[int],
    *,
    steps: int,
    device: str = "cpu",
    threads: int | None = None,
    optimizer: impl.Adam | None = None,
    batch: int | None = None,
    evaluate_every: int | None = None,
    alignment_every: int = 0,
) -> list[Run]:
    """A run per seed and rule, all rules of a seed before the next seed: what there is compares at any time.

    Args:
        names: of the rules.
        steps: training steps of each run, which go on where the stopping criterion is met.
        optimizer, batch, evaluate_every: instead of the problem's recipe.
        alignment_every: as in `Plan`.

    Raises:
        InvalidArgument: (a ValueError) for an argument that is not what it may be.
    """
    recipe = problem.recipe
    optimizer = impl.Adam(learning_rate=recipe.learning_rate) if optimizer is None else optimizer
    return [
        Run(
            backend,
            rule,
            "adjoint",
            "float32",
            device,
            threads,
            problem,
            optimizer,
            Plan(
                steps=steps,
                batch=recipe.batch if batch is None else batch,
                seed=seed,
                evaluate_every=recipe.evaluate_every if evaluate_every is None else evaluate_every,
                final_trials=FINAL_TRIALS,
                alignment_every=alignment_every,
            ),
        )
        for seed in seeds
        for rule in names
    ]


def at(run: Run, values: Mapping[str, Any]) -> Run:
    """`run` at other values of hyperparameters; None leaves one as it is.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be.
    """
    for name, value in values.items():
        run = run if value is None else turned(run, name, value)
    return run
