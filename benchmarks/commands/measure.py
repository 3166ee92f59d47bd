"""`python -m benchmarks measure`: time and memory of training steps, recorded under results/timings."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.commands import choices
from benchmarks.commands.choices import backend_option, chosen, rule_option
from benchmarks.commands.options import machine_options, naming_options, results_option
from benchmarks.harness import timings
from benchmarks.harness.cases import BATCH, Case, length_cases, scaling_cases, step_cases
from implementations import checks
from implementations.rules import MODES


@click.command("measure", context_settings={"max_content_width": 100})
@backend_option
@rule_option
@click.option(
    "--mode",
    "modes",
    type=click.Choice(MODES),
    multiple=True,
    default=MODES,
    help="Form of the rule; may be given twice. [default: both]",
)
@click.option("--batch", type=int, default=BATCH, show_default=True, help="Trials per step.")
@machine_options
@click.option("--rounds", type=int, default=3, show_default=True, help="Fresh processes per timed case.")
@click.option(
    "--delay-ms",
    type=int,
    default=Case.delay_ms,
    show_default=True,
    help="Time from the last cue to the end of the trial; the published trial has 2250 steps.",
)
@click.option(
    "--steps/--no-steps", default=True, show_default=True, help="Measure time and memory at the given size."
)
@click.option(
    "--lengths/--no-lengths", default=True, show_default=True, help="Also measure memory in longer trials."
)
@click.option(
    "--scaling/--no-scaling",
    default=False,
    show_default=True,
    help="Also measure time and memory against neurons and batch; takes longer than all the rest.",
)
@results_option
def command(
    backends: tuple[tuple[str, ...], ...],
    rules: tuple[tuple[str, ...], ...],
    modes: tuple[str, ...],
    rounds: int,
    steps: bool,
    lengths: bool,
    scaling: bool,
    results: Path,
    **common: Any,
) -> None:
    """Measure the time and memory of training steps.

    Every case runs in processes of its own, interleaved with the others, so that what else the machine does
    falls on all alike. All that this command measures is one run: figures of two runs are never compared.
    """
    with naming_options():
        checks.integer("rounds", rounds, 1)
        pairs = choices.pairs(chosen(backends), chosen(rules), common["device"], None)
        beyond = {name: value for name, value in common.items() if name not in ("batch", "delay_ms")}
        cases = step_cases(pairs, modes, **common) if steps else []
        cases += length_cases(pairs, modes, **beyond) if lengths else []
        cases += scaling_cases(pairs, modes, **beyond) if scaling else []
        cases = list(dict.fromkeys(cases))  # a size may belong to more than one of them
        for case in cases:
            _ = case.problem  # raises for a size that is not what it may be
    if not (steps or lengths or scaling):
        raise click.UsageError("nothing to measure: --no-steps and --no-lengths need --scaling")
    if not cases:
        raise click.UsageError("none of the rules has a mode that --mode asks for")
    failed = _measure(cases, rounds, results)
    if failed:
        click.echo(f"{failed} of {timings.count(cases, rounds)} measurements failed", err=True)
        raise SystemExit(1)


def _measure(cases: list[Case], rounds: int, results: Path) -> int:
    """Measure and show; returns how many measurements failed."""
    failed = 0
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=timings.count(cases, rounds))
        for record in timings.measure_all(cases, rounds, results):
            progress.advance(task)
            progress.console.print(_line(record), markup=False, highlight=False, soft_wrap=True)
            failed += record["status"] == "failed"
    return failed


def _line(record: dict[str, Any]) -> str:
    case = " ".join(str(record[name]) for name in ("backend", "rule", "mode", "n_steps", "batch", "n_rec"))
    if record["status"] != "ok":
        return f"{case}: {record['status']}: {record['reason']}"
    middle = sorted(record["step_s"])[len(record["step_s"]) // 2]
    memory = f", {record['peak_bytes'] / 2**20:.1f} MiB" if "peak_bytes" in record else ""
    return f"{case}: {middle * 1e3:.1f} ms per step{memory}"
