"""`python -m benchmarks check` and `bench`: what is wrong is said before any work, and with status 3."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from benchmarks.__main__ import main
from benchmarks.cli import bench
from benchmarks.run import asv_command, checkout, commit_pair
from benchmarks.run.checkout import unusable
from benchmarks.run.commit_pair import ROUNDS
from benchmarks.run.interruption import Interrupted
from benchmarks.store import asv_files

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
        (("main", "change", "--rounds", "3"), f"rounds is 3; it may be any integer >= {ROUNDS}"),
        (("main", "change", "--samples", "1"), "at least 8 in all rounds"),
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


def frame(time_s: float, status: str = "ok") -> pd.DataFrame:
    samples = [time_s] * 16 if status == "ok" else []
    row = ("step", "a", "step('a')", "seconds", status, time_s, samples)
    return pd.DataFrame([row], columns=asv_files.COLUMNS)


def measured(monkeypatch: pytest.MonkeyPatch, *sides: tuple[pd.DataFrame, pd.DataFrame]) -> list[list[str]]:
    """Let ASV store these, one pair a run; returns the arguments that it gets."""
    calls: list[list[str]] = []
    stored = iter([side for pair in sides for side in pair])

    def run(arguments: Sequence[str], *_: Any, variables: Mapping[str, str], **__: Any) -> int:
        calls.append([*arguments, *(f"{name}={value}" for name, value in variables.items())])
        return 0

    monkeypatch.setattr(asv_command, "run", run)
    monkeypatch.setattr(asv_files, "of_commit", lambda *_: next(stored))
    monkeypatch.setattr(asv_command, "config_for", lambda *_: asv_command.CONFIG)
    return calls


@pytest.mark.parametrize(
    ("pairs", "status", "headline"),
    [
        ([(frame(0.1), frame(0.1))], 0, "No regression"),
        ([(frame(0.1), frame(0.2)), (frame(0.1), frame(0.2))], 1, "Regression: 1 slower"),
        ([(frame(0.1), frame(0.2)), (frame(0.1), frame(0.1))], 0, "No regression"),
        ([(frame(0.1), frame(0.1, "failed"))], 2, "Broken: 1 fails now"),
        ([(frame(0.1, "failed"), frame(0.1, "failed"))], 3, "Nothing could be compared"),
    ],
)
def test_status_and_summaries(
    pairs: list[Any], status: int, headline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = measured(monkeypatch, *pairs)
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
    assert [call[:3] for call in calls] == [["continuous", "a" * 40, "b" * 40]] * len(pairs)
    assert "--interleave-rounds" in calls[0]
    if len(calls) == 2:  # what seemed worse alone is measured again
        assert calls[1][-3:] == ["--bench", r"^step\('a'\)$", f"EPROP_BENCH_ROUNDS={ROUNDS}"]


def test_no_confirm_measures_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = measured(monkeypatch, (frame(0.1), frame(0.2)))
    result = check(tmp_path, "main", "change", "--no-confirm", "--rounds", "5", "--samples", "3")
    assert (result.exit_code, len(calls)) == (1, 1)
    assert {"EPROP_BENCH_ROUNDS=5", "--attribute=repeat=3"} < set(calls[0])


def test_an_interrupted_check_says_where_its_rounds_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: Any, **__: Any) -> int:
        raise Interrupted(15, "interrupted")

    monkeypatch.setattr(asv_command, "run", interrupted)
    monkeypatch.setattr(asv_command, "config_for", lambda *_: asv_command.CONFIG)
    result = check(tmp_path, "main", "change")
    assert result.exit_code == 143
    assert str(tmp_path / "new" / "checks") in result.stderr


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
