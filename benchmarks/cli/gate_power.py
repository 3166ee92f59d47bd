"""`python -m benchmarks gate-power`: which slowdowns do the gates find, and how often are they wrong?"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.options import naming_options, results_option
from benchmarks.define import counts, power
from benchmarks.define.pairing import Precision
from benchmarks.run import callgrind
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted, at_once
from benchmarks.show import power as show
from benchmarks.store.append import RunFile
from implementations import checks

if TYPE_CHECKING:
    from benchmarks.judge.power import Measured


@click.command("gate-power", context_settings={"max_content_width": 100})
@click.option(
    "--pairs", type=int, default=power.PAIRS, show_default=True, help="Measured of each, at least 4."
)
@click.option(
    "--draws", type=int, default=power.DRAWS, show_default=True, help="Comparisons that are drawn of them."
)
@click.option(
    "--busy",
    "loads",
    type=click.Choice([str(load) for load in power.BUSY]),
    multiple=True,
    default=[str(load) for load in power.BUSY],
    help="Processes that compute without end beside it; may be given several times. [default: 0, 1 and 2]",
)
@click.option(
    "--backend",
    "backends",
    type=click.Choice(power.BACKENDS),
    multiple=True,
    default=power.BACKENDS,
    help="In which the slowdowns are planted; may be given several times. [default: all of these]",
)
@results_option
def command(pairs: int, draws: int, loads: tuple[str, ...], backends: tuple[str, ...], results: Path) -> None:
    """Measure how good the gates are: counts, pairs, and ranks, the gate before those.

    Slowdowns are planted in the hot loops of NumPy, Numba and C++, and measured in pairs of processes beside
    the code as it is; comparisons are drawn from these pairs. Wants a machine with nothing else to do, for
    hours. What is measured is kept when interrupted.
    """
    from benchmarks.run import power as run  # here, as `--help` is not to wait for ASV and pandas

    with naming_options():
        checks.integer("pairs", pairs, 4)
        checks.integer("draws", draws, 1)
    summary, file = RunFile(results / "power"), RunFile(results / "power_pairs")
    log = results / "power_pairs" / "printed.log"
    rows: list[dict[str, Any]] = []
    with _kept():
        for backend in backends:
            with run.planted(backend) as sides:
                of = _timed(file, backend, sides, pairs, [int(load) for load in loads], log)
                rows += _judged(of, draws)
                rows += _counted(file, backend, sides, of)
    told = environment()
    for row in rows:
        summary.append({"kind": "power", **row, "environment": told})
    for line in show.lines(rows):
        click.echo(line)


def _timed(
    file: RunFile, backend: str, sides: dict[float, Any], pairs: int, loads: list[int], log: Path
) -> "list[Measured]":
    from benchmarks.judge import power as judge
    from benchmarks.run import power as run

    records = []
    for load in loads:
        with run.busy(load):
            for record in run.measure(backend, sides, pairs, log):
                records.append(file.append({**record, "kind": "power_pair", "busy": load}))
                click.echo(
                    f"{backend}, {load} busy beside it, {record['planted']:g} planted:"
                    f" pair {record['pair'] + 1} of {pairs}",
                    err=True,
                )
    return list(judge.measured(records, {run.case(backend).selector: backend}))


def _judged(of: "list[Measured]", draws: int) -> list[dict[str, Any]]:
    from benchmarks.judge import power as judge

    precision = Precision()
    return [
        row
        for found in of
        for row in (judge.by_pairs(found, precision, power.FAMILY, draws), judge.by_ranks(found, draws))
    ]


def _counted(
    file: RunFile, backend: str, sides: dict[float, Any], of: "list[Measured]"
) -> list[dict[str, Any]]:
    from benchmarks.judge import power as judge
    from benchmarks.run import power as run

    if reason := callgrind.missing():
        click.echo(f"no counts: {reason}", err=True)
        return []
    found = {}
    for row in run.count(backend, sides):
        file.append({**row, "kind": "power_count"})
        click.echo(f"{backend}, {row['planted']:g} planted: {row.get('instructions')} instructions", err=True)
        if row["status"] == "ok":
            found[row["planted"]] = row["instructions"]
    slowdowns = {one.planted: one.slowdown for one in reversed(of)}  # on the quietest machine
    return [
        judge.by_counts(backend, share, found[0.0], found[share], counts.MARGIN, slowdowns.get(share, share))
        for share in power.SLOWDOWNS
        if {0.0, share} <= set(found)
    ]


@contextmanager
def _kept() -> Iterator[None]:
    try:
        with at_once():
            yield
    except Interrupted as stop:
        click.echo("interrupted; what was measured is kept", err=True)
        raise SystemExit(stop.exit_code) from None
