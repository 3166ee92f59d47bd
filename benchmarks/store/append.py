"""The file of one run: results/FOLDER/RUN.jsonl, appended to record by record."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SCHEMA = 1


class RunFile:
    """Names a run after when it began, and writes its records; each is on disk before `append` returns."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        self._path = folder / f"{self._run}.jsonl"

    def append(self, record: dict[str, Any]) -> dict[str, Any]:
        """Write a record, whose "kind" comes first; returns it with schema, run and the time added."""
        started = {"schema": _SCHEMA, "run": self._run, "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        record = {"kind": record["kind"], **started, **record}
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        return record
