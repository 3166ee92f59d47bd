"""What `asv run` stored: asv/MACHINE/COMMIT-ENVIRONMENT.json, read by ASV itself, as rows of the same tables.

Every file is a run of its own, as its benchmarks are not interleaved with those of another: no figure of it
is compared with one of another file.
"""

import ast
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv.results import Results

from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import SYSTEM
from benchmarks.store.readers.rows import Rows
from benchmarks.store.schema import CASE, SAMPLES, TIMED, count, is_duration

# Method of a benchmark -> the column that its figure belongs to.
_COLUMNS = {metric.asv: metric.column for metric in METRICS.values() if metric.asv}
# Parameter of a benchmark -> column of a case. Others are not of the case and stay out.
_COUNTS = ("batch", "n_steps", "n_rec")
_NOT_A_RESULT = {"machine.json", "benchmarks.json"}

_UNAVAILABLE = "n/a: left out by --bench, or can't run there, and `python -m benchmarks list` says why"
_FAILED = "the benchmark failed there: ASV stores no error, `asv run --show-stderr` shows it"


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them; a file that is not one of ASV's, or not in full, is named and left out."""
    directory = results_dir / "asv"
    if not directory.is_dir():
        if directory.exists():
            rows.leave_out("asv", "not a folder; left out")
        return
    names = _parameter_names(directory, rows)
    for path in sorted(directory.glob("*/*.json")):
        if path.name in _NOT_A_RESULT:
            continue
        file = f"asv/{path.parent.name}/{path.name}"
        try:
            measured, unknown = _rows(path, file, names)
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
            machine, commit = rows.environment(environment, "ASV")
            number = rows.next_measurement
            rows.measurements.append({**row, "measurement": number, "machine": machine, "commit": commit})
            rows.samples += [{"measurement": number, **sample} for sample in samples]


_Row = tuple[dict[str, Any], dict[str, Any], list[dict[str, float]]]


def _rows(path: Path, file: str, names: Mapping[str, list[str]]) -> tuple[list[_Row], list[str]]:
    """(environment, measurement, samples) of one file, and the benchmarks that are not known."""
    results = Results.load(str(path))
    environment = _environment(results)
    rows: list[_Row] = []
    unknown = []
    for benchmark in sorted(results.get_all_result_keys()):
        column = _column(benchmark)
        if column is None or benchmark not in names:
            unknown.append(benchmark)
            continue
        started = results.started_at.get(benchmark) or results.date
        common = {
            "file": file,
            "run": f"asv {results.commit_hash[:8]} {_name(results.env_name)}",
            "round": 0,
            "started": f"{datetime.fromtimestamp(started / 1000.0, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        for parameters, value, samples in _cases(results, benchmark, names[benchmark]):
            row, own = _measurement(column, parameters, value, samples)
            rows.append((environment, {**common, **row}, own))
    return rows, unknown


def _cases(
    results: Results, benchmark: str, names: list[str]
) -> Iterator[tuple[dict[str, Any], float | None, list[float]]]:
    """Each combination of a benchmark's parameters, with its value and raw samples."""
    choices = results.get_result_params(benchmark)
    values = results.get_result_value(benchmark, choices)
    samples = results.get_result_samples(benchmark, choices)
    for texts, value, own in zip(itertools.product(*choices), values, samples, strict=True):
        parameters = dict(zip(names, map(_literal, texts), strict=True))
        yield parameters, value, [] if own is None else own


def _measurement(
    column: str, parameters: Mapping[str, Any], value: float | None, samples: list[float]
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    case = dict.fromkeys(CASE, "unknown") | {"system": SYSTEM}
    case |= {name: str(parameters[name]) for name in CASE if parameters.get(name) is not None}
    row: dict[str, Any] = {**case, **{name: count(parameters.get(name)) for name in _COUNTS}}
    if value is None:
        return {**row, "status": "failed", "reason": _FAILED}, []
    if math.isnan(value):
        return {**row, "status": "unavailable", "reason": _UNAVAILABLE}, []
    row |= {"status": "ok", "reason": None}
    if column not in TIMED:
        row[column] = float(value)
    if column not in SAMPLES:
        return row, []
    kept = samples or [value]  # ASV keeps raw samples unless told not to; the median is one
    if column in TIMED and not all(map(is_duration, kept)):
        raise ValueError("a sample that is no duration")
    return row, [{column: float(sample)} for sample in kept]


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
        "cores": count(_literal(machine.get("num_cpu"))),
        "memory_bytes": _memory_bytes(machine.get("ram")),
        "accelerators": [],
        "system": f"{machine.get('os', '')} {machine.get('arch', '')}".strip() or None,
        "python": python if re.fullmatch(r"[\d.]+", python) else None,  # else a path
        "versions": {name: str(machine[name]) for name in results._requirements if machine.get(name)},
        "commit": results.commit_hash,
        "dirty": False,
    }


def _parameter_names(directory: Path, rows: Rows) -> dict[str, list[str]]:
    """Benchmark -> the names of its parameters, which ASV keeps apart from the results."""
    path = directory / "benchmarks.json"
    if not path.exists():
        if any(directory.glob("*/*.json")):
            rows.leave_out(
                "asv/benchmarks.json", "missing, so that parameters have no names; asv/ is left out"
            )
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: [str(parameter) for parameter in of["param_names"]]
            for name, of in known.items()
            if isinstance(of, dict) and isinstance(of.get("param_names"), list)
        }
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        rows.leave_out("asv/benchmarks.json", f"can't be read ({type(error).__name__}); asv/ is left out")
        return {}


def _literal(text: Any) -> Any:
    """What ASV wrote by repr(); the text itself where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _memory_bytes(ram: Any) -> int | None:
    """ASV writes kilobytes, without a unit."""
    kilobytes = count(_literal(ram))
    return None if kilobytes is None else kilobytes * 1024
