"""`python -m benchmarks list`: what can run here."""

import json
from dataclasses import asdict, dataclass

import click
from rich import box
from rich.table import Table

import implementations as impl
from benchmarks.cli.output import console
from benchmarks.define import reasons
from benchmarks.define.problem import PROBLEMS
from implementations.registry import DEVICES
from implementations.rules import get

_WIDTH = 100


@dataclass(frozen=True)
class _Entry:
    """One combination; `reason` says why it can't run, None where it can."""

    backend: str
    device: str
    rule: str
    mode: str
    available: bool
    reason: str | None


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
def command(as_json: bool) -> None:
    """Show which backend, device and rule can run here, and why others can't; and the tasks."""
    entries = [
        _entry(backend, device, rule, mode)
        for backend in impl.BACKENDS
        for device in DEVICES
        for rule in impl.RULES
        for mode in get(rule).modes
    ]
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    table, notes = _table(entries)
    out = console(_WIDTH)
    out.print(table)
    for number, note in enumerate(notes, 1):
        out.print(f"[{number}] {note}", markup=False, soft_wrap=True)
    out.print(f"tasks: {', '.join(PROBLEMS)}", markup=False)


def _entry(backend: str, device: str, rule: str, mode: str) -> _Entry:
    reason = reasons.unavailable(backend, device, rule, mode)
    return _Entry(backend, device, rule, mode, reason is None, reason)


def _table(entries: list[_Entry]) -> tuple[Table, list[str]]:
    """A row per backend and device, a column per rule; and the notes that its numbers refer to."""
    notes: list[str] = []
    cells: dict[tuple[str, str], dict[str, list[str]]] = {}
    for entry in entries:
        words = cells.setdefault((entry.backend, entry.device), {}).setdefault(entry.rule, [])
        if entry.reason is None:
            words.append(entry.mode)
            continue
        if entry.reason not in notes:
            notes.append(entry.reason)
        note = f"[{notes.index(entry.reason) + 1}]"
        words += [note] if note not in words else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("backend", "device", *impl.RULES):
        table.add_column(column, overflow="fold")
    for (backend, device), rules in cells.items():
        # escaped, as rich takes what stands in brackets for a style
        row = (" ".join(words).replace("[", r"\[") for words in rules.values())
        table.add_row(backend, device, *row)
    return table, notes
