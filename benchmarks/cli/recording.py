"""Runs recorded one after the other, as `train` and `figure` do it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.define.runs import Recordable
from benchmarks.run.interruption import CTRL_C, Interrupted
from benchmarks.run.progress import Display
from benchmarks.run.train import record
from benchmarks.store.curve_file import UnusableFile
from benchmarks.store.files import CannotWrite, check_writable
from implementations.training import NonFiniteLoss


def record_all(runs: Sequence[Recordable], results: Path, show: Callable[[str, int], Display]) -> int:
    """Record all runs; returns how many failed, each of which was said. Ends the process if interrupted.

    Raises:
        CannotWrite: none of them can be recorded, and none is trained.
    """
    check_writable(results / "curves" / f"{runs[0].name}.jsonl")
    failed = 0
    for run in runs:
        try:
            record(run, results, show)
        except (UnusableFile, NonFiniteLoss, CannotWrite) as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
        except Interrupted as stop:
            click.echo(str(stop), err=True)
            raise SystemExit(stop.exit_code) from None
        except KeyboardInterrupt:
            click.echo(f"{run.title}: interrupted before training; the same command goes on", err=True)
            raise SystemExit(CTRL_C) from None
    return failed


def exit_if_failed(failed: int, runs: Sequence[Recordable]) -> None:
    """Exit status 1 where runs failed."""
    if failed:
        click.echo(f"{failed} of {len(runs)} runs failed", err=True)
        raise SystemExit(1)
