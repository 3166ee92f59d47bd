"""Lines appended whole; and the file of one call of a command: results/FOLDER/RUN.jsonl."""

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.define.runs import SCHEMA
from benchmarks.store import command_line


def append(path: Path, *lines: str) -> None:
    """Append whole lines in one write; they are on disk when it returns."""
    with path.open("ab", buffering=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
        os.fsync(file.fileno())


class RunFile:
    """Names a run after when it began, and writes its records; each is on disk before `append` returns."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        self._path = folder / f"{self._run}.jsonl"

    def append(self, record: dict[str, Any]) -> dict[str, Any]:
        """Write a record, whose "kind" comes first; returns it with schema, run, time and command added."""
        started = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        of_run = {"schema": SCHEMA, "run": self._run, "started": started, "command": command_line.current()}
        record = {"kind": record["kind"], **of_run, **record}
        append(self._path, json.dumps(record))
        return record
