"""JSON Lines: each line valid by itself, checked field by field."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.define.runs import SCHEMA
from benchmarks.store.readers.rows import Rows, printable
from benchmarks.store.schema import STATUSES, VERSIONED, holds

Kinds = Mapping[str, Mapping[str, str]]


class _Invalid(Exception):
    """A line that is no record; the text says why."""


def read(path: Path, file: str, kinds: Kinds, rows: Rows) -> Iterator[dict[str, Any]]:
    """The valid records of one file; every other line is named and left out.

    Args:
        path: the file.
        file: how it is named.
        kinds: kind of record -> its fields -> what they may hold.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        rows.leave_out(file, f"can't be read: {error.strerror}")
        return
    if not raw.strip():
        rows.leave_out(file, "empty")
        return
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _record(line, kinds)
        except _Invalid as error:
            # Records end with a newline, so a broken line without one was cut off while being written.
            cut = number == len(lines)
            rows.leave_out(file, f"line {number} {'is cut off' if cut else error}; left out")


def _record(line: bytes, kinds: Kinds) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
        if b"\\" in line or not line.isascii():  # else there is nothing that can't be printed
            record = printable(record)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of too many digits
        raise _Invalid("is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        raise _Invalid('has no "kind"')
    kind = record["kind"]
    if kind not in kinds:
        raise _Invalid(f"is of the kind {kind[:40]!r}, which does not belong here")
    if kind in VERSIONED and record.get("schema") != SCHEMA:
        raise _Invalid(f"has schema {record.get('schema')!r}; this version reads {SCHEMA}")
    for name, wanted in kinds[kind].items():
        value = record.get(name)
        if value is None and wanted.endswith("?"):
            continue
        if not holds(value, wanted.rstrip("?")):
            state = "missing" if name not in record else "not a " + wanted.rstrip("?")
            raise _Invalid(f"has a {kind} whose {name} is {state}")
    if "status" in kinds[kind] and record["status"] not in STATUSES:
        raise _Invalid(f"has the status {record['status'][:40]!r}; it may be {', '.join(STATUSES)}")
    return record
