"""The training loop: what it times, when it evaluates, when it stops, and that it can be left and resumed."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

import implementations as impl
from implementations import training as training_module
from implementations.interface import Learner
from implementations.tasks import NMSE
from implementations.training import (
    NonFiniteLoss,
    Plan,
    Point,
    Step,
    Training,
    initial_parameters,
    shown_trials,
)

TASK = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=15, interval_ms=20, delay_ms=30, recall_ms=15)
NETWORK = impl.Network(n_in=8, n_regular=4, n_adaptive=4, n_out=2)


class Fake(Learner):
    """Takes note of what it is asked; the loss of step s is s, and evaluations come from a script."""

    rules = ("bptt",)

    def __init__(self, accuracies: list[float] | None = None, losses: dict[int, float] | None = None) -> None:
        self.accuracies = accuracies
        self.losses = losses or {}
        self.steps = 0
        self.loaded: list[bytes] = []
        self.trained: list[bytes] = []
        self.evaluated: list[bytes] = []
        self.time_s = 0.0
        self.backlog_s = 0.0
        self.compiled = 0

    @property
    def network(self) -> impl.Network:
        return NETWORK

    def load(self, batch: impl.Batch) -> bytes:
        self.time_s += 10_000.0
        self.backlog_s += 1_000.0  # on its way to the device when the call returns
        loaded = batch.spikes.tobytes()
        self.loaded.append(loaded)
        return loaded

    def gradients(self, loaded: Any) -> Any:
        raise NotImplementedError

    def simulate(self, loaded: Any) -> Any:
        raise NotImplementedError

    def parameters(self) -> Any:
        raise NotImplementedError

    def step(self, loaded: Any) -> impl.Metrics:
        self.time_s += 1.0
        self.steps += 1
        self.trained.append(loaded)
        self.compiled = max(self.compiled, 1)
        return _metrics(self.losses.get(self.steps, float(self.steps)), self.steps / 100.0)

    def evaluate(self, loaded: Any) -> impl.Metrics:
        self.time_s += 100.0
        self.evaluated.append(loaded)
        accuracy = 0.5 if self.accuracies is None else self.accuracies.pop(0)
        return _metrics(self.losses.get(-self.steps, 0.25), accuracy)

    def synchronize(self) -> None:
        self.time_s += 0.5 + self.backlog_s
        self.backlog_s = 0.0

    def state(self) -> dict[str, np.ndarray]:
        return {"steps": np.array(self.steps)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.steps = int(state["steps"])

    def compilations(self) -> int:  # type: ignore[override]
        return self.compiled


def _metrics(loss: float, accuracy: float) -> impl.Metrics:
    return impl.Metrics(loss, loss, 0.0, accuracy, 12.0)


def _training(learner: Learner, **plan: Any) -> Training:
    defaults = {"steps": 6, "batch": 4, "evaluate_every": 3, "test_trials": 4}
    return Training(learner, TASK, Plan(**(defaults | plan)), "bptt on numpy")


def _real(**plan: Any) -> Training:
    parameters = initial_parameters(NETWORK, 3)
    objective = impl.Objective(window=15)
    learner = impl.learner("numpy", "bptt", parameters, network=NETWORK, objective=objective, dtype="float64")
    return _training(learner, seed=3, **plan)


def test_steps_of_the_network_last_as_long_as_those_of_the_trials():
    """Half as long, they would halve the trial: what the network has in ms, the task has in steps."""
    network = replace(NETWORK, dt_ms=0.5)
    objective = impl.Objective(window=15)
    weights = initial_parameters(network, 3)
    learner = impl.learner("numpy", "bptt", weights, network=network, objective=objective)
    with pytest.raises(impl.InvalidArgument, match=r"network\.dt_ms is 0\.5; it may be 1\.0, .*evidence_acc"):
        _training(learner)
    learner.step(learner.load(TASK.batch(2, seed=0)))  # trials made by hand may have any step


def _points(events: Any) -> list[Point]:
    return [event for event in events if isinstance(event, Point)]


def _figures(point: Point) -> tuple[float, ...]:
    """All of a point that a computer's speed does not change."""
    return (
        point.step,
        point.train_loss,
        point.train_accuracy,
        point.test_loss,
        point.test_accuracy,
        point.rate_hz,
    )


