"""Processes in turns: what they answer, whose code they run, what becomes of one that fails or is killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import implementations as impl
from benchmarks.define.pairing import BLOCKS, MOST_BLOCKS, TimedCase
from benchmarks.define.problem import PROBLEMS
from benchmarks.judge import turns
from benchmarks.run import checkout, commit_pair, cores, pairs, sides
from benchmarks.run.asv_command import QUICK
from benchmarks.run.process import Budget
from benchmarks.run.sides import Side

ROOT = Path(__file__).parents[1]
FOREVER = Budget(float("inf")).left_s
SHORT = r"^step_time\.PatternStepTime\..*'numpy', 'eprop_symmetric', 'adjoint', 'cpu'"


def selected(*patterns: str) -> list[TimedCase]:
    return commit_pair.selected(commit_pair.Plan("", "", patterns))


@pytest.fixture
def side(tmp_path: Path) -> Side:
    """What is installed here, of this checkout."""
    return Side(Path(sys.executable), ROOT, tmp_path / "compiled", tmp_path / "shared")


def measure(
    cases: list[TimedCase], arms: dict[str, Side], tmp_path: Path, count: int = 1
) -> list[dict[str, Any]]:
    with cores.pinned(cores.available()[0]):  # one pair after the other
        return list(pairs.measure(cases, arms, range(count), tmp_path / "printed.log", FOREVER))


def test_the_default_selection_has_what_it_says():
    cases = selected(*QUICK)
    timed = [case for case in cases if case.in_turns]
    assert {case.benchmark.split(".")[0] for case in timed} == {"step_time", "forward_time"}
    assert {case.backend for case in timed} == {"numpy", "numba", "torch", "jax", "brainpy"}
    assert {case.unit for case in cases if not case.in_turns} >= {"bytes", "wrong/trials"}
    learned = {(case.benchmark, case.backend) for case in cases if case.benchmark.startswith("accuracy.")}
    by_benchmark = {name: {backend for of, backend in learned if of == name} for name, _ in learned}
    published = ("Accuracy.track_test_error", "PatternError.track_nmse", "Alignment.track_misalignment")
    assert all(by_benchmark.pop(f"accuracy.{name}") == set(impl.BACKENDS) for name in published)
    with_quick = [name for name, problem in PROBLEMS.items() if type(problem.task).quick() is not None]
    assert len(by_benchmark) == len(with_quick) - 2
    assert all(backends == {"numba"} for backends in by_benchmark.values())
    (case,) = selected(SHORT)
    assert (case.kind, case.unit, case.backend) == ("time", "seconds", "numpy")
    (case,) = selected(r"^compilation\.Compilation\.track_compilation_s\('numpy', 'bptt', 'adjoint', 'cpu'")
    assert (case.kind, case.in_turns) == ("track", True)
    (case,) = selected(r"^compilation\.ImportTime\.timeraw_import\('numpy'")
    assert (case.kind, case.in_turns) == ("timeraw", True)


@pytest.mark.parametrize(
    ("files", "controls"),
    [
        (["implementations/numpy/bptt.py"], {"numba", "torch", "jax", "brainpy"}),
        (["implementations/numpy/bptt.py", "implementations/jax/calls.py"], {"numba", "torch", "brainpy"}),
        (["implementations/numpy/bptt.py", "implementations/rules.py"], set()),
        (["implementations/triton/sizes.py"], {"numpy", "numba", "brainpy"}),
        (["implementations/triton/sizes.py", "implementations/numpy/bptt.py"], {"numba", "brainpy"}),
        (["implementations/triton/sizes.py", "implementations/tasks/masks.py"], set()),
        (["constraints.txt"], set()),
        ([], {"numpy", "numba", "torch", "jax", "brainpy"}),
    ],
)
def test_what_a_change_does_not_touch_is_a_control(files: list[str], controls: set[str]):
    cases = selected(*QUICK)
    assert {case.backend for case in commit_pair.untouched(cases, files)} == controls


def test_what_is_said_to_be_shared_by_some_backends_is_imported_by_no_other():
    folder = ROOT / "implementations"
    for shared, backends in commit_pair.SHARED_BY.items():
        imported = re.compile(rf"implementations\.{shared}\b|implementations import [^\n]*\b{shared}\b")
        users = {
            path.relative_to(folder).parts[0]
            for path in folder.rglob("*.py")
            if imported.search(path.read_text(encoding="utf-8"))
        }
        assert users - {shared} == set(backends)


@pytest.mark.slow
def test_a_pair_is_sampled_in_turns_and_short_calls_are_many_a_sample(side: Side, tmp_path: Path):
    """A step of pattern generation, which ASV's suite measures in one process, has samples enough."""
    records = measure(selected(SHORT), {"base": side, "head": side, "copy": side}, tmp_path, 4)
    assert [record["pair"] for record in sorted(records, key=lambda record: record["pair"])] == [0, 1, 2, 3]
    for record in records:
        assert {state["status"] for state in record["states"].values()} == {"ok"}
        blocks = len(record["order"]) // 6
        assert BLOCKS <= blocks <= MOST_BLOCKS
        for number in range(blocks):
            turn = record["order"][6 * number : 6 * number + 6]
            assert turn == turn[::-1]
            assert sorted(turn) == sorted(["base", "head", "copy"] * 2)
        assert len(set(map(tuple, [record["order"][:3], record["order"][6:9], record["order"][12:15]]))) == 3
        assert len(record["wall_s"]) == len(record["own_s"]) == len(record["taken"]) == len(record["order"])
        assert all(0.0 < value < 1.0 for value in turns.seconds(record))


