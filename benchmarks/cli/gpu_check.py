"""`python -m benchmarks gpu-check`: one command for a machine with a card."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

import implementations as impl
from benchmarks.cli.options import results_option
from benchmarks.cli.parity import print_deviations
from benchmarks.define import gpu_plan, reasons
from benchmarks.define.gpu_plan import DEVICE
from benchmarks.judge.agreement import computes_as_numpy, deviates
from benchmarks.judge.gpu_check import exit_status
from benchmarks.run import conformance, parity, timings
from benchmarks.run.environment import environment
from benchmarks.run.process import Budget
from benchmarks.show import gpu_check as summary
from benchmarks.store.files import check_writable

NO_CARD = 3
_CONFORMANCE_SHARE = 0.5
_PARITY_S = 60.0


@click.command("gpu-check", context_settings={"max_content_width": 100})
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 60.0),
    default=9.0,
    show_default=True,
    help="Time to keep to; what is left over at its end is named.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**62), help="Of the random problems. [default: a new one each time]"
)
@click.option("--batch", type=click.IntRange(1), help="Trials per step. [default: the published size]")
@click.option("--delay-ms", type=click.IntRange(1), help="Time from the last cue to the end of a trial.")
@click.option("--measure/--no-measure", default=True, show_default=True, help="Measure after the checks.")
@results_option
def command(
    minutes: float,
    seed: int | None,
    batch: int | None,
    delay_ms: int | None,
    measure: bool,
    results: Path,
) -> None:
    """Check what every backend computes on a card, then measure time, memory and scaling.

    The checks are first: fresh random problems in float64 and float32 against NumPy, and the published
    numbers. Then steps at the published size, each followed by the backend's own loop of framework
    operations; memory; scaling in batch and neurons; other rules.

    Exit status 0: all as it should be. 1: something is wrong, or misses its target. 3: no backend can use a
    card here, and why. What is measured is kept when the command is interrupted.
    """
    found_out = {backend: reasons.unavailable(backend, DEVICE) for backend in impl.BACKENDS}
    able = [backend for backend, reason in found_out.items() if reason is None]
    if not able:
        click.echo("no backend can use a card here:", err=True)
        for backend, reason in found_out.items():
            click.echo(f"  {backend}: {reason}", err=True)
        raise SystemExit(NO_CARD)
    check_writable(results / "gpu-check" / "summary.md")
    budget = Budget(60.0 * minutes)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    click.echo(f"seed {seed}; {minutes:g} minutes; {', '.join(able)}")
    compared: list[dict[str, Any]] = []
    measured: list[tuple[gpu_plan.Item, Mapping[str, Any] | None]] = []
    interrupted = False
    try:
        _check(able, seed, budget, results, compared)
        if measure:
            wanted = gpu_plan.items(able, batch=batch, delay_ms=delay_ms)
            for item, record in timings.measure_plan(wanted, results, budget):
                measured.append((item, record))
                click.echo(f"{item.name}: {_outcome(record)}")
    except KeyboardInterrupt:
        interrupted = True
        click.echo("interrupted: what is measured is kept", err=True)
    facts = {
        "seed": seed,
        "used_s": time.monotonic() - budget.start,
        "interrupted": interrupted,
        "cards": environment().get("cards"),
        "environment": environment(),
        "reasons": {backend: reason for backend, reason in found_out.items() if reason is not None},
    }
    found = summary.write(results / "gpu-check", compared, measured, facts)
    click.echo((results / "gpu-check" / "summary.md").read_text(encoding="utf-8"))
    if interrupted:
        raise SystemExit(130)
    raise SystemExit(exit_status(found, measured))


def _check(able: list[str], seed: int, budget: Budget, results: Path, compared: list[dict[str, Any]]) -> None:
    wanted = conformance.checks(able, DEVICE, seed, ("float64", "float32"))
    share = Budget(budget.left_s() * _CONFORMANCE_SHARE)
    for record in conformance.compare_all(wanted, results, share.left_s):
        compared.append(record)
        if not computes_as_numpy(record):
            words = " ".join(str(record[name]) for name in ("backend", "rule", "mode", "dtype", "status"))
            click.echo(f"conformance: {words}: {record.get('reason') or 'deviates'} (seed {record['seed']})")
    held = sum(map(computes_as_numpy, compared))
    click.echo(f"conformance: {held} of {len(compared)} cases compute what NumPy does")
    click.echo("published numbers: " + _published(able, results, max(min(share.left_s(), _PARITY_S), 5.0)))


def _published(able: list[str], results: Path, limit_s: float) -> str:
    """Hold the backends against the published numbers too, for at most `limit_s`; says how that went."""
    wanted = [check for check in parity.checks(DEVICE) if check.backend in able]
    found = list(parity.compare_all(wanted, results, Budget(limit_s).left_s))
    print_deviations(found)
    if len(found) < len(wanted):
        return "no time left for all of them"
    return "not all cases agree, see above" if any(map(deviates, found)) else "all cases agree"


def _outcome(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "no time left"
    if record["status"] != "ok":
        return f"{record['status']}: {record['reason']}"
    middle = sorted(record["step_s"])[len(record["step_s"]) // 2]
    return f"{1e3 * middle:.3g} ms ({record.get('engine')})"
