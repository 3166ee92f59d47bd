"""`figure --all-tasks`: the rules on every task, each by its recipe, trained as `sweep` does."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from benchmarks.cli.choices import given
from benchmarks.cli.on_cluster import on_cluster
from benchmarks.cli.options import naming_options
from benchmarks.define import comparison
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.runs import Run
from implementations import SequentialDigits

_APPLY = frozenset(
    (
        *("all_tasks", "backend", "rules", "seeds", "steps", "device", "threads", "results", "scheduler"),
        *("workers", "alone", "patience_s", "dry_run"),
    )
)
"""The options that mean something for all tasks."""


def train(backend: str, rules: Sequence[str], seeds: int, results: Path, **values: Any) -> bool:
    """Train all rules on all tasks.

    Args:
        backend: that trains.
        rules: their names.
        seeds: 0 to this number, less 1.
        results: where runs are recorded.
        values: of the other options of `figure`.

    Returns:
        Whether runs were trained, and not only shown.
    """
    parameters = click.get_current_context().command.params
    for parameter in parameters:
        if given(parameter.name or "") and parameter.name not in _APPLY:
            raise click.BadParameter(
                "does not apply with --all-tasks, where each task has its own: leave it out",
                click.get_current_context(),
                parameter,
            )
    return on_cluster(values, results, partial(_runs, backend, rules, seeds, values))


def _runs(
    backend: str,
    rules: Sequence[str],
    seeds: int,
    values: Mapping[str, Any],
    unavailable: Callable[..., str | None],
    quiet: bool = False,
) -> tuple[list[Run], tuple[str, ...]]:
    """A run per task, seed and rule: all rules of a seed before the next seed, on all tasks."""
    problems = dict(PROBLEMS)
    if find_spec("sklearn") is None and problems.pop(SequentialDigits.name, None) and not quiet:
        click.echo(
            f"leaving out {SequentialDigits.name}: scikit-learn can't be imported:"
            " pip install 'eprop-bench[digits]'"
        )
    for rule in rules:
        reason = unavailable(backend, values["device"], rule)
        if reason is not None:
            raise click.BadParameter(f"{rule!r} can't run on {backend}: {reason}", param_hint="'--rule'")
    with naming_options():
        found = [
            run
            for seed in range(seeds)
            for problem in problems.values()
            for run in comparison.of(
                problem,
                backend,
                rules,
                [seed],
                steps=problem.recipe.steps if values["steps"] is None else values["steps"],
                device=values["device"],
                threads=1 if values["threads"] is None else values["threads"],
            )
        ]
    return found, ()
