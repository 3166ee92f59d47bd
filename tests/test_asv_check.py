"""`python -m benchmarks check` and `bench`: what is wrong is said before any work, and with status 3."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.__main__ import main
from benchmarks.cli import bench
from benchmarks.cli import check as check_command
from benchmarks.define.pairing import TimedCase
from benchmarks.judge import turns
from benchmarks.run import asv_command, checkout, commit_pair, pairs, sides
from benchmarks.run.checkout import ROOT, unusable

COMMITS = {"main": "a" * 40, "change": "b" * 40}


@pytest.fixture(autouse=True)
def no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone of two commits, in which ASV must not be called."""

    def git(*arguments: str) -> str | None:
        if arguments[0] == "rev-parse" and arguments[1] == "--verify":
            return COMMITS.get(arguments[-1].removesuffix("^{commit}"))
        return ""

    def forbidden(*_: Any, **__: Any) -> int:
        raise AssertionError("ASV was called")

    monkeypatch.setattr(commit_pair, "git", git)
    for module in (commit_pair, bench):
        monkeypatch.setattr(module, "uncommitted", list)
        monkeypatch.setattr(module, "unusable", lambda: None)
    monkeypatch.setattr(asv_command, "branches", lambda configured, _: list(configured))
    monkeypatch.setattr(asv_command, "run", forbidden)
    monkeypatch.setattr(asv_command, "ROOT", tmp_path)
    monkeypatch.setattr(asv_command, "register_machine", lambda: "m")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def check(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments, "--results", str(results / "new")])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Missing argument 'BASE'"),
        (("nowhere", "change"), "'nowhere' is no commit"),
        (("main", "nowhere"), "'nowhere' is no commit"),
        (("main", "main"), "are the same commit"),
        (("main", "change", "--bench", "("), "no regular expression"),
        (("main", "change", "--bench", "nonesuch"), "no benchmark matches 'nonesuch'"),
        (("main", "change", "--factor", "1"), "factor is 1.0; it may be any finite number > 1"),
        (("main", "change", "--factor", "x"), "not a valid float"),
        (("main", "change", "--memory-factor", "nan"), "memory_factor is nan"),
        (("main", "change", "--error", "0"), "error is 0.0"),
        (("main", "change", "--pairs", "3"), "pairs is 3; it may be any integer >= 4"),
        (("main", "change", "--minutes", "0"), "minutes is 0.0"),
        (("main", "change", "--nonsense"), "No such option"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(arguments: tuple[str, ...], text: str, tmp_path: Path):
    result = check(tmp_path, *arguments)
    assert result.exit_code == 3, result.output
    assert text in " ".join(result.stderr.split())
    assert not (tmp_path / "new").exists()


def test_changes_that_are_in_no_commit_are_not_silently_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commit_pair, "uncommitted", lambda: ["implementations/numba/cpu/per_neuron.py"])
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "these changes are in none: implementations/numba/cpu/per_neuron.py" in result.stderr


def test_what_a_clone_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = commit_pair.git
    monkeypatch.setattr(commit_pair, "git", lambda *words: None if words[0] == "cat-file" else real(*words))
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "can't be installed" in result.stderr


