"""Somebody's own trials: from a file to a report, and every file that is something else."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import implementations as impl
from benchmarks.store.records import read
from implementations.tasks import SPLITS

ROOT = Path(__file__).parents[1]
N, TIME, N_IN = 60, 24, 6


def arrays(**changes: Any) -> dict[str, Any]:
    """Three classes, of which each has inputs of its own; those that are None are left out."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N)
    spikes = rng.random((N, TIME, N_IN)) < 0.05
    for trial, label in enumerate(labels):
        spikes[trial, :12, 2 * label : 2 * label + 2] |= rng.random((12, 2)) < 0.5
    found = {"spikes": spikes, "labels": labels, **changes}
    return {name: array for name, array in found.items() if array is not None}


def file(tmp_path: Path, name: str = "own.npz", **changes: Any) -> Path:
    path = tmp_path / name
    np.savez(path, **arrays(**changes))
    return path


def curves(**changes: Any) -> dict[str, Any]:
    return {"labels": None, "targets": np.random.default_rng(1).standard_normal((N, TIME, 2)), **changes}


def test_what_is_known_of_a_task_follows_from_the_file(tmp_path: Path) -> None:
    task = impl.Recorded(file(tmp_path, "My Spikes-1.npz"))
    assert (task.name, task.file, task.n_in, task.n_out, task.n_steps) == (
        "my_spikes_1",
        "My Spikes-1.npz",
        6,
        3,
        24,
    )
    assert (task.objective.loss, task.objective.window, task.measure.column) == (
        "cross_entropy",
        24,
        "test_accuracy",
    )
    assert task.recipe.batch == 42
    of_curves = impl.Recorded(file(tmp_path, **curves()))
    assert (of_curves.n_out, of_curves.objective.loss, of_curves.measure.column) == (
        2,
        "squared_error",
        "nmse",
    )
    batch = of_curves.batch(5, seed=0)
    assert batch.targets.shape == (5, 24, 2)
    assert batch.mask is None


def test_splits(tmp_path: Path) -> None:
    """70, 10 and 20 % where the file does not say; no trial is in two."""
    task = impl.Recorded(file(tmp_path))
    seen = {split: {one.tobytes() for one in task.trials(N, 0, split).spikes} for split in SPLITS}
    assert [len(found) for found in seen.values()] == [42, 6, 12]
    assert len(set.union(*seen.values())) == N
    numbers = np.arange(N) % 3
    for split in (numbers, np.array(SPLITS)[numbers]):
        own = impl.Recorded(file(tmp_path, split=split))
        found = own.trials(20, 1, "validation")
        there = arrays()["spikes"][1::3]
        assert {one.tobytes() for one in found.spikes} == {one.tobytes() for one in there}
    np.testing.assert_array_equal(task.batch(8, seed=3).spikes, task.trials(8, 3, "train").spikes)
    assert (task.batch(8, seed=3).spikes != task.batch(8, seed=4).spikes).any()


def test_events_are_the_same_trials(tmp_path: Path) -> None:
    plain = arrays()
    trial, step, number = np.nonzero(plain["spikes"])
    events = {"event_trial": trial, "event_step": step, "event_input": number, "n_in": N_IN, "n_steps": TIME}
    one, two = impl.Recorded(file(tmp_path)), impl.Recorded(file(tmp_path, "e.npz", spikes=None, **events))
    np.testing.assert_array_equal(one.batch(9, seed=0).spikes, two.batch(9, seed=0).spikes)
    np.testing.assert_array_equal(one.batch(9, seed=0).targets, two.batch(9, seed=0).targets)


def test_trials_of_unequal_length_are_masked(tmp_path: Path) -> None:
    lengths = np.random.default_rng(2).integers(12, TIME + 1, N)
    spikes = arrays()["spikes"] & (np.arange(TIME) < lengths[:, None])[..., None]
    mask = np.ones((N, TIME), bool)
    mask[:, :6] = False
    for own, first in ((None, 0), (mask, 6)):
        task = impl.Recorded(file(tmp_path, spikes=spikes, lengths=lengths, mask=own))
        batch = task.trials(6, 0, "validation")
        assert batch.mask is not None
        known = {one.tobytes(): length for one, length in zip(spikes, lengths, strict=True)}
        for one, counted in zip(batch.spikes, batch.mask, strict=True):
            expected = (np.arange(TIME) >= first) & (np.arange(TIME) < known[one.tobytes()])
            np.testing.assert_array_equal(counted, expected)


def test_a_copy_reads_the_file_again_and_other_data_are_other_runs(tmp_path: Path) -> None:
    task = impl.Recorded(file(tmp_path))
    copied = pickle.loads(pickle.dumps(task))
    assert copied == task
    np.testing.assert_array_equal(copied.batch(3, seed=0).spikes, task.batch(3, seed=0).spikes)
    other = impl.Recorded(file(tmp_path, labels=1 - arrays()["labels"] % 2))
    assert other != task
    assert other.file == task.file


