"""Training runs on a Dask cluster, as `sweep` and `figure --all-tasks` have it: options, and work."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmarks.cli.choices import exit_if_broken
from benchmarks.cli.options import naming_options
from benchmarks.define.hyperparameters import HYPERPARAMETERS
from benchmarks.define.reasons import unavailable
from benchmarks.define.runs import Run
from benchmarks.run.interruption import CTRL_C, Interrupted, held
from benchmarks.store.files import check_writable
from implementations import checks
from implementations.registry import available_cores

_CLUSTER_LOST = 3

_Command = TypeVar("_Command", bound=Callable[..., Any])

Runs = Callable[[Callable[..., str | None], bool], tuple[list[Run], tuple[str, ...]]]
"""(what says why something is unavailable, whether to be quiet) -> runs, and backends that are broken."""


def cluster_options(command: _Command) -> _Command:
    """Add the options that say where runs are trained; `on_cluster` takes their values, and `threads`."""
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="Show what would run, and about how long; train nothing."
        ),
        click.option(
            "--patience-s",
            type=float,
            default=300.0,
            show_default=True,
            help="How long there may be no worker, e.g. while they wait in a queue.",
        ),
        click.option(
            "--alone",
            is_flag=True,
            help="Times are to be compared: one run at a time, on workers with the resource 'alone'.",
        ),
        click.option(
            "--workers", type=int, help="Processes of the cluster of this machine. [default: cores / threads]"
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Join this Dask cluster. [default: one of this machine alone]",
        ),
    ):
        command = option(command)
    return command


def on_cluster(values: Mapping[str, Any], results: Path, runs_of: Runs) -> bool:
    """Train all runs, or show what would be trained; ends the process as the commands say.

    Returns:
        Whether anything was to be trained, and not only shown.
    """
    with naming_options():
        checks.number("patience_s", values["patience_s"], minimum=0.0)
        workers = _workers(values)
    if find_spec("distributed") is None:
        raise click.UsageError("sweeps need Dask: pip install 'eprop-bench[sweeps]'")
    if not values["dry_run"]:
        check_writable(results / "curves" / "run.jsonl")
    from benchmarks.run.sweep.cluster import ClusterError  # here, as `--help` is not to wait for Dask

    try:
        with held() as request, _cluster(values, workers, runs_of) as cluster:
            if values["scheduler"] is not None:
                cluster.check()  # what workers say of backends counts only if they run this code
            here = values["scheduler"] is None
            runs, broken = runs_of(unavailable if here else cluster.unavailable, False)
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
        raise SystemExit(CTRL_C) from None
    return not values["dry_run"]


@contextmanager
def _cluster(values: Mapping[str, Any], workers: int, runs_of: Runs) -> Iterator[Any]:
    """The cluster that the options name; None for a dry run that needs none."""
    from benchmarks.run.sweep.cluster import joined, local

    if values["scheduler"] is not None:
        with joined(values["scheduler"], values["patience_s"], values["alone"]) as cluster:
            yield cluster
    elif values["dry_run"]:
        yield None
    else:
        runs_of(unavailable, True)  # options that can't be: before anything starts
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
        and (row.part != "optimizer" or row.name in run.optimizer.recorded)  # what is off is not said
    ]
    return ", ".join(shown)


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
