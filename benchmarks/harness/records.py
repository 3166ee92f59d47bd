"""The records under results/, read into tidy tables: one row per run, point, measurement or sample.

results/README.md describes the files. A file or line that can't be read becomes a `Problem` that names it;
the rest is read nevertheless, as a run may be interrupted, or still be writing, at any moment.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

SCHEMA = 1

CASE = ["system", "backend", "rule", "mode", "dtype", "device", "threads"]
"""What a training run and a measurement have in common: what ran, and how.

`threads` is a text, "all" for all that the process may use: a null would be lost in every grouping.
"""

RUN_COLUMNS = [
    *("file", *CASE, "task", "batch", "seed", "settings", "experiment", "machine", "commit"),
    *("started", "last_step", "train_s", "end"),
]
"""One row per training run. `experiment` names equal task, network, objective, optimizer and batch size;
`machine` is a digest, several joined by "+" if resumed elsewhere; `end` is None if interrupted."""

POINT_FIGURES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "rate_hz"]
POINT_COLUMNS = ["file", "step", "train_s", *POINT_FIGURES]
CRITERION_COLUMNS = ["file", "step", "train_s", "validation_error", "test_error"]

COSTS = ["first_step_s", "build_s", "load_s", "import_s", "peak_bytes", "batch_bytes"]
MEASUREMENT_COLUMNS = [
    *("measurement", "file", "run", "round", "started", "machine", "commit", *CASE),
    *("batch", "n_steps", "n_rec", "status", "reason", *COSTS),
]
"""One row per measured process; `measurement` numbers them, and `samples` refers to it."""

SAMPLE_COLUMNS = ["measurement", "step_s"]
ENVIRONMENT_COLUMNS = [
    *("machine", "processor", "cores", "memory_bytes", "accelerators", "system", "python", "versions"),
    *("commit", "dirty", "source"),
]

STATUSES = ("ok", "unavailable", "failed")


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: the file's path under results/, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True)
class Records:
    """All records of one results folder; empty tables have their columns nevertheless."""

    runs: pd.DataFrame
    points: pd.DataFrame
    criteria: pd.DataFrame
    measurements: pd.DataFrame
    samples: pd.DataFrame
    environments: pd.DataFrame
    problems: list[Problem]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to report."""
        return self.points.empty and self.measurements.empty


class _Invalid(Exception):
    """A line that is no record; the text says why."""


