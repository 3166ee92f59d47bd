"""`python -m benchmarks parity`: what every backend computes, against the published numbers."""

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

import implementations as impl
from benchmarks.cli.choices import ALL, Names, backend_option, chosen, given, rule_option
from benchmarks.cli.options import results_option
from benchmarks.cli.output import console
from benchmarks.define.names import SYSTEM
from benchmarks.define.reasons import by_rule
from benchmarks.define.systems import peers
from benchmarks.judge.agreement import deviates
from benchmarks.run import parity
from benchmarks.run import peers as libraries
from benchmarks.store.schema import DEVIATIONS
from implementations.registry import DEVICES

_WIDTH, _LIBRARIES_WIDTH = 110, 150


_COMPARED = (SYSTEM, *(name for name, peer in peers().items() if libraries.comparable(peer)))


@click.command("parity", context_settings={"max_content_width": 100})
@click.option(
    "--system",
    "systems",
    type=Names("system", _COMPARED),
    multiple=True,
    default=(SYSTEM,),
    show_default=True,
    help=f"Systems, separated by commas: {', '.join(_COMPARED)}, or all: libraries, too, which have"
    " environments of their own (make peers).",
)
@backend_option
@rule_option
@click.option(
    "--device", type=click.Choice(DEVICES), default=DEVICES[0], show_default=True, help="Where to run."
)
@results_option
def command(
    systems: tuple[tuple[str, ...], ...],
    backends: tuple[tuple[str, ...], ...],
    rules: tuple[tuple[str, ...], ...],
    device: str,
    results: Path,
) -> None:
    """Compare spikes, loss and gradients with those of the code published with the paper, in float64.

    Of libraries each gradient that they have, where the published numbers have none with those of NumPy.
    Exit status 1 if a case fails, or deviates by more than rounding explains; of a library, than its bound.
    """
    asked = chosen(systems)
    asked = _COMPARED if asked == (ALL,) else asked
    names, of = chosen(backends), chosen(rules)
    of = impl.RULES if of == (ALL,) else of
    found: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    if SYSTEM in asked:
        wanted = parity.checks(device, impl.BACKENDS if names == (ALL,) else names, of)
        found += parity.compare_all(wanted, results)
        print_deviations(found)
        wrong += [record for record in found if deviates(record)]
    of_libraries = [name for name in asked if name != SYSTEM]
    if of_libraries:
        from benchmarks.judge import libraries as judged  # here, as `--help` is not to wait for pandas

        if device != DEVICES[0]:
            raise click.UsageError(f"--device {device} does not apply to libraries, which run on the CPU")
        compared = list(libraries.compare_all(of_libraries, of, results))
        _print_libraries(compared)
        found += compared
        wrong += [record for record in compared if judged.deviates(record)]
        missing = [record for record in compared if record["status"] == "unavailable"]
        if len(missing) == len(compared) and given("systems") and SYSTEM not in asked:
            raise click.UsageError(f"no library that --system asks for can run here: {missing[0]['reason']}")
    if wrong:
        click.echo(f"{len(wrong)} of {len(found)} cases fail or deviate", err=True)
        raise SystemExit(1)


def _print_libraries(found: list[dict[str, Any]]) -> None:
    """Print what libraries compute, in a table, and the reasons of what has none."""
    out = console(_LIBRARIES_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    texts = ("library", "rule", "mode", "loss", "trials", "against")
    for column in (*texts, "spikes", *DEVIATIONS[1:], "bound"):
        table.add_column(column, justify="left" if column in texts else "right")
    for record in found:
        if record["status"] != "ok":
            continue
        case = [str(record[name]) for name in ("system", "rule", "mode", "loss_of", "trials", "against")]
        figures = [f"{record[name]:.1e}" for name in (*DEVIATIONS[1:], "bound")]
        table.add_row(*case, str(record["spikes"]), *figures)
    out.print(table)
    told = [
        ("", f"{record['system']}: {record['status']}: {record['reason']}")
        for record in found
        if record["status"] != "ok"
    ]
    for reason in by_rule(told):
        out.print(reason, markup=False, soft_wrap=True)


def print_deviations(found: list[dict[str, Any]]) -> None:
    """Print them in a table, and the reasons of what has none."""
    out = console(_WIDTH)
    out.print(_table(found))
    told = [
        (record["rule"], f"{record['backend']}: {record['status']}: {record['reason']}")
        for record in found
        if record["status"] != "ok"
    ]
    for reason in by_rule(told):
        out.print(reason, markup=False, soft_wrap=True)


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("backend", "rule", "mode", "differing spikes", *DEVIATIONS[1:]):
        table.add_column(column, justify="left" if column in ("backend", "rule", "mode") else "right")
    for record in found:
        case = [record["backend"], record["rule"], record["mode"]]
        if record["status"] == "ok":
            table.add_row(*case, str(record["spikes"]), *(f"{record[name]:.1e}" for name in DEVIATIONS[1:]))
        else:
            table.add_row(*case, record["status"])
    return table
