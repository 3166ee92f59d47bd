"""`python -m benchmarks parity`: what every backend computes, against the published numbers."""

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

import implementations as impl
from benchmarks.cli.choices import ALL, backend_option, chosen, rule_option
from benchmarks.cli.options import results_option
from benchmarks.cli.output import console
from benchmarks.define.reasons import by_rule
from benchmarks.judge.agreement import deviates
from benchmarks.run import parity
from benchmarks.store.schema import DEVIATIONS
from implementations.registry import DEVICES

_WIDTH = 110


@click.command("parity", context_settings={"max_content_width": 100})
@backend_option
@rule_option
@click.option(
    "--device", type=click.Choice(DEVICES), default=DEVICES[0], show_default=True, help="Where to run."
)
@results_option
def command(
    backends: tuple[tuple[str, ...], ...], rules: tuple[tuple[str, ...], ...], device: str, results: Path
) -> None:
    """Compare spikes, loss and gradients with those of the code published with the paper, in float64.

    Exit status 1 if a case fails, or deviates by more than rounding explains.
    """
    names, of = chosen(backends), chosen(rules)
    wanted = parity.checks(
        device, impl.BACKENDS if names == (ALL,) else names, impl.RULES if of == (ALL,) else of
    )
    found = list(parity.compare_all(wanted, results))
    print_deviations(found)
    wrong = [record for record in found if deviates(record)]
    if wrong:
        click.echo(f"{len(wrong)} of {len(found)} cases fail or deviate", err=True)
        raise SystemExit(1)


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
