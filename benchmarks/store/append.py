"""Lines appended whole; and the file of one call of a command: results/FOLDER/RUN.jsonl."""

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.define.runs import SCHEMA
from benchmarks.store import command_line
from benchmarks.store.files import check_writable, write, writing


def append(path: Path, *lines: str) -> None:
    """Append lines. They are on disk when it returns; where it raises, the file is what it was before.

    Raises:
        CannotWrite: the disk is full, or anything else that the system says.
    """
    new = not path.exists()
    with writing(path), path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            write(file.fileno(), "".join(f"{line}\n" for line in lines).encode())
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(before)
            if new:
                path.unlink()
            raise


class RunFile:
    """Names a run after when it began, and writes its records; each is on disk before `append` returns."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if missing.

        Raises:
            CannotWrite: nothing can be written there, which is known before anything is measured.
        """
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        self._path = folder / f"{self._run}.jsonl"
        check_writable(self._path)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def append(self, record: dict[str, Any]) -> dict[str, Any]:
        """Write a record, whose "kind" comes first; returns it with schema, run, time and command added.

        Raises:
            CannotWrite: it is not written, and the file is as before.
        """
        started = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        of_run = {"schema": SCHEMA, "run": self._run, "started": started, "command": command_line.current()}
        record = {"kind": record["kind"], **of_run, **record}
        append(self._path, json.dumps(record))
        return record
