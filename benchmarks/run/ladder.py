"""Gradients by hops beside BPTT's, in float64: each is on disk, in ladder/RUN.jsonl, before it is yielded."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import implementations as impl
from benchmarks.define.ladder import ENTRIES, TRIALS, TRIALS_SEED, WEIGHTS_SEED
from benchmarks.define.problem import Problem
from benchmarks.run.environment import environment
from benchmarks.store import records
from benchmarks.store.append import RunFile
from implementations.alignment import Alignment
from implementations.rules import Rule
from implementations.training import Plan, Training

_DTYPE = "float64"


def recorded(problem: Problem, backend: str, results: Path) -> bool:
    """Whether a whole table of this problem on this backend is there."""
    rows = records.read(results).ladder
    same = _case(problem, backend)
    for name, value in same.items():
        rows = rows[rows[name] == value]
    return bool((rows.groupby("run").size() >= len(ENTRIES)).any())


def measure(
    problem: Problem, backend: str, results: Path, device: str = "cpu", threads: int | None = None
) -> Iterator[dict[str, Any]]:
    """Compare the gradients of all entries, in their order.

    Args:
        problem: of which trials may be drawn.

    Raises:
        InvalidArgument: (a ValueError) for a backend that lacks one of the rules.
        NonFiniteLoss: training diverged.
    """

    def learner(rule: str | Rule, weights: impl.Parameters) -> impl.Learner:
        return impl.learner(
            backend,
            rule,
            weights,
            network=problem.network,
            objective=problem.objective,
            optimizer=impl.Adam(learning_rate=problem.recipe.learning_rate),
            dtype=_DTYPE,
            device=device,
            threads=threads,
        )

    file = RunFile(results / "ladder")
    batch = problem.task.batch(TRIALS, TRIALS_SEED)
    weights = impl.Parameters.draw(problem.network, WEIGHTS_SEED, problem.readout_std)
    for steps, entries in groupby(ENTRIES, key=lambda entry: entry.train_steps):
        now = _trained(problem, learner("bptt", weights), steps)
        bptt = learner("bptt", now)
        expected, _ = bptt.gradients(bptt.load(batch))
        for entry in entries:
            one = learner(entry.rule, now)
            gradients, _ = one.gradients(one.load(batch))
            yield file.append(
                {
                    **{"kind": "hops", **_case(problem, backend), "device": device, "batch": TRIALS},
                    **{"seed": WEIGHTS_SEED, "trial_seed": TRIALS_SEED, "train_steps": steps},
                    **{"hops": entry.words, "reset": entry.reset},
                    **asdict(Alignment.of(gradients, expected)),
                    "environment": environment(),
                }
            )


def _trained(problem: Problem, learner: impl.Learner, steps: int) -> impl.Parameters:
    """The learner's weights after so many steps by the recipe."""
    if steps:
        plan = Plan(steps, problem.recipe.batch, WEIGHTS_SEED, evaluate_every=steps, test_trials=1)
        for _ in Training(learner, problem.task, plan, "bptt").events():
            pass
    return learner.parameters()


def _case(problem: Problem, backend: str) -> dict[str, Any]:
    return {
        "backend": backend,
        "dtype": _DTYPE,
        "task": problem.name,
        "n_steps": problem.task.n_steps,
        "n_rec": problem.network.n_rec,
    }