def test_points_hold_means_over_the_steps_since_the_point_before():
    events = list(_training(Fake()).events())
    assert [type(event) for event in events] == [Step, Step, Step, Point, Step, Step, Step, Point]
    first, second = _points(events)
    assert (first.step, first.train_loss, first.train_accuracy) == (3, 2.0, pytest.approx(0.02))
    assert (second.step, second.train_loss, second.train_accuracy) == (6, 5.0, pytest.approx(0.05))
    assert (second.test_loss, second.test_accuracy, second.rate_hz) == (0.25, 0.5, 12.0)


def test_train_s_is_the_time_of_steps_and_their_synchronisation_alone(monkeypatch: pytest.MonkeyPatch):
    learner = Fake()
    monkeypatch.setattr(training_module, "perf_counter", lambda: learner.time_s)
    training = _training(learner)
    training.warm_up()
    assert training.train_s == 0.0
    assert [point.train_s for point in _points(training.events())] == [4.5, 9.0]


def test_every_evaluation_is_of_fresh_trials():
    learner = Fake(accuracies=[0.5, 1.0, *[0.5] * 8] * 4)
    list(_training(learner, steps=12).events())
    assert len(learner.evaluated) == 40
    assert len(set(learner.loaded)) == len(learner.loaded) == 52


def test_trials_of_a_step_depend_on_seed_and_step_alone():
    often, seldom, other = Fake(), Fake(), Fake()
    list(_training(often, evaluate_every=1).events())
    list(_training(seldom, evaluate_every=6, test_trials=16, steps=12).events())
    list(_training(other, seed=1).events())
    assert often.trained == seldom.trained[:6]
    assert not set(often.trained) & set(other.trained)


def test_test_trials_are_rounded_up_to_whole_batches():
    assert [Plan(batch=64, test_trials=n).test_batches for n in (1, 64, 65, 256)] == [1, 1, 2, 4]


def test_warm_up_leaves_the_learner_as_it_was_and_stops_when_nothing_compiles():
    learner = Fake()
    _training(learner).warm_up()
    assert learner.steps == 0
    assert len(learner.trained) == 2  # the first compiles, the second shows that nothing is left to compile
    warm, cold = _real(), _real()
    warm.warm_up()
    assert [_figures(p) for p in _points(warm.events())] == [_figures(p) for p in _points(cold.events())]


class TestCriterion:
    """At each point a test batch comes first, then a validation batch, then 8 more if that was good."""

    def test_needs_a_good_validation_batch_and_then_a_good_mean(self):
        learner = Fake(
            accuracies=[
                *(1.0, 0.93),  # an error of 0.07 is not less than 0.07
                *(0.5, 0.94, *[1.0] * 4, *[0.8] * 4),  # the mean of the fresh batches is not good enough
                *(0.5, 0.95, *[1.0] * 6, *[0.8] * 2),
                *(0.5,),  # not looked at any more
            ]
        )
        events = list(_training(learner, steps=12).events())
        met = [point.criterion for point in _points(events)]
        assert met[:2] == [None, None]
        assert met[3] is None
        assert met[2] is not None
        assert (met[2].step, met[2].train_s) == (9, _points(events)[2].train_s)
        assert (met[2].validation_error, met[2].test_error) == pytest.approx((0.05, 0.05))
        assert learner.accuracies == []

    def test_ends_the_run_only_if_asked_to(self):
        good = [0.5, *[1.0] * 9]
        assert _points(_training(Fake(list(good)), stop_early=True).events())[-1].step == 3
        assert _points(_training(Fake([*good, 0.5])).events())[-1].step == 6

    def test_is_not_met_where_there_is_no_accuracy(self):
        points = _points(_training(Fake([float("nan")] * 4)).events())
        assert [point.criterion for point in points] == [None, None]


