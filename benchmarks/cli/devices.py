"""`python -m benchmarks devices`: what a training step takes when several devices share out its trials."""

from pathlib import Path

import click

from benchmarks.cli.choices import OneRule, mode_option
from benchmarks.cli.options import naming_options, results_option
from benchmarks.run import data_parallel
from benchmarks.run.data_parallel import SharedStep
from implementations import checks
from implementations.rules import get

_BACKENDS = ("jax", "torch")


@click.command("devices")
@click.option("--backend", type=click.Choice(_BACKENDS), multiple=True, default=_BACKENDS, show_default=True)
@click.option("--rule", type=OneRule(), multiple=True, default=("bptt", "eprop_symmetric"))
@mode_option
@click.option("--devices", type=int, multiple=True, default=(1, 2), show_default=True, help="How many.")
@click.option("--batch", type=int, default=128, show_default=True, help="Trials per step, of all devices.")
@click.option("--rounds", type=int, default=3, show_default=True, help="Fresh processes per case.")
@results_option
def command(
    backend: tuple[str, ...],
    rule: tuple[str, ...],
    mode: str,
    devices: tuple[int, ...],
    batch: int,
    rounds: int,
    results: Path,
) -> None:
    """Time a step of one network whose trials are shared out over several devices, a core each."""
    with naming_options():
        for count in devices:
            checks.integer("devices", count, 1)
            if checks.integer("batch", batch, 1) % count:
                checks.fail("batch", batch, f"any multiple of {count}, the number of devices")
        checks.integer("rounds", rounds, 1)
    cases = [
        SharedStep(of, name, mode, count, batch)
        for of in backend
        for name in rule
        if mode in get(name).modes
        for count in sorted(set(devices))
    ]
    for case in cases:
        reason = data_parallel.unavailable(case)
        if reason is not None:
            raise click.UsageError(f"{case.backend} on {case.devices} devices can't run here: {reason}")
    if not cases:
        raise click.UsageError(f"none of these rules has the mode {mode}")
    try:
        medians = data_parallel.medians(list(data_parallel.scaling(cases, rounds, results)))
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{'backend':8} {'rule':16} {'devices':>7} {'median ms':>10} {'speedup':>8}")
    for case, median_s in medians.items():
        alone = medians.get(case._replace(devices=1))
        speedup = f"{alone / median_s:.2f}" if alone else "-"
        click.echo(f"{case.backend:8} {case.rule:16} {case.devices:7} {1000 * median_s:10.1f} {speedup:>8}")
