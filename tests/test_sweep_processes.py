"""Sweeps over a Dask cluster of real processes on loopback, of which some are killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from distributed import Client

import implementations as impl
from benchmarks.define import hyperparameters
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.runs import Run
from benchmarks.run.progress import Silent
from benchmarks.run.sweep.client import attempts
from benchmarks.run.sweep.files import curve_path
from benchmarks.run.train import record
from benchmarks.store import records
from implementations.training import Plan

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0
RULES = ("bptt", "eprop_random")
VALUES = {"learning_rate": (0.001, 0.005), "batch": (8,), "n_cues": (1,), "delay_ms": (200,)}
PLANS = [Plan(steps=20, seed=seed, evaluate_every=10, test_trials=16) for seed in (10, 11)]
PROBLEM = PROBLEMS["evidence_accumulation"]
RUNS = hyperparameters.grid(
    [
        Run(
            "numpy",
            rule,
            "adjoint",
            "float32",
            "cpu",
            1,
            PROBLEMS["evidence_accumulation"],
            impl.Adam(),
            plan,
        )
        for plan in PLANS
        for rule in RULES
    ],
    VALUES,
)
OPTIONS = ["--backend", "numpy", *(text for rule in RULES for text in ("--rule", rule)), "--grid"]
OPTIONS += ["--seeds", "2", "--steps", "20", "--evaluate-every", "10", "--test-trials", "16"]
OPTIONS += [
    text
    for name, values in VALUES.items()
    for text in (hyperparameters.HYPERPARAMETERS[name].option, ",".join(map(str, values)))
]


@dataclass(frozen=True)
class Started:
    """A scheduler and two workers, w0 and w1, each a process."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: tuple[subprocess.Popen[bytes], ...]


@contextmanager
def cluster(folder: Path) -> Iterator[Started]:
    folder.mkdir()
    contact = folder / "scheduler.json"
    loopback = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    processes: list[subprocess.Popen[bytes]] = []

    def start(kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (folder / f"{kind}{len(processes)}.log").open("wb") as log:
            module = f"distributed.cli.dask_{kind}"
            command = [sys.executable, "-m", module, *loopback, "--scheduler-file", str(contact), *arguments]
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return processes[-1]

    try:
        scheduler = start("scheduler", "--port", "0")
        until(lambda: contact.exists() and contact.read_text().endswith("}"))
        address = json.loads(contact.read_text())["address"]
        one = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        workers = tuple(start("worker", *one, "--name", name) for name in ("w0", "w1"))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=PATIENCE_S)
        yield Started(address, scheduler, workers)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def until(true: Any) -> None:
    """Wait for it."""
    end = monotonic() + PATIENCE_S
    while not true():
        assert monotonic() < end
        sleep(0.02)


def command(results: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", "sweep", *OPTIONS, "--results", str(results), *more]


@contextmanager
def after_one_came_back(results: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep on its way: one run of it is recorded, others are on the workers."""
    process = subprocess.Popen(
        command(results, "--scheduler", address),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: list((results / "curves").glob("[!.]*.jsonl")) or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.wait()


def begun_and_not_back(client: Client, results: Path) -> set[str]:
    """The runs that w0 began, by the scheduler's log, and that the sweep has not recorded."""
    begun = {run.name for run in RUNS if attempts(client, run.name) == ["w0"]}
    return begun - {path.stem for path in (results / "curves").glob("[!.]*.jsonl")}


def stopped_on_the_way(w0: subprocess.Popen[bytes], client: Client, results: Path) -> bool:
    """Stop w0, so that what it began can't come back any more; it goes on if nothing is on its way."""
    os.kill(w0.pid, signal.SIGSTOP)
    sleep(0.3)  # for what it sent before to be recorded
    if begun_and_not_back(client, results):
        return True
    os.kill(w0.pid, signal.SIGCONT)
    return False


def recorded(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Name -> lines, without seconds and provenance."""
    found = {}
    for path in sorted((results / "curves").iterdir()):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.name] = [
            {name: value for name, value in line.items() if name != "train_s"}
            for line in lines
            if line["kind"] != "session"
        ]
    return found


def sessions(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["sweep"] for line in lines if line["kind"] == "session"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What training in this process, one run after another, records."""
    results = tmp_path_factory.mktemp("here")
    for run in RUNS:
        record(run, results, lambda _title, _steps: Silent())
    found = recorded(results)
    assert len(found) == len(RUNS) == 8
    assert all([line["kind"] for line in lines].count("point") == 2 for lines in found.values())
    return found


def test_a_killed_workers_runs_go_to_another_and_each_is_recorded_once_as_trained_here(
    expected: dict[str, list[dict[str, Any]]], tmp_path: Path
):
    results = tmp_path / "results"
    with cluster(tmp_path / "cluster") as started, after_one_came_back(results, started.address) as process:
        with Client(started.address, set_as_default=False) as client:
            until(lambda: stopped_on_the_way(started.workers[0], client, results))
            known: Any = client.scheduler_info(n_workers=-1)
            (victim,) = [address for address, worker in known["workers"].items() if worker["name"] == "w0"]
            assigned: Any = client.processing()
            on_the_way = begun_and_not_back(client, results)  # trained there, or through and held there
            lost = on_the_way | {str(key).removeprefix("train-") for key in assigned[victim]}
            os.kill(started.workers[0].pid, signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "8 recorded, 0 were already, 0 of both diverged, 0 failed" in out
    assert recorded(results) == expected
    by = {run.name: sessions(curve_path(run, results)) for run in RUNS}
    assert all(len(found) == 1 for found in by.values())
    assert {by[name][0]["worker"] for name in lost} == {"w1"}
    begun = {name: found["attempts"] for name, (found,) in by.items()}
    assert all(names[-1] == by[name][0]["worker"] for name, names in begun.items())
    retried = {name: names for name, names in begun.items() if len(names) > 1}
    assert retried == {name: ["w0", "w1"] for name in on_the_way}
    found = records.read(results).runs
    (told,) = found["command"].unique()  # of the client's command, which no worker has
    assert told.startswith("python -m benchmarks sweep --backend numpy")
    assert started.address not in told
    assert set(found.loc[found["lost"] == 1, "file"]) == {f"curves/{name}.jsonl" for name in retried}
    assert {(found["scheduler"], found["protocol"], found["timing"]) for (found,) in by.values()} == {
        ("joined", "tcp", "shared")
    }


def test_a_scheduler_that_is_killed_leaves_what_was_measured_and_the_same_command_goes_on(
    expected: dict[str, list[dict[str, Any]]], tmp_path: Path
):
    results = tmp_path / "results"
    with cluster(tmp_path / "cluster") as started, after_one_came_back(results, started.address) as process:
        started.scheduler.kill()
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, err
    before = {path.name: path.read_bytes() for path in (results / "curves").iterdir()}
    assert 1 <= len(before) < 8
    assert all(lines == expected[name] for name, lines in recorded(results).items())  # whole runs alone
    assert f": {len(before)} of 8 runs came back and are recorded; the same command goes on" in err
    resumed = subprocess.run(
        command(results, "--workers", "2" if (os.cpu_count() or 1) > 1 else "1"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert f"{len(before)} of 8 runs are recorded already, skipped" in resumed.stdout
    assert recorded(results) == expected
    assert all((results / "curves" / name).read_bytes() == content for name, content in before.items())