# What a field may hold; "?" marks those that may be null or missing.
_RUN = {
    **dict.fromkeys(("system", "task", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"threads": "count?", "seed": "count", "batch": "count", "settings": "object"},
}
_SESSION = {"started": "text", "step": "count", "environment": "object"}
_POINT = {"step": "count", "train_s": "number", **dict.fromkeys(POINT_FIGURES, "number?")}
_CRITERION = {"step": "count", "train_s": "number", "validation_error": "number?", "test_error": "number?"}
_END = {"step": "count", "reason": "text"}
_MEASUREMENT = {
    **dict.fromkeys(("run", "started", "system", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"round": "count", "threads": "count?", "batch": "count", "n_steps": "count", "n_rec": "count"},
    **{"status": "text", "reason": "text?", "step_s": "samples?", "environment": "object"},
    **dict.fromkeys(COSTS, "number?"),
}
_CURVE_KINDS = {"run": _RUN, "session": _SESSION, "point": _POINT, "criterion": _CRITERION, "end": _END}
_TIMING_KINDS = {"measurement": _MEASUREMENT}


@dataclass
class _Collector:
    """Rows as they are read."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    criteria: list[dict[str, Any]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, file: str, what: str) -> None:
        self.problems.append(Problem(file, what))

    def environment(self, environment: Mapping[str, Any], source: str) -> tuple[str, str]:
        """Remember an environment; returns its machine and commit."""
        row = {name: environment.get(name) for name in ENVIRONMENT_COLUMNS if name != "source"}
        row["machine"] = str(row["machine"] or "unknown")
        row["versions"] = row["versions"] if isinstance(row["versions"], dict) else {}
        row["accelerators"] = row["accelerators"] if isinstance(row["accelerators"], list) else []
        known = self.environments.setdefault(_canonical(row), {**row, "source": source})
        if source not in known["source"]:
            known["source"] += f", {source}"
        dirty = "+changes" if row["dirty"] else ""
        return row["machine"], f"{row['commit'] or 'unknown'}{dirty}"


def read(results_dir: Path | str) -> Records:
    """Read all records under a results folder.

    Args:
        results_dir: holds curves/ and timings/; either may be missing.
    """
    results_dir = Path(results_dir)
    found = _Collector()
    for path in _record_files(results_dir, "curves", found):
        _read_curve(path, f"curves/{path.name}", found)
    for path in _record_files(results_dir, "timings", found):
        _read_timings(path, f"timings/{path.name}", found)
    return Records(
        runs=_frame(found.runs, RUN_COLUMNS, counts=("batch", "seed", "last_step")),
        points=_frame(found.points, POINT_COLUMNS, numbers=("train_s", *POINT_FIGURES)),
        criteria=_frame(
            found.criteria, CRITERION_COLUMNS, numbers=("train_s", "validation_error", "test_error")
        ),
        measurements=_frame(
            found.measurements,
            MEASUREMENT_COLUMNS,
            counts=("batch", "n_steps", "n_rec"),
            numbers=COSTS,
        ),
        samples=_frame(found.samples, SAMPLE_COLUMNS, numbers=("step_s",)),
        environments=_frame(list(found.environments.values()), ENVIRONMENT_COLUMNS),
        problems=found.problems,
    )


def _record_files(results_dir: Path, folder: str, found: _Collector) -> Iterator[Path]:
    """The .jsonl files of a folder, by name; names what else lies there."""
    directory = results_dir / folder
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.name.endswith(".checkpoint.npz"):
            continue
        if path.suffix == ".jsonl" and path.is_file():
            yield path
        else:
            found.problem(f"{folder}/{path.name}", "not a .jsonl file; left out")


def _lines(
    path: Path, file: str, kinds: Mapping[str, Mapping[str, str]], found: _Collector
) -> Iterator[dict[str, Any]]:
    """The valid records of one file; every other line becomes a problem."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        found.problem(file, f"can't be read: {error.strerror}")
        return
    if not raw.strip():
        found.problem(file, "empty")
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
            found.problem(file, f"line {number} {'is cut off' if cut else error}; left out")


def _record(line: bytes, kinds: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise _Invalid("is not JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        raise _Invalid('has no "kind"')
    kind = record["kind"]
    if kind not in kinds:
        raise _Invalid(f"is of the kind {kind[:40]!r}, which does not belong here")
    if kind in ("run", "measurement") and record.get("schema") != SCHEMA:
        raise _Invalid(f"has schema {record.get('schema')!r}; this version reads {SCHEMA}")
    for name, holds in kinds[kind].items():
        value = record.get(name)
        if value is None and holds.endswith("?"):
            continue
        if not _holds(value, holds.rstrip("?")):
            state = "missing" if name not in record else "not a " + holds.rstrip("?")
            raise _Invalid(f"has a {kind} whose {name} is {state}")
    if kind == "measurement" and record["status"] not in STATUSES:
        raise _Invalid(f"has the status {record['status'][:40]!r}; it may be {', '.join(STATUSES)}")
    return record


def _holds(value: Any, holds: str) -> bool:
    if holds == "text":
        return isinstance(value, str)
    if holds == "count":
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    if holds == "number":
        # A diverged run writes NaN or Infinity, which are floats too.
        return isinstance(value, float) or _holds(value, "count")
    if holds == "samples":
        return isinstance(value, list) and all(
            _holds(sample, "number") and math.isfinite(sample) and sample > 0.0 for sample in value
        )
    return isinstance(value, dict)


def _read_curve(path: Path, file: str, found: _Collector) -> None:
    run: dict[str, Any] | None = None
    machines: list[str] = []
    commits: list[str] = []
    started = ""
    end: str | None = None
    points: dict[int, dict[str, Any]] = {}
    criteria: list[dict[str, Any]] = []
    already = len(found.problems)
    for record in _lines(path, file, _CURVE_KINDS, found):
        kind = record["kind"]
        if kind == "run":
            if run is not None:
                found.problem(file, "holds a second run; the lines from there on are left out")
                break
            run = record
        elif run is None:
            break
        elif kind == "session":
            machine, commit = found.environment(record["environment"], "training")
            machines += [machine] if machine not in machines else []
            commits += [commit] if commit not in commits else []
            started = max(started, record["started"])
            end = None  # a run that goes on after its end, to do more steps
        elif kind == "point":
            points[record["step"]] = record
        elif kind == "criterion":
            criteria.append(record)
        else:
            end = record["reason"]
    if run is None:
        if len(found.problems) == already:
            found.problem(file, "does not start with a run record; left out")
        elif found.problems[-1].what != "empty":
            found.problem(file, "has no readable run record; left out")
        return
    if not points:
        found.problem(file, "holds no point yet")
        return
    last = points[max(points)]
    row = {
        **{name: run.get(name) for name in (*CASE, "task", "batch", "seed", "settings")},
        "threads": _threads(run),
        "file": file,
        "experiment": _digest({name: run[name] for name in ("system", "task", "batch", "dtype", "settings")}),
        "machine": "+".join(machines) or "unknown",
        "commit": ", ".join(commits) or "unknown",
        "started": started,
        "last_step": last["step"],
        "train_s": last["train_s"],
        "end": end,
    }
    identity = (*CASE, "seed", "experiment", "machine")
    for other in found.runs:
        if all(other[name] == row[name] for name in identity):
            found.problem(file, f"repeats the run in {other['file']}; left out")
            return
    found.runs.append(row)
    found.points += [{**points[step], "file": file} for step in sorted(points)]
    # "For the first time": a run has one criterion; the earliest counts if a file has more.
    found.criteria += [{**c, "file": file} for c in sorted(criteria, key=lambda c: c["step"])[:1]]


def _read_timings(path: Path, file: str, found: _Collector) -> None:
    for record in _lines(path, file, _TIMING_KINDS, found):
        number = len(found.measurements)
        samples = record.get("step_s") or []
        if record["status"] == "ok" and not samples and record.get("peak_bytes") is None:
            found.problem(file, "holds a measurement that is ok but has no figure; left out")
            continue
        machine, commit = found.environment(record["environment"], "timing")
        found.measurements.append(
            {
                **record,
                "threads": _threads(record),
                "measurement": number,
                "file": file,
                "machine": machine,
                "commit": commit,
            }
        )
        found.samples += [{"measurement": number, "step_s": sample} for sample in samples]


def _threads(record: Mapping[str, Any]) -> str:
    threads = record.get("threads")
    return "all" if threads is None else str(threads)


def _frame(
    rows: list[dict[str, Any]],
    columns: list[str],
    *,
    counts: tuple[str, ...] = (),
    numbers: tuple[str, ...] | list[str] = (),
) -> pd.DataFrame:
    """The rows with these columns; a null count stays null, a null number becomes NaN."""
    frame = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns)
    for name in counts:
        frame[name] = frame[name].astype("Int64")
    for name in numbers:
        frame[name] = frame[name].astype(float)
    return frame


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(value: Any) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:8]