@pytest.mark.parametrize("lacks", ["git", "clone"])
def test_where_there_is_no_git_or_no_clone(lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (commit_pair, bench):
        monkeypatch.setattr(module, "unusable", unusable)
    if lacks == "git":
        (tmp_path / ".git").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "needs git and a clone" in result.stderr
    result = CliRunner().invoke(main, ["bench"])
    assert result.exit_code == 1
    assert "needs git and a clone" in result.stderr


def test_two_at_once_are_refused(tmp_path: Path):
    with asv_command.alone():
        result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "running in this clone already" in result.stderr


CASE = TimedCase("step.Step.time_step", ("'numba'",), "numba", "time", "seconds", "numba")
MEMORY = TimedCase("memory.Peak.track_bytes", ("'numba'",), "numba", "track", "bytes", "numba")


def pair(number: int, ratio: float, copy: float = 1.0, spread: float = 0.004) -> dict[str, Any]:
    """As `run.pairs.measure` yields it: head takes `ratio` times as long, and a second base `copy` times."""
    scales = {"base": 1.0, "head": ratio, "copy": copy}
    order = ["base", "head", "copy", "copy", "head", "base"] * 3
    jitter = 1.0 + spread * (number % 3 - 1)
    times = [0.1 * scales[arm] * (jitter if arm != "base" else 1.0) for arm in order]
    states = {arm: {"status": "ok", "reason": None} for arm in scales}
    samples = {"order": order, "wall_s": times, "own_s": times, "taken": [0] * len(order)}
    return {"kind": "pair", **CASE.named(), "pair": number, "states": states, **samples}


def failing(number: int, **states: str) -> dict[str, Any]:
    found = {
        arm: {"status": states.get(arm, "ok"), "reason": "of a test"} for arm in ("base", "head", "copy")
    }
    return {"kind": "pair", **CASE.named(), "pair": number, "states": found}


def measured(
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[[int], dict[str, Any]],
    tracked: Sequence[dict[str, Any]] = (),
    changed: Sequence[str] = ("implementations/rules.py",),
) -> list[int]:
    """Let pairs give these records; returns the numbers of those that are asked for."""
    asked: list[int] = []

    def measure(cases: Any, arms: Any, numbers: range, *_: Any) -> Iterator[dict[str, Any]]:
        for number in numbers:
            asked.append(number)
            yield record(number)

    side = sides.Side(Path("python"), Path("folder"), Path("compiled"))
    monkeypatch.setattr(sides, "install", lambda *_: (side, side))
    monkeypatch.setattr(check_command, "changed", lambda *_: list(changed))
    monkeypatch.setattr(commit_pair, "selected", lambda _: [CASE, *([MEMORY] if tracked else [])])
    monkeypatch.setattr(pairs, "measure", measure)
    monkeypatch.setattr(pairs, "track", lambda *_: iter(tracked))
    return asked


def memory(arm: str, mib: float) -> dict[str, Any]:
    return {"kind": "tracked", **MEMORY.named(), "arm": arm, "status": "ok", "samples": [mib * 2**20]}


@pytest.mark.parametrize(
    ("record", "status", "headline", "numbers"),
    [
        (lambda number: pair(number, 1.0), 0, "No regression", 4),
        (lambda number: pair(number, 1.2), 1, "Regression: 1 slower", 4),
        (lambda number: pair(number, 0.8), 0, "No regression: 1 faster", 4),
        (lambda number: pair(number, 1.0, spread=0.3), 4, "Cannot tell of 1 cases", 9),
        (lambda number: failing(number, head="failed"), 2, "Broken: 1 fails now", 4),
        (lambda number: failing(number, base="failed", head="failed"), 3, "Nothing could be compared", 4),
        (lambda number: pair(number, 1.2, copy=1.2), 5, "Void: 1 cases", 4),
    ],
    ids=["same", "slower", "faster", "noise", "broken", "nothing", "void"],
)
def test_status_and_summaries(
    record: Callable[[int], dict[str, Any]],
    status: int,
    headline: str,
    numbers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    asked = measured(monkeypatch, record)
    github = tmp_path / "github.md"
    github.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(github))
    result = check(tmp_path, "main", "change", "--summary", str(tmp_path / "own" / "summary.md"))
    assert result.exit_code == status, result.output
    assert headline in result.output
    summary = (tmp_path / "own" / "summary.md").read_text()
    assert summary.startswith(f"### {headline}")
    assert github.read_text() == "before\n" + summary
    (stored,) = (tmp_path / "new" / "checks").glob("*-aaaaaaaa-bbbbbbbb/summary.md")
    assert stored.read_text() == summary
    kept = stored.with_name("measured.jsonl").read_text().splitlines()
    assert [json.loads(line)["pair"] for line in kept] == asked == list(range(numbers))
    if status == 4:
        assert "--minutes" in summary
        assert "less to do beside it" in summary


def test_pairs_and_minutes_are_those_that_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = measured(monkeypatch, lambda number: pair(number, 1.0, spread=0.3))
    assert check(tmp_path, "main", "change", "--pairs", "5").exit_code == 4
    assert asked == [0, 1, 2, 3, 4]
    asked.clear()
    assert check(tmp_path, "main", "change", "--minutes", "1e-9").exit_code == 4
    assert asked == [0, 1, 2, 3]  # one look, as each began before the time was over


def test_a_case_that_there_was_no_time_for_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(monkeypatch, lambda number: pair(number, 1.0))
    monkeypatch.setattr(pairs, "measure", lambda *_: iter(()))
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 4, result.output
    assert "Cannot tell of 1 cases" in result.output


def test_what_can_not_have_changed_voids_times_if_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    elsewhere = ["implementations/numpy/bptt.py"]
    measured(monkeypatch, lambda number: pair(number, 1.2), changed=elsewhere)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 5, result.output
    assert "although" not in result.stderr
    assert CASE.selector in result.output
    measured(monkeypatch, lambda number: pair(number, 1.0), changed=elsewhere)
    assert check(tmp_path, "main", "change").exit_code == 0


def test_more_memory_is_a_regression_whatever_times_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    more = [memory("base", 8.0), memory("head", 16.0)]
    measured(monkeypatch, lambda number: pair(number, 1.2, copy=1.2), more)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 1, result.output
    assert "Regression: 1 more memory" in result.output


def test_a_side_without_figures_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured(monkeypatch, lambda number: pair(number, 1.0), [memory("base", 8.0)])
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 4, result.output


@pytest.mark.parametrize("broken", ["install", "measure", "judge"])
def test_a_crash_is_no_verdict(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def crash(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("of a test")

    measured(monkeypatch, lambda number: pair(number, 1.0))
    module = {"install": sides, "measure": pairs, "judge": turns}[broken]
    monkeypatch.setattr(module, broken, crash)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "ZeroDivisionError: of a test" in result.stderr


def test_what_can_not_be_installed_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def partial(*_: Any) -> Any:
        raise sides.NotInstalled("commit aaaaaaaa can't be taken from this clone: missing blob")

    measured(monkeypatch, lambda number: pair(number, 1.0))
    monkeypatch.setattr(sides, "install", partial)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "can't be taken from this clone" in result.stderr


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('of a test')", "def", None], ids=["raises", "no Python", "none"]
)
def test_a_broken_plug_in_is_no_regression(text: str | None, tmp_path: Path):
    path = tmp_path / "plugin.py"
    if text is not None:
        path.write_text(text)
    for command in ("check", "counts", "history"):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--plugin", str(path), command, "HEAD"],
            cwd=ROOT,
            capture_output=True,
        )
        assert done.returncode == 3, (command, done.stderr)
    if text is not None:  # elsewhere it is an error like others
        done = subprocess.run([sys.executable, "-m", "benchmarks", "--plugin", str(path), "list"], cwd=ROOT)
        assert done.returncode == 1


def test_a_folder_that_can_not_be_written_is_no_regression(tmp_path: Path):
    (tmp_path / "new").write_text("a file")
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 3
    assert "can't be written" in result.stderr or "is a file" in result.stderr


def test_an_interrupted_check_says_where_its_pairs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(number: int) -> dict[str, Any]:
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10.0)
        return pair(number, 1.0)

    measured(monkeypatch, interrupted)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 143
    (kept,) = (tmp_path / "new" / "checks").glob("*/measured.jsonl")
    assert str(kept.parent) in result.stderr
    assert len(kept.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--quick", "--bench", "x"), "give it or --bench"),
        (("--installed", "main"), "give it or RANGE"),
        (("--installed",), "implementations/numba/cpu/per_neuron.py"),
    ],
)
def test_bench_refuses_what_contradicts_itself(
    arguments: tuple[str, ...], text: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bench, "uncommitted", lambda: ["implementations/numba/cpu/per_neuron.py"])
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code == 2
    assert text in result.stderr


def test_bench_runs_and_publishes(monkeypatch: pytest.MonkeyPatch):
    calls: list[list[str]] = []
    monkeypatch.setattr(asv_command, "run", lambda arguments, *_, **__: calls.append(list(arguments)) or 0)
    monkeypatch.setattr(bench, "uncommitted", list)
    assert CliRunner().invoke(main, ["bench", "--quick", "--installed"]).exit_code == 0
    run, publish = calls
    assert run[0] == "run"
    assert {"--python=same", "--set-commit-hash", "--record-samples"} < set(run)
    assert run.count("--bench") == len(asv_command.QUICK)
    assert publish[0] == "publish"
