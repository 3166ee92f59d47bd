"""`python -m benchmarks sweep`: many training runs at once, on a Dask cluster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

import implementations as impl
from benchmarks.cli import choices
from benchmarks.cli.choices import backend_option, chosen, exit_if_broken, mode_option, rule_option
from benchmarks.cli.options import judging_options, machine_options, naming_options, results_option
from benchmarks.define import hyperparameters
from benchmarks.define.hyperparameters import HYPERPARAMETERS, PRESETS, Hyperparameter
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.reasons import unavailable
from benchmarks.define.runs import Run
from benchmarks.run.interruption import Interrupted, held
from benchmarks.store.files import check_writable
from implementations import checks
from implementations.registry import available_cores
from implementations.training import Plan

_FIRST_SEED = 10
_CLUSTER_LOST = 3
_INTERRUPTED = 130


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
    default=TASK_NAME,
    show_default=True,
    help="What is to be learned, by its published recipe.",
)
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
    help="First of the seeds; 0 to 9 are those that rules are compared on, and no setting is chosen on them.",
)
@click.option("--steps", type=int, help="Training steps. [default: the recipe's]")
@click.option("--evaluate-every", type=int, help="Steps between points. [default: the recipe's]")
@judging_options
@machine_options
@click.option(
    "--scheduler", metavar="ADDRESS", help="Join this Dask cluster. [default: one of this machine alone]"
)
@click.option(
    "--workers", type=int, help="Processes of the cluster of this machine. [default: cores / threads]"
)
@click.option(
    "--alone",
    is_flag=True,
    help="Times are to be compared: one run at a time per machine, on workers with the resource 'alone'.",
)
@click.option(
    "--patience-s",
    type=float,
    default=300.0,
    show_default=True,
    help="How long there may be no worker, e.g. while they wait in a queue.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run, and about how long; train nothing.")
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
        checks.number("patience_s", values["patience_s"], minimum=0.0)
        workers = _workers(values)
    if find_spec("distributed") is None:
        raise click.UsageError("sweeps need Dask: pip install 'eprop-bench[sweeps]'")
    if not values["dry_run"]:
        check_writable(results / "curves" / "run.jsonl")
    from benchmarks.run.sweep.cluster import ClusterError  # here, as `--help` is not to wait for Dask

    try:
        with held() as request, _cluster(values, workers) as cluster:
            if values["scheduler"] is not None:
                cluster.check()  # what workers say of backends counts only if they run this code
            here = values["scheduler"] is None
            runs, broken = _runs(values, unavailable if here else cluster.unavailable)
            if values["dry_run"]:
                _show(runs, results, workers if cluster is None else len(cluster.workers()))
            else:
                _sweep(runs, results, cluster, request, values["patience_s"])
            exit_if_broken(broken)
    except ClusterError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(_CLUSTER_LOST) from None
    except Interrupted as stop:
        click.echo(str(stop), err=True)
        raise SystemExit(stop.exit_code) from None
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on", err=True)
        raise SystemExit(_INTERRUPTED) from None


@contextmanager
def _cluster(values: Mapping[str, Any], workers: int) -> Iterator[Any]:
    """The cluster that the options name; None for a dry run that needs none."""
    from benchmarks.run.sweep.cluster import joined, local

    if values["scheduler"] is not None:
        with joined(values["scheduler"], values["patience_s"], values["alone"]) as cluster:
            yield cluster
    elif values["dry_run"]:
        yield None
    else:
        _runs(values, unavailable, quiet=True)  # options that can't be: before anything starts
        with local(workers, values["alone"]) as cluster:
            yield cluster


def _sweep(runs: list[Run], results: Path, cluster: Any, request: Any, patience_s: float) -> None:
    from benchmarks.run.sweep.client import Summary, look, sweep

    summary = Summary()
    left = look(runs, results, summary)
    if summary.skipped:
        click.echo(f"{summary.skipped} of {len(runs)} runs are recorded already, skipped")
    if left:
        cluster.check()
        click.echo(f"{len(left)} runs on {len(cluster.workers())} workers")
        sweep(left, results, cluster, request, patience_s, click.echo, summary)
    for name in summary.diverged:
        click.echo(f"diverged: {name}")
    for text in summary.failed.values():
        click.echo(f"Error: {text}", err=True)
    click.echo(
        f"{len(summary.recorded)} recorded, {summary.skipped} were already, {len(summary.diverged)} of both "
        f"diverged, {len(summary.failed)} failed"
    )
    if summary.failed:
        raise SystemExit(1)


def _show(runs: list[Run], results: Path, workers: int) -> None:
    from benchmarks.run.sweep.client import Summary, look
    from benchmarks.run.sweep.estimate import seconds

    summary = Summary()
    left = look(runs, results, summary)
    for run in runs:
        if run.name in left:
            state = "to do"
        elif run.name in summary.failed:
            state = "unusable"
        else:
            state = "diverged" if run.name in summary.diverged else "recorded"
        click.echo(f"{state:9} {run.title}: {_setting(run)}")
    click.echo(f"{len(left)} of {len(runs)} runs to do")
    if left and all(
        unavailable(run.backend, run.device, run.rule, run.mode) is None for run, _ in left.values()
    ):
        total = seconds([run for run, _ in left.values()]) / workers
        click.echo(
            f"about {total / 60:.1f} minutes on {workers} workers like this process, measured just now"
        )


def _setting(run: Run) -> str:
    """The hyperparameters of a run."""
    parts = {"optimizer": run.optimizer, "plan": run.plan, **vars(run.problem)}
    shown = [
        f"{row.name} {getattr(parts[row.part], row.name):g}"
        for row in HYPERPARAMETERS.values()
        if hasattr(parts[row.part], row.name)
    ]
    return ", ".join(shown)


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


def _workers(values: Mapping[str, Any]) -> int:
    """Processes of the local cluster: together no more threads than cores."""
    threads = checks.integer("threads", 1 if values["threads"] is None else values["threads"], 1)
    workers = values["workers"]
    if values["scheduler"] is not None:
        if workers is not None:
            checks.fail("workers", workers, "given only without --scheduler, whose cluster has its own")
        return 0
    if values["alone"]:
        if workers not in (None, 1):
            checks.fail("workers", workers, "1 with --alone, where a run has the machine to itself")
        return 1
    cores = available_cores()
    if threads > cores:
        checks.fail("threads", threads, f"at most {cores}, the cores that this process may use")
    if workers is None:
        return max(1, cores // threads)
    checks.integer("workers", workers, 1)
    if workers * threads > cores:
        checks.fail("workers", workers, f"at most {cores // threads}: {cores} cores, {threads} threads each")
    return workers