EVENTS = {"event_trial": np.zeros(3, int), "event_step": np.arange(3), "event_input": np.arange(3)}
BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "spikes of two axes": ({"spikes": arrays()["spikes"][0]}, ("spikes", "(24, 6)", "(trials, time, n_in)")),
    "spikes that are counts": ({"spikes": 2 * np.ones((N, TIME, 2))}, ("spikes", "values than 0 and 1")),
    "spikes that are text": ({"spikes": np.full((N, TIME, 2), "a")}, ("spikes", "<U1", "bool")),
    "no spikes": ({"spikes": None}, ("spikes", "missing", "event_trial")),
    "spikes and events": (EVENTS, ("event_trial", "beside spikes")),
    "events without inputs": ({**EVENTS, "spikes": None}, ("n_in", "missing")),
    "two of three events": ({"spikes": None, "event_trial": np.zeros(3, int)}, ("event_step", "missing")),
    "events of two lengths": (
        {**EVENTS, "spikes": None, "n_in": 5, "event_step": np.arange(4)}, ("event_step", "(4,)", "(3,)"),
    ),
    "an input too many": ({**EVENTS, "spikes": None, "n_in": 2}, ("event_input", "high as 2", "less than 2")),
    "a step too late": (
        {**EVENTS, "spikes": None, "n_in": 5, "n_steps": 2}, ("event_step", "as high as 2", "less than 2"),
    ),
    "a trial before the first": (
        {**EVENTS, "spikes": None, "n_in": 5, "event_trial": np.array([-1, 0, 0])}, ("event_trial", "-1"),
    ),
    "labels of other trials": ({"labels": np.zeros(3, int)}, ("labels", "(3,)", "(60,)")),
    "labels that are numbers": ({"labels": np.zeros(N)}, ("labels", "float64", "whole numbers")),
    "labels below 0": ({"labels": np.full(N, -1)}, ("labels", "-1")),
    "neither labels nor targets": ({"labels": None}, ("labels", "missing, as are targets")),
    "labels and targets": ({"targets": np.zeros((N, TIME, 1))}, ("labels", "beside targets")),
    "targets of another length": (
        curves(targets=np.zeros((N, TIME - 1, 1))), ("targets", "(60, 23, 1)", "(60, 24, n_out)"),
    ),
    "targets that are whole": (curves(targets=np.zeros((N, TIME, 1), int)), ("targets", "int64", "float")),
    "targets that are NaN": (curves(targets=np.full((N, TIME, 1), np.nan)), ("targets", "NaN")),
    "a mask of another shape": ({"mask": np.ones((N, TIME, 1), bool)}, ("mask", "(60, 24, 1)", "(60, 24)")),
    "a mask without a step": ({"mask": np.zeros((N, TIME), bool)}, ("mask", "trial 0")),
    "lengths beyond the end": ({"lengths": np.full(N, TIME + 1)}, ("lengths", "25", "1 to 24")),
    "spikes after the end": ({"lengths": np.ones(N, int)}, ("lengths", "spikes after")),
    "splits of another name": ({"split": np.full(N, "tset")}, ("split", "'tset'", "'test'")),
    "splits of other trials": ({"split": np.full(3, "test")}, ("split", "(3,)", "(60,)")),
    "a split without trials": ({"split": np.zeros(N, int)}, ("split", "validation")),
    "an array too many": ({"spike": np.zeros(3)}, ("spike ", "not known", "spikes")),
    "too few trials": (
        {"spikes": arrays()["spikes"][:3], "labels": np.zeros(3, int)}, ("split", "without any"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_wrong_says_which_array_and_what_it_may_be(name: str, tmp_path: Path) -> None:
    changes, words = BAD[name]
    with pytest.raises(impl.InvalidArgument) as error:
        impl.Recorded(file(tmp_path, **changes))
    text = str(error.value)
    assert text.startswith("data is 'own.npz', ")
    assert "it may be" in text
    assert "\n" not in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_a_file_that_is_none_of_arrays(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(impl.InvalidArgument, match=r"'own\.npz', which is damaged or something else"):
        impl.Recorded(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(impl.InvalidArgument, match="something else"):
        impl.Recorded(tmp_path / "one.npy")
    np.savez(path, spikes=np.array([None]))
    with pytest.raises(impl.InvalidArgument, match="something else"):  # nothing in it is executed
        impl.Recorded(path)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_from_a_file_to_a_report_in_three_commands(tmp_path: Path) -> None:
    path, results = file(tmp_path, "hands.npz"), tmp_path / "results"
    small = ("--backend", "numpy", "--rule", "bptt,eprop_symmetric")
    trained = command(
        *("train", "--data", path, *small, "--n-regular", 4, "--n-adaptive", 4, "--steps", 20, "--batch", 8),
        *("--test-trials", 8, "--seeds", 2, "--results", results),
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    measured = command(
        "measure",
        f"--data={path}",
        *small,
        "--mode",
        "adjoint",
        "--batch",
        4,
        "--rounds",
        1,
        "--results",
        results,
    )
    assert measured.returncode == 0, measured.stderr
    reported = command("report", "--data", path, "--results", results)
    assert reported.returncode == 0, reported.stderr
    found = read(results)
    assert not found.unreadable
    assert set(found.runs["task"]) == {"hands"}
    assert set(found.kept["network"]) >= {"best"}
    assert set(found.measurements["n_steps"]) == {TIME}
    assert "hands" in (results / "report" / "report.md").read_text()
    header = found.runs["settings"].iloc[0]["task"]
    assert header == {"file": "hands.npz", "sha256": impl.Recorded(path).sha256}
    assert str(tmp_path) not in "".join(one.read_text() for one in (results / "curves").glob("*.jsonl"))


def test_commands_refuse_what_is_no_such_file(tmp_path: Path) -> None:
    missing = command("train", "--data", tmp_path / "none.npz", "--results", tmp_path)
    assert missing.returncode == 2
    assert "none.npz" in missing.stderr
    wrong = command("train", "--data", file(tmp_path, labels=None), "--results", tmp_path)
    assert wrong.returncode == 1
    assert "whose labels is missing" in wrong.stderr
    longer = command("measure", "--data", file(tmp_path), "--scaling", "--results", tmp_path)
    assert longer.returncode == 2
    assert "'--scaling'" in longer.stderr
    assert not (tmp_path / "curves").exists()
