"""What `asv run` stored: asv/MACHINE/COMMIT-ENVIRONMENT.json, read by ASV itself, as rows of the same tables.

Every file is a run of its own, as its benchmarks are not interleaved with those of another: no figure of it
is compared with one of another file.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv.results import Results

from benchmarks.define.metrics import METRICS
from benchmarks.define.names import SYSTEM
from benchmarks.store.asv_files import Benchmark, StoredCase, benchmarks, cases, literal
from benchmarks.store.readers.rows import Rows, printable
from benchmarks.store.schema import CASE, SAMPLES, TIMED, count, is_duration

# Method of a benchmark -> the column that its figure belongs to.
_COLUMNS = {metric.asv: metric.column for metric in METRICS.values() if metric.asv}
# Parameter of a benchmark -> column of a case. Others are not of the case and stay out.
_COUNTS = ("batch", "n_steps", "n_rec")
_NOT_A_RESULT = {"machine.json", "benchmarks.json"}

_REASONS = {
    "ok": None,
    "unavailable": "n/a: left out by --bench, or can't run there, and `python -m benchmarks list` says why",
    "failed": "the benchmark failed there: ASV stores no error, `asv run --show-stderr` shows it",
}


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them; a file that is not one of ASV's, or not in full, is named and left out."""
    directory = results_dir / "asv"
    if not directory.is_dir():
        if directory.exists():
            rows.leave_out("asv", "not a folder; left out")
        return
    known = _benchmarks(directory, rows)
    for path in sorted(directory.glob("*/*.json")):
        if path.name in _NOT_A_RESULT:
            continue
        file = printable(f"asv/{path.parent.name}/{path.name}")
        try:
            measured, unknown = _rows(path, file, known)
        except Exception as error:  # whatever ASV's reader, or what follows from it, stumbles over
            rows.leave_out(
                file, f"is no result of ASV 0.6, or not a whole one ({type(error).__name__}); left out"
            )
            continue
        if unknown:
            rows.leave_out(
                file, f"holds benchmarks that the report does not know: {', '.join(unknown)}; left out"
            )
        for environment, row, samples in measured:
            environment, row = printable(environment), printable(row)
            machine, commit = rows.environment(environment, "ASV")
            number = rows.next_measurement
            rows.measurements.append({**row, "measurement": number, "machine": machine, "commit": commit})
            rows.samples += [{"measurement": number, **sample} for sample in samples]


_Row = tuple[dict[str, Any], dict[str, Any], list[dict[str, float]]]


def _rows(path: Path, file: str, known: Mapping[str, Benchmark]) -> tuple[list[_Row], list[str]]:
    """(environment, measurement, samples) of one file, and the benchmarks that are not known."""
    results = Results.load(str(path))
    environment = _environment(results)
    rows: list[_Row] = []
    unknown = []
    for benchmark in sorted(results.get_all_result_keys()):
        column = _column(benchmark)
        names = known[benchmark].parameters if benchmark in known else None
        if column is None or names is None:
            unknown.append(benchmark)
            continue
        started = results.started_at.get(benchmark) or results.date
        common = {
            "file": file,
            "run": f"asv {results.commit_hash[:8]} {_name(results.env_name)}",
            "round": 0,
            "started": f"{datetime.fromtimestamp(started / 1000.0, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        for case in cases(results, benchmark):
            row, own = _measurement(column, case, case.parameters(names))
            rows.append((environment, {**common, **row}, own))
    return rows, unknown


def _measurement(
    column: str, stored: StoredCase, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    case = dict.fromkeys(CASE, "unknown") | {"system": SYSTEM}
    case |= {name: str(parameters[name]) for name in CASE if parameters.get(name) is not None}
    row: dict[str, Any] = {**case, **{name: count(parameters.get(name)) for name in _COUNTS}}
    row |= {"status": stored.status, "reason": _REASONS[stored.status]}
    if stored.status != "ok":
        return row, []
    if column not in TIMED:
        row[column] = stored.value
    if column not in SAMPLES:
        return row, []
    if column in TIMED and not all(map(is_duration, stored.samples)):
        raise ValueError("a sample that is no duration")
    return row, [{column: float(sample)} for sample in stored.samples]


def _column(benchmark: str) -> str | None:
    return _COLUMNS.get(benchmark.rpartition(".")[2])


def _name(environment: str) -> str:
    """An environment's name, without the path of the Python of one that ASV did not make."""
    return "existing" if environment.startswith("existing") else environment


def _environment(results: Results) -> dict[str, Any]:
    machine = results.params
    python = str(machine.get("python"))
    return {
        "machine": machine["machine"],
        "processor": machine.get("cpu") or None,
        "cores": count(literal(machine.get("num_cpu"))),
        "memory_bytes": _memory_bytes(machine.get("ram")),
        "accelerators": [],
        "system": f"{machine.get('os', '')} {machine.get('arch', '')}".strip() or None,
        "python": python if re.fullmatch(r"[\d.]+", python) else None,  # else a path
        "versions": {name: str(machine[name]) for name in results._requirements if machine.get(name)},
        "commit": results.commit_hash,
        "dirty": False,
    }


def _benchmarks(directory: Path, rows: Rows) -> dict[str, Benchmark]:
    """The list of benchmarks, which has the names of parameters; empty where it can't be read."""
    if not (directory / "benchmarks.json").exists():
        if any(directory.glob("*/*.json")):
            rows.leave_out(
                "asv/benchmarks.json", "missing, so that parameters have no names; asv/ is left out"
            )
        return {}
    try:
        return benchmarks(directory)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        rows.leave_out("asv/benchmarks.json", f"can't be read ({type(error).__name__}); asv/ is left out")
        return {}


def _memory_bytes(ram: Any) -> int | None:
    """ASV writes kilobytes, without a unit."""
    kilobytes = count(literal(ram))
    return None if kilobytes is None else kilobytes * 1024
