"""`python -m benchmarks list`: what can run here."""

import json
from dataclasses import asdict, dataclass
from itertools import groupby

import click
from rich import box
from rich.table import Table

import implementations as impl
from benchmarks.cli.output import console
from benchmarks.define import reasons
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.systems import peers
from benchmarks.run import peer_environments
from implementations.registry import DEVICES
from implementations.rules import ANY_RUNG, get

_WIDTH = 100


@dataclass(frozen=True)
class _Entry:
    """One combination; `reason` says why it can't run, None where it can. A library is its own backend."""

    system: str
    backend: str
    device: str
    rule: str
    mode: str
    available: bool
    reason: str | None


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
def command(as_json: bool) -> None:
    """Show which backend, device and rule can run here, and why others can't; libraries; and the tasks."""
    entries = [
        _entry(backend, device, rule, mode)
        for backend in impl.BACKENDS
        for device in DEVICES
        for rule in impl.RULES
        for mode in get(rule).modes
    ]
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in (*entries, *_of_libraries())], indent=2))
        return
    table, notes = _table(entries)
    out = console(_WIDTH)
    out.print(table)
    for number, note in enumerate(notes, 1):
        out.print(f"[{number}] {note}", markup=False, soft_wrap=True)
    out.print(_libraries())
    out.print(f"rules: {', '.join((*impl.RULES, ANY_RUNG))}", markup=False, soft_wrap=True)
    out.print(f"tasks: {', '.join(PROBLEMS)}", markup=False)


def _libraries() -> Table:
    """A row per library: what it computes of this network, and whether its environment is there."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("library", "rules", "modes", "environment"):
        table.add_column(column, overflow="fold")
    for name, peer in peers().items():
        alone = f" ({peer.cost_alone}, cost alone)" if peer.cost_alone else ""
        state = peer_environments.missing(peer.environment) or "available"
        table.add_row(name, f"{', '.join(peer.rules)}{alone}", " ".join(peer.modes), state)
    return table


def _of_libraries() -> list[_Entry]:
    return [
        _Entry(name, name, "cpu", rule, mode, reason is None, reason)
        for name, peer in peers().items()
        for reason in (peer_environments.missing(peer.environment),)
        for rule, modes in peer.computes.items()
        for mode in modes
    ]


def _entry(backend: str, device: str, rule: str, mode: str) -> _Entry:
    reason = reasons.unavailable(backend, device, rule, mode)
    return _Entry(SYSTEM, backend, device, rule, mode, reason is None, reason)


def _table(entries: list[_Entry]) -> tuple[Table, list[str]]:
    """A row per backend, device and modes, with the rules that have these; and the notes that it numbers."""
    rows: dict[tuple[str, str], dict[tuple[str, ...], list[_Entry]]] = {}
    for (backend, device, rule), of_rule in groupby(entries, lambda one: (one.backend, one.device, one.rule)):
        modes = list(of_rule)
        # reasons that differ in the name of the rule alone make one row
        told = [one.mode if one.reason is None else one.reason.replace(rule, "") for one in modes]
        rows.setdefault((backend, device), {}).setdefault(tuple(dict.fromkeys(told)), []).extend(modes)
    notes: list[str] = []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("backend", "device", "modes", "rules"):
        table.add_column(column, overflow="fold")
    for (backend, device), found in rows.items():
        for of in found.values():
            words = list(dict.fromkeys(one.mode for one in of if one.reason is None))
            why = reasons.by_rule((one.rule, one.reason) for one in of if one.reason is not None)
            notes += [reason for reason in why if reason not in notes]
            words += [f"[{notes.index(reason) + 1}]" for reason in why]
            names = "all" if len(found) == 1 else ", ".join(dict.fromkeys(one.rule for one in of))
            # escaped, as rich takes what stands in brackets for a style
            table.add_row(backend, device, " ".join(words).replace("[", r"\["), names)
    return table, notes
