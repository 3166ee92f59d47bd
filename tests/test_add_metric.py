"""A metric of one's own is a row in one file: measured, read, exported, shown and judged like the suite's."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.store import records

ROOT = Path(__file__).resolve().parents[1]
COLUMN = "spikes_per_step"

PLUGIN = f"""
from benchmarks.define.metric import AS_MEMORY, Judged, Measured, Metric


def spikes(measured: Measured) -> float:
    measured.step()
    assert len(measured.step_s) >= 3
    assert measured.case.backend == "numpy"
    return float(measured.learner.simulate(measured.loaded).spikes.sum()) / 400.0


metric = Metric(
    "{COLUMN}",
    "spikes per time step",
    "spikes",
    "lower",
    measure=spikes,
    asv="track_{COLUMN}",
    judged=Judged("error", "spikes/step", 1.0, 1, "spikes"),
)
"""

GATE = f"""
import pandas as pd
from benchmarks.define.metrics import METRICS
from benchmarks.judge import gate
from benchmarks.show.gate import _value

assert METRICS["{COLUMN}"].heading == "spikes per time step (spikes)"
sides = [
    pd.DataFrame(
        [["step", "a", "step(a)", "spikes/step", "ok", value, [value]]],
        columns=["benchmark", "case", "selector", "unit", "status", "value", "samples"],
    )
    for value in (3.0, 9.0)
]
verdicts = gate.judge(*sides, gate.Thresholds())
assert list(verdicts["verdict"]) == ["learns worse"], verdicts
assert _value(9.0, "spikes/step") == "9.0 spikes"
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("theirs") / "spikes.py"
    path.write_text(PLUGIN)
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_is_measured_read_exported_and_shown(plugin: Path, tmp_path: Path):
    case = ("--backend", "numpy", "--rule", "eprop_symmetric", "--mode", "adjoint")
    size = ("--batch", 2, "--delay-ms", 150, "--rounds", 1, "--no-lengths")
    done = run("--plugin", plugin, "measure", *case, *size, "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "timings").iterdir()
    timed, of_memory = (json.loads(line) for line in path.read_text().splitlines())
    assert timed[COLUMN] > 0.0
    assert COLUMN not in of_memory
    assert str(plugin) not in path.read_text()

    done = run("--plugin", plugin, "export", "--results", tmp_path, "--out", tmp_path / "tables")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "tables/measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row[COLUMN] for row in rows] == [str(timed[COLUMN]), ""]

    assert run("--plugin", plugin, "report", "--results", tmp_path).returncode == 0
    assert "spikes per time step (spikes)" in (tmp_path / "report/report.md").read_text()
    read = records.read(tmp_path)  # by somebody who has it not
    assert not read.unreadable
    assert COLUMN not in read.measurements


def test_the_gate_judges_and_prints_it(plugin: Path):
    environment = {**os.environ, "EPROP_BENCH_PLUGINS": str(plugin)}
    done = subprocess.run(
        [sys.executable, "-c", GATE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('Metric("step_s", "mine", "ms", "lower")', "a metric named 'step_s'"),
        ('Metric("batch", "mine", "", "lower", measure=len)', "'batch', which is a column already"),
    ],
)
def test_a_name_that_is_taken_is_named(row: str, text: str, tmp_path: Path):
    path = tmp_path / "taken.py"
    path.write_text(f"from benchmarks.define.metric import Metric\nmetric = {row}\n")
    done = run("--plugin", path, "export", "--results", tmp_path)
    assert done.returncode != 0
    assert text in " ".join(done.stderr.split())
