"""Copies of files, as backups are: what several files hold counts once, of a run the longest one."""

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from benchmarks.store.readers.rows import Rows
from benchmarks.store.schema import CASE

_Held = dict[Hashable, dict[str, tuple[int, ...]]]
"""What is one and the same -> the files that have it -> how much of it."""


def leave_out(rows: Rows) -> None:
    """Take the rows of copies away, older ones and whole ones, and name their files."""
    _training_runs(rows)
    _of_asv(rows)
    for table in (
        *(rows.measurements, rows.fallbacks, rows.parity, rows.conformance, rows.ladder, rows.power),
        *(rows.libraries, rows.library_parity),
    ):
        _records(table, rows)
    known = {row["measurement"] for row in (*rows.measurements, *rows.fallbacks, *rows.libraries)}
    rows.samples[:] = [row for row in rows.samples if row["measurement"] in known]


def _training_runs(rows: Rows) -> None:
    """A file is a run; those of one setting, seed and machine are the same."""
    counted = (rows.points, rows.finals, rows.alignments)
    points, finals, alignments = (Counter(row["file"] for row in table) for table in counted)
    held: _Held = {}
    for row in rows.runs:
        file = row["file"]
        much = (row["last_step"], points[file], finals[file], alignments[file])
        much = (*much, row["end"] is not None, row["sessions"])
        identity = tuple(row[name] for name in (*CASE, "seed", "experiment", "machine"))
        held.setdefault(identity, {})[file] = much
    left_out = _but_the_fullest(held, "the run", rows)
    for table in (rows.runs, rows.points, rows.criteria, rows.finals, rows.alignments):
        table[:] = [row for row in table if row["file"] not in left_out]


def _records(table: list[dict[str, Any]], rows: Rows) -> None:
    """Records are the same where all is that they hold; a file may be a part of another, or several."""
    sizes = Counter(row["file"] for row in table)
    contents = [
        json.dumps(_without(row, "file", "measurement"), sort_keys=True, default=str) for row in table
    ]
    found = [(row["file"], content) for row, content in zip(table, contents, strict=True)]
    owner: dict[str, str] = {}
    for file, content in sorted(found, key=lambda one: _preferred(one[0], (sizes[one[0]],))):
        owner.setdefault(content, file)
    repeated = Counter((file, owner[content]) for file, content in found if file != owner[content])
    for (file, other), count in repeated.items():
        rows.leave_out(file, f"repeats {count} record{'s' * (count > 1)} of {other}; left out")
    table[:] = [row for row, (file, content) in zip(table, found, strict=True) if file == owner[content]]


def _of_asv(rows: Rows) -> None:
    """ASV has one file for a commit and an environment."""
    held: _Held = {}
    for row in rows.measurements:
        if row["file"].startswith("asv/"):
            of_run = held.setdefault((row["machine"], row["run"]), {})
            much = of_run.get(row["file"], (0, 0))
            of_run[row["file"]] = (much[0] + (row["status"] == "ok"), much[1] + 1)
    left_out = _but_the_fullest(held, "what ASV measured", rows)
    rows.measurements[:] = [row for row in rows.measurements if row["file"] not in left_out]


def _but_the_fullest(held: _Held, what: str, rows: Rows) -> set[str]:
    """The other files, each of which is named."""
    found = set()
    for files in held.values():
        best, *others = sorted(files, key=lambda file: _preferred(file, files[file]))
        for file in others:
            rows.leave_out(file, f"repeats {what} in {best}; left out")
        found.update(others)
    return found


def _preferred(file: str, much: tuple[int, ...]) -> tuple[Any, ...]:
    """Sorts files: first those that hold most, and of equal ones that whose name nothing was added to."""
    return [-count for count in much], len(file), file


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
