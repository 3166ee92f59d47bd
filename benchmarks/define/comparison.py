"""The published comparison of the rules: which runs it is made of."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import implementations as impl
from benchmarks.define.hyperparameters import turned
from benchmarks.define.problem import Problem
from benchmarks.define.reasons import asked, broken, unavailable
from benchmarks.define.runs import Run
from implementations import rules
from implementations.training import Plan

RULES = rules.learning()
"""Those that learn; the others are trained where they are asked for."""

SEEDS = 10
FINAL_TRIALS = 512


def fastest(device: str = "cpu") -> tuple[str, str | None]:
    """The backend that trains the published sizes fastest on a CPU, as results/reference has it.

    PyTorch where its operators in C++ can be built, else Numba. A rule and no measurement, as a comparison
    that goes on later must go on with the same backend.

    Returns:
        The backend, and why it isn't PyTorch: `Broken` where it should be.

    Raises:
        RuntimeError: neither can run here; the text says why.
    """
    reason = asked("torch", partial(_operators_missing, device))
    if reason is None:
        return "torch", None
    other = unavailable("numba")
    if other is None:
        return "numba", reason
    raise RuntimeError(f"neither torch nor numba can run here: {reason}; {other}")


def _operators_missing(device: str) -> str | None:
    """Why PyTorch can't run here with its operators in C++."""
    reason = impl.unavailable("torch")
    if reason is not None:
        return reason
    from implementations.torch.cpp import extension  # imports torch

    reason = extension.missing()
    if reason is None and device == "cpu":
        try:
            extension.usable()  # builds them, which the first learner would do else
        except Exception as error:
            return broken("its C++ operators can't be used", error)
    return reason


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
) -> list[Run]:
    """A run per seed and rule, all rules of a seed before the next seed: what there is compares at any time.

    Args:
        names: of the rules.
        steps: training steps of each run, which go on where the stopping criterion is met.
        optimizer, batch, evaluate_every: instead of the problem's recipe.

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
