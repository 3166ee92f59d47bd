"""Networks that a run keeps beside its last one: which, what judges them, and that restarts keep them."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_training import TASK, Fake, _metrics, _real, _training

import implementations as impl
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Run
from benchmarks.judge import learning
from benchmarks.run.progress import Silent
from benchmarks.run.train import record
from benchmarks.store.records import read
from implementations.interface import Learner
from implementations.training import AT_CRITERION, BEST, Plan, Point, Training


class Scripted(Fake):
    """Its accuracy after step s is that of a table, with whatever trials; it is its number of steps."""

    def __init__(self, table: Mapping[int, float]) -> None:
        super().__init__()
        self.table = table

    def evaluate(self, loaded: Any) -> impl.Metrics:
        self.evaluated.append(loaded)
        return _metrics(0.25, self.table[self.steps])


TABLE = {3: 0.6, 6: 0.96, 9: 0.98, 12: 0.98, 15: 0.5}


def run(learner: Learner, **plan: Any) -> Training:
    training = _training(learner, steps=15, final_trials=8, **plan)
    list(training.events())
    return training


def test_the_best_point_is_the_first_one_of_the_smallest_error() -> None:
    training = run(Scripted(TABLE))
    kept = {one.network: one for one in training.kept()}
    assert (kept[BEST].final.step, kept[BEST].final.test_accuracy, kept[BEST].after) == (9, 0.98, 15)
    assert (kept[AT_CRITERION].final.step, kept[AT_CRITERION].final.test_accuracy) == (6, 0.96)
    final = training.final()
    assert (final.step, final.test_accuracy, final.trials) == (15, 0.5, kept[BEST].final.trials)


def test_all_networks_are_judged_on_the_same_trials_which_chose_none() -> None:
    learner = Scripted(TABLE)
    training = run(learner)
    chose = set(learner.evaluated) | set(learner.trained)
    judged = []
    for judge in (training.final, training.kept):
        learner.evaluated.clear()
        judge()
        judged.append(learner.evaluated.copy())
    last, kept = judged
    assert kept == last * 2
    assert not chose & set(last)
    assert learner.steps == 15  # the network is the last one again


def test_the_learner_is_as_before_whatever_ends_the_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Scripted(TABLE)
    training = run(learner)

    def interrupted(_: Any) -> impl.Metrics:
        raise KeyboardInterrupt

    monkeypatch.setattr(learner, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.kept()
    assert learner.steps == 15


@pytest.mark.parametrize("left_after", range(1, 20, 3))
def test_a_restart_keeps_them(left_after: int) -> None:
    first = _training(Scripted(TABLE), steps=15, final_trials=8)
    list(islice(first.events(), left_after))
    second = _training(Scripted(TABLE), steps=15, final_trials=8)
    second.restore(first.state())
    list(second.events())
    assert second.kept() == run(Scripted(TABLE)).kept()


def test_a_run_that_is_trained_again_finds_them_among_its_recorded_points() -> None:
    """Points are passed without a look at the network: their recorded figures say which was the best."""
    points = [event for event in _training(Scripted(TABLE), steps=9).events() if isinstance(event, Point)]
    learner = Scripted(TABLE)
    training = _training(learner, steps=15, final_trials=8)
    training.restore(training.state(), criterion_step=6)
    figures = {point.step: {"test_accuracy": point.test_accuracy} for point in points}
    list(training.events({point.step: point.train_s for point in points}, figures))
    assert training.kept() == run(Scripted(TABLE)).kept()


def test_a_state_of_an_earlier_version_is_taken_up() -> None:
    """It knows of no networks: those of later points are kept."""
    first = _training(Scripted(TABLE), steps=15)
    list(islice(first.events(), 8))
    new = ("best.", "criterion.", "step of", "least")
    older = {name: array for name, array in first.state().items() if not name.startswith(new)}
    second = _training(Scripted(TABLE), steps=15, final_trials=8)
    second.restore(older)
    list(second.events())
    assert {one.network: one.final.step for one in second.kept()} == {BEST: 9}


def test_the_best_network_is_that_network() -> None:
    """Of a learner that does compute: its weights are those of the step."""
    whole = _real(steps=9, final_trials=8)
    list(whole.events())
    (best,) = [one for one in whole.kept() if one.network == BEST]
    short = _real(steps=best.final.step, final_trials=8)
    list(short.events())
    short._step = 9  # the final trials are those of the last step
    assert short._figures(5, 2, "final test") == {
        name: getattr(best.final, name) for name in ("test_loss", "test_accuracy", "rate_hz")
    }


def recorded(folder: Path, seeds: range, steps: int = 9) -> pd.DataFrame:
    network = impl.Network(n_in=8, n_regular=4, n_adaptive=4)
    for seed in seeds:
        plan = Plan(steps=steps, batch=4, seed=seed, evaluate_every=3, test_trials=4, final_trials=8)
        problem = Problem(network, TASK, TASK.objective)
        of = Run(
            "numpy", "bptt", "adjoint", "float64", "cpu", 1, problem, impl.Adam(learning_rate=0.02), plan
        )
        record(of, folder, lambda _title, _steps: Silent())
    return learning.ended(read(folder))


def test_files_hold_them_and_the_headline_is_the_best(tmp_path: Path) -> None:
    rows = recorded(tmp_path, range(2))
    assert not read(tmp_path).unreadable
    assert (rows["chosen"] == "best").all()
    np.testing.assert_array_equal(rows["final"], rows["best"])
    assert (rows["best_step"] <= 9).all()
    assert np.isfinite(rows["last"]).all()


def test_a_longer_run_is_judged_anew(tmp_path: Path) -> None:
    recorded(tmp_path, range(1))
    recorded(tmp_path, range(1), steps=15)
    kept = read(tmp_path).kept
    assert set(kept["after"]) == {15}
    assert sorted(kept["network"]) == sorted(set(kept["network"]))


def test_runs_without_them_are_compared_by_their_last_step(tmp_path: Path) -> None:
    """Earlier versions recorded none: an experiment that has such runs compares those of the last step."""
    recorded(tmp_path, range(2))
    one = sorted((tmp_path / "curves").glob("*.jsonl"))[0]
    lines = [line for line in one.read_text().splitlines(keepends=True) if '"kept"' not in line]
    one.write_text("".join(lines))
    rows = learning.ended(read(tmp_path))
    assert (rows["chosen"] == "last").all()
    np.testing.assert_array_equal(rows["final"], rows["last"])