def test_a_side_runs_its_own_code_and_what_fails_there_is_said(side: Side, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(
        ROOT / "implementations", other / "implementations", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (other / "implementations/numpy/learner.py").open("a") as file:
        file.write("\nraise ImportError('libsvml.so: cannot open shared object file')\n")
    head = Side(side.python, other, other / "compiled", other / "shared")
    records = measure(selected(SHORT), {"base": side, "head": head, "copy": side}, tmp_path, 5)
    assert len(records) == 2  # and no third try
    for record in records:
        assert record["states"]["base"]["status"] == "ok"
        assert record["states"]["head"]["status"] == "failed"
        assert "libsvml.so" in record["states"]["head"]["reason"]
        assert "order" not in record
    assert "libsvml.so" in (tmp_path / "printed.log").read_text()


def test_what_can_not_run_is_unavailable(side: Side, tmp_path: Path):
    cases = selected(r"^step_time\.StepTime\.time_step\('numpy', 'bptt', 'online', 'cpu'")
    (record,) = measure(cases, {"base": side, "head": side}, tmp_path, 3)
    assert {state["status"] for state in record["states"].values()} == {"unavailable"}
    assert "online" in record["states"]["head"]["reason"]


def test_a_benchmark_of_a_task_that_a_side_lacks_is_unavailable_there(side: Side, tmp_path: Path):
    worker = pairs.Worker(side, tmp_path / "printed.log")
    found = worker.ask("prepare", benchmark="accuracy.MazeError.track_nmse", texts=[])
    worker.stop()
    assert (found["status"], "accuracy.MazeError" in found["reason"]) == ("unavailable", True)


def test_another_folder_s_implementations_are_refused(side: Side, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = Side(side.python, empty, side.compiled, side.shared)
    worker = pairs.Worker(wrong, tmp_path / "printed.log")
    with pytest.raises(pairs.Ended, match="ended with status 1"):
        worker.ask("prepare", benchmark="a.b.c", texts=[])
    worker.stop()
    assert "and not from" in (tmp_path / "printed.log").read_text()


def test_a_killed_process_is_named(side: Side, tmp_path: Path):
    worker = pairs.Worker(side, tmp_path / "printed.log")
    case = selected(SHORT)[0]
    assert worker.ask("prepare", benchmark=case.benchmark, texts=case.texts)["status"] == "ok"
    os.kill(worker._process.pid, signal.SIGKILL)
    with pytest.raises(pairs.Ended, match="SIGKILL"):
        worker.ask("sample")
    worker.stop()


def test_one_that_hangs_is_stopped(side: Side, tmp_path: Path):
    worker = pairs.Worker(side, tmp_path / "printed.log")
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(pairs.Ended, match=r"took longer than 0\.1 s"):
        worker.ask("sample", timeout_s=0.1)
    assert worker._process.poll() is not None


def test_no_pair_is_begun_when_time_is_over(side: Side, tmp_path: Path):
    arms = {"base": side, "head": side}
    assert not list(pairs.measure(selected(SHORT), arms, range(4), tmp_path / "printed.log", lambda: 0.0))


@pytest.mark.slow
def test_what_measures_by_itself_does_so_once_on_each_side(side: Side, tmp_path: Path):
    cases = selected(
        r"^accuracy\.(Pattern|TemporalXor)Error\..*\('numba', 'eprop_symmetric', 'adjoint', 'cpu'"
    )
    records = list(pairs.track(cases, {"base": side, "head": side}, tmp_path / "printed.log"))
    found = {(record["benchmark"], record["arm"]): record["samples"] for record in records}
    assert len(found) == len(records) == 4
    for benchmark in ("accuracy.PatternError.track_nmse", "accuracy.TemporalXorError.track_test_error"):
        assert found[benchmark, "base"] == found[benchmark, "head"]
        assert len(found[benchmark, "base"]) > 1
    # in a process of their own: what ran before them changes nothing
    alone = pairs.track(cases[:1], {"base": side}, tmp_path / "printed.log")
    assert [record["samples"] for record in alone] == [found[cases[0].benchmark, "base"]]


def test_what_measures_by_itself_shares_processes_but_for_memory(
    side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What failed is tried again in a fresh one, and so is what comes after it."""
    processes: list[tuple[bool, list[str]]] = []

    class Worker:
        def __init__(self, of: Side, log: Path, programs: bool = True) -> None:
            self.asked: list[str] = []
            processes.append((programs, self.asked))

        def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
            if what == "prepare":
                self.asked.append(arguments["benchmark"])
                return {"status": "ok", "reason": None}
            tried = sum(asked.count("b.B.track") for _, asked in processes)
            if self.asked[-1] == "c.C.track" or (self.asked[-1] == "b.B.track" and tried == 1):
                return {"status": "failed", "reason": "of a test"}
            return {"status": "ok", "reason": None, "samples": [1.0]}

        def stop(self) -> None:
            self.asked.append("stop")

    monkeypatch.setattr(pairs, "Worker", Worker)
    cases = [
        TimedCase(f"{name}.track", (), "", "track", unit, "numba")
        for name, unit in (
            ("a.A", "error"),
            ("m.M", "bytes"),
            ("b.B", "error"),
            ("c.C", "error"),
            ("d.D", "error"),
        )
    ]
    with cores.pinned(cores.available()[0]):
        records = list(pairs.track(cases, {"base": side}, tmp_path / "printed.log"))
    states = {record["benchmark"]: record["status"] for record in records}
    assert states == {f"{name}.track": "ok" for name in ("a.A", "m.M", "b.B", "d.D")} | {
        "c.C.track": "failed"
    }
    assert sorted(processes) == [
        (False, ["m.M.track", "stop"]),
        (True, ["a.A.track", "b.B.track", "stop"]),
        (True, ["b.B.track", "c.C.track", "stop"]),
        (True, ["c.C.track", "stop"]),
        (True, ["d.D.track", "stop"]),
    ]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A clone that has the files of its last commit alone, and no way to the others; base and head."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "implementations").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(origin))
    git(origin, "config", "uploadpack.allowFilter", "true")
    for name, value in (("user.name", "A. Tester"), ("user.email", "tester@example.org")):
        git(origin, "config", name, value)
    for text in ("base", "head"):
        for name in ("implementations/__init__.py", "pyproject.toml", "constraints.txt", "README.md"):
            (origin / name).write_text(f"# {text} {name}\n")
        git(origin, "add", ".")
        git(origin, "commit", "--quiet", "--message", text)
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", origin.as_uri(), str(clone))
    git(clone, "remote", "set-url", "origin", (tmp_path / "nowhere").as_uri())
    monkeypatch.setattr(checkout, "ROOT", clone)
    monkeypatch.setattr(sides, "_FOLDER", tmp_path / "sides")
    return git(clone, "rev-parse", "HEAD^"), git(clone, "rev-parse", "HEAD")


def test_a_partial_clone_is_no_broken_head(partial: tuple[str, str]):
    base, head = partial
    found = sides._source(head)
    assert sorted(path.name for path in found.iterdir()) == [
        *("README.md", "constraints.txt", "implementations", "pyproject.toml")
    ]
    with pytest.raises(sides.NotInstalled, match=f"{base[:8]} can't be taken from this clone"):
        sides._source(base)


def test_what_another_commit_needs_is_told_apart(tmp_path: Path):
    def requirements(text: str, constraints: str = "numpy==2.4.6") -> str:
        (tmp_path / "pyproject.toml").write_text(text)
        (tmp_path / "constraints.txt").write_text(constraints)
        return sides._requirements(tmp_path)

    text = (ROOT / "pyproject.toml").read_text()
    same = requirements(text)
    assert requirements(text + "\n# a comment\n") == same
    assert requirements(text, "numpy==2.4.7") != same
    assert requirements(text.replace("numpy>=2.0", "numpy>=2.1")) != same
