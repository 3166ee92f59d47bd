"""What the readers of all kinds of files fill: rows as they are read, and what was left out."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.store.schema import ENVIRONMENT_COLUMNS, count

# As XML has it, which is the strictest: a figure is an SVG.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Unreadable:
    """Something that could not be read: the file's path under results/, and what is wrong with it."""

    file: str
    what: str


@dataclass
class Rows:
    """Rows by table; `Records` says what they hold."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    criteria: list[dict[str, Any]] = field(default_factory=list)
    finals: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    alignments: list[dict[str, Any]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    parity: list[dict[str, Any]] = field(default_factory=list)
    conformance: list[dict[str, Any]] = field(default_factory=list)
    fallbacks: list[dict[str, Any]] = field(default_factory=list)
    ladder: list[dict[str, Any]] = field(default_factory=list)
    libraries: list[dict[str, Any]] = field(default_factory=list)
    library_parity: list[dict[str, Any]] = field(default_factory=list)
    power: list[dict[str, Any]] = field(default_factory=list)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    def leave_out(self, file: str, what: str) -> None:
        """Name a file that is left out in part or whole."""
        self.unreadable.append(Unreadable(printable(file), printable(what)))

    @property
    def next_measurement(self) -> int:
        """The number of the next row of measurements, fallbacks or libraries."""
        return len(self.measurements) + len(self.fallbacks) + len(self.libraries)

    def environment(self, environment: Mapping[str, Any], source: str) -> tuple[str, str]:
        """Remember an environment; returns its machine and commit."""
        row = {name: environment.get(name) for name in ENVIRONMENT_COLUMNS if name != "source"}
        machine = row["machine"] = str(row["machine"] or "unknown")
        texts = ("processor", "system", "python", "commit")
        row |= {name: row[name] if isinstance(row[name], str) else None for name in texts}
        row |= {name: count(row[name]) for name in ("cores", "memory_bytes")}
        row["versions"] = row["versions"] if isinstance(row["versions"], dict) else {}
        row["dirty"] = row["dirty"] if isinstance(row["dirty"], bool) else None
        row["accelerators"] = row["accelerators"] if isinstance(row["accelerators"], list) else []
        row["cards"] = row["cards"] if isinstance(row["cards"], list) else []
        key = json.dumps(row, sort_keys=True, default=str)
        known = self.environments.setdefault(key, {**row, "source": source})
        if source not in known["source"]:
            known["source"] += f", {source}"
        dirty = "+changes" if row["dirty"] else ""
        return machine, f"{row['commit'] or 'unknown'}{dirty}"


def files(directory: Path, label: str, suffix: str, rows: Rows) -> Iterator[Path]:
    """The files of a folder with this suffix, by name; names what else lies there."""
    try:
        paths = sorted(directory.iterdir()) if directory.exists() else []
    except OSError as error:
        rows.leave_out(label, f"can't be read: {error.strerror}")
        return
    for path in paths:
        if path.name.startswith(".") or path.name.endswith(".checkpoint.npz"):
            continue
        if path.suffix == suffix and path.is_file():
            yield path
        else:
            rows.leave_out(f"{label}/{path.name}", f"not a {suffix} file; left out")


def printable(value: Any) -> Any:
    """A value of a record, with U+FFFD for what no page, figure or table file can hold.

    That are halves of characters, and control characters but for tabs and ends of lines.
    """
    if isinstance(value, str):
        return _UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [printable(item) for item in value]
    if isinstance(value, dict):
        return {printable(name): printable(item) for name, item in value.items()}
    return value


def threads(record: Mapping[str, Any]) -> str:
    """The text that `CASE` wants, of a record whose null means all."""
    count = record.get("threads")
    return "all" if count is None else str(count)