class TestFrozen:
    """A task whose trials are drawn once per run."""

    TASK = impl.PatternGeneration(n_in=8, n_out=2, n_steps=30, input_rate_hz=200.0)
    NETWORK = impl.Network(n_in=8, n_regular=4, n_adaptive=4, n_out=2)
    OBJECTIVE = impl.Objective("squared_error", window=30)

    def training(self, learner: Learner, **plan: Any) -> Training:
        defaults = {"steps": 6, "batch": 2, "evaluate_every": 3}
        return Training(learner, self.TASK, Plan(**(defaults | plan)), "bptt on numpy")

    def learner(self, seed: int) -> Learner:
        return impl.learner(
            "numpy",
            "bptt",
            initial_parameters(self.NETWORK, seed),
            network=self.NETWORK,
            objective=self.OBJECTIVE,
            dtype="float64",
        )

    def test_sees_one_batch_which_is_that_of_the_seed(self):
        learners = [Fake(), Fake(), Fake()]
        for learner, plan in zip(learners, ({}, {"steps": 9, "evaluate_every": 1}, {"seed": 1}), strict=True):
            training = self.training(learner, **plan)
            training.warm_up()
            list(training.events())
            training.final()
        one, same, other = ({*learner.trained, *learner.evaluated} for learner in learners)
        assert len(one) == 1
        assert one == same != other

    def test_is_judged_by_its_normalised_error_on_that_batch(self):
        learner, seed = self.learner(3), 3
        training = self.training(learner, seed=seed)
        *_, point = _points(training.events())
        batch = shown_trials(self.TASK, 2, seed)
        loaded = learner.load(batch)
        missed = learner.simulate(loaded).readout - batch.targets
        expected = (missed**2).mean(axis=(0, 1)).sum() / batch.targets.var(axis=(0, 1)).sum()
        final = training.final()
        assert point.nmse == pytest.approx(expected, rel=1e-12)
        assert final.nmse == point.nmse
        assert (final.step, final.trials, final.test_loss) == (6, 2, point.test_loss)
        assert np.isnan([point.test_accuracy, point.train_accuracy]).all()

    def test_goes_on_with_its_batch_after_a_restart(self):
        whole = [point.nmse for point in _points(self.training(self.learner(0)).events())]
        first = self.training(self.learner(0))
        list(islice(first.events(), 3))
        second = self.training(self.learner(1))
        second.restore(first.state())
        assert [point.nmse for point in _points(second.events())] == whole

    def test_criterion_is_that_of_its_measure(self):
        """An error of 0.05 of the variance, on the one batch."""
        variance = NMSE.of(_metrics(1.0, np.nan), shown_trials(self.TASK, 2, 0)) ** -1
        at_three, at_six = 0.051 * variance, 0.049 * variance
        learner = Fake([np.nan] * 6, losses={-3: at_three, -6: at_six})
        first, second = _points(self.training(learner).events())
        assert first.criterion is None
        assert second.criterion is not None
        errors = (second.criterion.validation_error, second.criterion.test_error)
        assert errors == pytest.approx((0.049, 0.049))


@pytest.mark.parametrize(
    ("losses", "text"),
    [({5: float("nan")}, "training loss of step 5 "), ({-3: float("inf")}, "test loss of step 3 ")],
)
def test_a_loss_that_is_not_finite_ends_the_run_and_is_named(losses: dict[int, float], text: str):
    with pytest.raises(NonFiniteLoss, match=text + r".*bptt on numpy"):
        list(_training(Fake(losses=losses)).events())


@pytest.mark.parametrize("left_after", range(9))
def test_a_run_left_after_any_event_and_resumed_gives_the_same_points(left_after: int):
    whole = [_figures(point) for point in _points(_real().events())]
    first = _real()
    points = _points(islice(first.events(), left_after))
    second = _real()
    second.restore(first.state())
    assert second.step == first.step
    points += _points(second.events())
    assert [_figures(point) for point in points] == whole
    assert points[-1].train_s >= first.train_s


def test_known_points_are_passed_without_evaluation():
    learner = Fake()
    training = _training(learner)
    (point,) = _points(training.events(passed={3: 1000.0}))
    assert point.step == 6
    assert point.train_s > 1000.0
    assert point.train_loss == 5.0
    assert len(learner.evaluated) == 2  # test and validation at step 6


def test_a_known_criterion_ends_a_run_where_it_was_met():
    training = _training(Fake(), stop_early=True, steps=9)
    training.restore(training.state(), criterion_step=6)
    assert _points(training.events(passed={3: 1.0, 6: 2.0})) == []
    assert training.step == 6


def test_initial_weights_are_of_the_seed_alone():
    one, same, other = (initial_parameters(NETWORK, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.w_in, same.w_in)
    assert not np.array_equal(one.w_in, other.w_in)


@pytest.mark.parametrize(
    "plan",
    [
        {"steps": 0},
        {"steps": 15},
        {"steps": 10.0},
        {"batch": 0},
        {"seed": -1},
        {"evaluate_every": 0},
        {"test_trials": 0},
        {"stop_early": 1},
    ],
)
def test_a_bad_plan_is_refused_by_name(plan: dict[str, Any]):
    with pytest.raises(impl.InvalidArgument, match=f"^{next(iter(plan))} is .*may be"):
        Plan(**plan)
