"""Writes what `asv run` stores, by ASV's own code."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from asv.results import Results

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARAMETERS = {
    "backend": ["numpy", "numba"],
    "rule": ["bptt", "eprop_symmetric"],
    "mode": ["adjoint"],
    "device": ["cpu"],
    "n_steps": [2250],
    "n_rec": [100],
    "batch": [128],
}
NA = float("nan")


def benchmark(name: str, parameters: dict[str, list[Any]] | None = None) -> dict[str, Any]:
    """As in benchmarks.json."""
    parameters = PARAMETERS if parameters is None else parameters
    return {
        "name": name,
        "version": "1",
        "param_names": list(parameters),
        "params": [[repr(value) for value in values] for values in parameters.values()],
    }


def asv_results(
    folder: Path,
    commit: str = COMMIT,
    machine: str = "testbox",
    figures: dict[str, list[tuple[float | None, list[float] | None]]] | None = None,
    date: int = 1_767_225_600_000,
    parameters_of: Mapping[str, dict[str, list[Any]]] = MappingProxyType({}),
) -> Path:
    """asv/benchmarks.json and one file of results: a benchmark's name -> (value, samples) per case.

    A value of NaN is n/a, None a failure; where there are samples, the value is their median.
    `parameters_of`: a benchmark's name -> its parameters, where they are not `PARAMETERS`.
    """
    if figures is None:
        figures = {
            "step_time.StepTime.time_step": [
                (0.2, [0.1, 0.2, 0.3]), (0.4, [0.3, 0.4, 0.5]), (NA, None), (None, None)
            ],
            "peak_memory.PeakMemory.track_peak_bytes": [(1e6, None), (2e6, None), (3e6, None), (4e6, None)],
        }  # fmt: skip
    known = {name: benchmark(name, parameters_of.get(name)) for name in figures}
    parameters = {
        "machine": machine,
        "cpu": "A cpu",
        "num_cpu": "2",
        "ram": "1024",
        "os": "Linux",
        "arch": "x",
    }
    results = Results({**parameters, "python": "3.11"}, {}, commit, date, "3.11", "virtualenv-py3.11", {})
    for name, cases in figures.items():
        outcome = SimpleNamespace(
            result=[value for value, _ in cases],
            samples=[samples for _, samples in cases],
            number=[None if samples is None else 1 for _, samples in cases],
            stderr="",
            errcode=0,
            profile=None,
        )
        results.add_result(known[name], outcome, record_samples=True)
    directory = folder / "asv"
    directory.mkdir(parents=True, exist_ok=True)
    results.save(str(directory))
    (directory / machine / "machine.json").write_text(json.dumps({**parameters, "version": 1}))
    (directory / "benchmarks.json").write_text(json.dumps({**known, "version": 2}))
    return directory / machine / f"{commit[:8]}-virtualenv-py3.11.json"
