"""Sweeps: runs on Dask workers are those of `train`, recorded once; errors are said before work starts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.define import hyperparameters
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Run
from benchmarks.run.interruption import Request
from benchmarks.run.progress import Silent
from benchmarks.run.sweep.client import Summary, look, sweep
from benchmarks.run.sweep.cluster import Cluster, ClusterError
from benchmarks.run.sweep.code import difference, fingerprint
from benchmarks.run.sweep.files import curve_path
from benchmarks.run.train import record
from implementations.training import Plan

TASK = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=15, interval_ms=20, delay_ms=30, recall_ms=15)
PROBLEM = Problem.of(TASK, impl.Network(n_in=8, n_regular=4, n_adaptive=4))
PLAN = Plan(steps=20, batch=4, seed=10, test_trials=8)
BASE = [
    Run("numpy", rule, "adjoint", "float64", "cpu", 1, PROBLEM, impl.Adam(learning_rate=0.005), PLAN)
    for rule in ("bptt", "eprop_random")
]
RUNS = hyperparameters.one_at_a_time(BASE, {"learning_rate": (0.001, 0.005, 1e308)})


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as started,
        Client(started) as client,
    ):
        yield Cluster(client, "local")


def records(path: Path, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "train_s"} for line in found if line["kind"] == kind]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_sweep_records_what_training_here_records_and_a_divergence_as_such(
    cluster: Cluster, tmp_path: Path
):
    assert len(RUNS) == 6  # a value that is the recipe's is no further run
    cluster.check()
    summary = Summary()
    sweep(look(RUNS, tmp_path, summary), tmp_path, cluster, Request(), 10.0, lambda _: None, summary)
    assert sorted(summary.recorded) == sorted(run.name for run in RUNS)
    assert (summary.skipped, summary.failed) == (0, {})
    assert sorted(summary.diverged) == sorted(run.name for run in RUNS[-2:])
    assert len(list((tmp_path / "curves").iterdir())) == 6  # no locks, checkpoints, temporary files
    for run in RUNS[:4]:
        record(run, tmp_path / "here", lambda _title, _steps: Silent())
        there, here = (curve_path(run, folder) for folder in (tmp_path, tmp_path / "here"))
        assert len(records(there, "point")) == 2
        for kind in ("run", "point", "end"):
            assert records(there, kind) == records(here, kind)
        (session,) = records(there, "session")
        assert (session["sweep"]["workers"], session["sweep"]["timing"]) == (2, "shared")
        assert session["sweep"]["attempts"] == [session["sweep"]["worker"]]
    (end,) = records(curve_path(RUNS[-1], tmp_path), "end")
    assert (end["step"], end["reason"]) == (0, "diverged")
    again = Summary()
    assert look(RUNS, tmp_path, again) == {}
    assert (again.skipped, len(again.diverged)) == (6, 2)


def test_a_signal_ends_a_sweep_with_its_exit_status(cluster: Cluster, tmp_path: Path):
    from benchmarks.run.interruption import Interrupted

    summary = Summary()
    with pytest.raises(Interrupted, match="0 of 6 runs") as stop:
        sweep(look(RUNS, tmp_path, summary), tmp_path, cluster, Request(15), 10.0, lambda _: None, summary)
    assert stop.value.exit_code == 143


def test_timing_wants_a_worker_with_the_resource(cluster: Cluster):
    with pytest.raises(ClusterError, match="no worker has the resource 'alone'"):
        Cluster(cluster.client, "joined", alone=True).check()


def test_other_sources_are_told_with_their_commit_and_another_commit_alone_is_not():
    here = fingerprint()
    assert difference(here, here) is None
    assert difference(here, {**here, "commit": "other"}) is None
    text = difference(here, {**here, "sources": "1234", "commit": "abcd"})
    assert text is not None
    assert "sources 1234 instead of" in text
    assert "commit abcd instead of" in text
    assert difference(here, {**here, "Python": "3.99"}) == f"Python 3.99 instead of {here['Python']}"


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["--learning-rate", "fast"], ("--learning-rate", "numbers separated by commas")),
        (["--learning-rate", "-1"], ("learning_rate is -1.0",)),
        (["--n-cues", "2"], ("n_cues is 2",)),
        (["--task", "pattern_generation", "--n-cues", "3"], ("n_cues is 3", "no such setting")),
        (["--seeds", "0"], ("seeds is 0",)),
        (["--alone", "--workers", "2"], ("workers is 2", "--alone")),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], ("workers is 2", "--scheduler")),
    ],
)
def test_bad_options_are_named_before_anything_starts(
    options: list[str], texts: tuple[str, ...], tmp_path: Path
):
    arguments = ["sweep", "--backend", "numpy", "--results", str(tmp_path), *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert all(text in " ".join(result.output.split()) for text in texts), result.output
    assert list(tmp_path.iterdir()) == []
