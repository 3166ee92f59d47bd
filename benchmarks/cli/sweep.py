"""`python -m benchmarks sweep`: many training runs at once, on a Dask cluster."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

import implementations as impl
from benchmarks.cli import choices
from benchmarks.cli.choices import backend_option, chosen, mode_option, rule_option
from benchmarks.cli.on_cluster import cluster_options, on_cluster
from benchmarks.cli.options import (
    data_option,
    judging_options,
    machine_options,
    naming_options,
    results_option,
)
from benchmarks.define import hyperparameters
from benchmarks.define.hyperparameters import HYPERPARAMETERS, PRESETS, Hyperparameter
from benchmarks.define.problem import DEFAULT, PROBLEMS
from benchmarks.define.runs import Run
from implementations import checks
from implementations.training import Plan

_FIRST_SEED = 10


class _Values(click.ParamType):
    """Values of a hyperparameter, separated by commas."""

    name = "values"

    def __init__(self, row: Hyperparameter) -> None:
        self._kind = row.kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "VALUES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        try:
            return tuple(self._kind(text) for text in str(value).split(","))
        except ValueError:
            kind = "whole numbers" if self._kind is int else "numbers"
            self.fail(f"{value!r} is not what it may be, {kind} separated by commas", param, ctx)


def _hyperparameter_options(command: Any) -> Any:
    for row in reversed(HYPERPARAMETERS.values()):
        command = click.option(row.option, row.name, type=_Values(row), help=row.text)(command)
    return command


@click.command("sweep", context_settings={"max_content_width": 100})
@backend_option
@rule_option
@mode_option
@click.option(
    "--task",
    type=click.Choice(tuple(PROBLEMS)),
    default=DEFAULT,
    show_default=True,
    help="What is to be learned, by its recipe.",
)
@data_option
@click.option(
    "--preset",
    "presets",
    type=click.Choice(tuple(PRESETS)),
    multiple=True,
    help="Knobs and values by name; a knob's own option replaces its values. May be given twice.",
)
@_hyperparameter_options
@click.option(
    "--grid",
    is_flag=True,
    help="All combinations of the values. [default: one knob at a time around the recipe]",
)
@click.option("--seeds", type=int, default=3, show_default=True, help="Seeds per setting.")
@click.option(
    "--first-seed",
    type=int,
    default=_FIRST_SEED,
    show_default=True,
    help="First of the seeds. What is chosen on them is then judged on others: odd ones, or from 100 on.",
)
@click.option("--steps", type=int, help="Training steps. [default: the recipe's]")
@click.option("--evaluate-every", type=int, help="Steps between points. [default: the recipe's]")
@judging_options
@machine_options
@cluster_options
@results_option
def command(results: Path, **values: Any) -> None:
    """Train many networks at once: rules x backends x seeds x settings, on a Dask cluster.

    Each run is what `train` makes of these settings, with one thread unless --threads says otherwise, in the
    same records under RESULTS/curves; what is recorded is not measured again. A loss that becomes NaN or
    infinite is a result too: such a run is recorded as diverged.

    Seconds of training are only comparable with --alone. Exit status: 1 where runs failed, 2 for options that
    can't be, 3 where the cluster does not fit or went away. benchmarks/run/sweep/README.md says more.
    """
    with naming_options():
        checks.integer("seeds", values["seeds"], 1)
        checks.integer("first_seed", values["first_seed"], 0)
    on_cluster(values, results, partial(_runs, values))


def _runs(
    values: Mapping[str, Any], unavailable: Callable[..., str | None], quiet: bool = False
) -> tuple[list[Run], tuple[str, ...]]:
    """Those that the options ask for, and the backends that are left out because they are broken."""
    problem = PROBLEMS[values["task"]]
    recipe = problem.recipe
    with naming_options():
        pairs = choices.pairs(
            chosen(values["backends"]),
            chosen(values["rules"]),
            values["device"],
            values["mode"],
            unavailable=unavailable,
            say=(lambda _line: None) if quiet else click.echo,
        )
        plans = [
            Plan(
                steps=recipe.steps if values["steps"] is None else values["steps"],
                batch=recipe.batch,
                seed=values["first_seed"] + number,
                evaluate_every=recipe.evaluate_every
                if values["evaluate_every"] is None
                else values["evaluate_every"],
                test_trials=values["test_trials"],
                stop_early=values["stop_early"],
            )
            for number in range(values["seeds"])
        ]
        base = [
            Run(
                backend,
                rule,
                values["mode"],
                values["dtype"],
                values["device"],
                1 if values["threads"] is None else values["threads"],
                problem,
                impl.Adam(learning_rate=recipe.learning_rate),
                plan,
            )
            for plan in plans
            for backend, rule in pairs.able
        ]
        wanted: dict[str, Sequence[Any]] = {}
        for preset in values["presets"]:
            wanted.update(hyperparameters.preset(preset, problem.name))
        wanted.update({name: values[name] for name in HYPERPARAMETERS if values[name] is not None})
        combined = hyperparameters.grid if values["grid"] else hyperparameters.one_at_a_time
        return combined(base, wanted), pairs.broken
