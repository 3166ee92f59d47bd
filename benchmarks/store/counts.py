"""results/counts.json: the expected counts of training steps, and the versions that they are of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.define.counts import COLUMNS, MARGIN
from benchmarks.define.runs import SCHEMA
from benchmarks.store.files import write_text

KEY = ("backend", "rule", "mode")
"""What tells rows apart."""

Row = Mapping[str, Any]


class Unreadable(Exception):
    """There is no file of expected counts, or it holds something else; the text says what."""


@dataclass(frozen=True)
class Expected:
    """What the file holds.

    Attributes:
        versions: of all that the counts depend on.
        rows: `KEY`, `margin`, and a number or None for each of `define.counts.COLUMNS`.
    """

    versions: Mapping[str, str]
    rows: tuple[Row, ...]


def read(path: Path) -> Expected:
    """What `write` wrote.

    Raises:
        Unreadable: it is missing, or not what `write` writes.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is no JSON: {error}") from None
    try:
        if held["schema"] != SCHEMA:
            raise Unreadable(f"{path} has schema {held['schema']!r}; this version reads {SCHEMA}")
        versions = {str(name): str(version) for name, version in held["versions"].items()}
        return Expected(versions, tuple(_checked(row) for row in held["rows"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(f"{path} does not hold expected counts: {type(error).__name__}: {error}") from None


def write(path: Path, expected: Expected) -> None:
    """Replace the file as a whole; a row is a line, so that a change is easy to read.

    Raises:
        CannotWrite: what is written is whole or not there.
    """
    versions = json.dumps(dict(sorted(expected.versions.items())), indent=2).replace("\n", "\n  ")
    rows = ",\n".join(f"    {json.dumps(dict(row))}" for row in sorted(expected.rows, key=key))
    write_text(path, f'{{\n  "schema": {SCHEMA},\n  "versions": {versions},\n  "rows": [\n{rows}\n  ]\n}}\n')


def updated(before: Expected | None, found: Iterable[Row], versions: Mapping[str, str]) -> Expected:
    """The expected counts with those that were found, which keep their margins.

    What was expected of backends that were counted now is no longer, where it was not found.
    """
    found = list(found)
    rows = () if before is None else before.rows
    margins = {key(row): row["margin"] for row in rows}
    counted = {row["backend"] for row in found}
    kept = [row for row in rows if row["backend"] not in counted]
    for row in found:
        figures = {column.name: row[column.name] for column in COLUMNS}
        named = {name: row[name] for name in KEY}
        kept.append({**named, "margin": margins.get(key(row), MARGIN), **figures})
    return Expected(versions, tuple(kept))


def key(row: Row) -> tuple[str, ...]:
    """The values of `KEY`."""
    return tuple(row[name] for name in KEY)


def _checked(row: Row) -> Row:
    margin = float(row["margin"])
    if not 0.0 <= margin < 1.0:
        raise ValueError(f"a margin of {margin:g}")
    figures = {column.name: row[column.name] for column in COLUMNS}
    for name, value in figures.items():
        if value is not None and not isinstance(value, int | float):
            raise ValueError(f"{name} is {value!r}")
    return {**{name: str(row[name]) for name in KEY}, "margin": margin, **figures}
