"""A network has diverged at the same step on every backend: the losses are NaN there, and training ends."""

from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, Problem, assert_judged, problem

import implementations as impl
from implementations.interface import Learner
from implementations.training import NonFiniteLoss, Plan, Training

NETWORK = impl.Network(n_in=8, n_regular=4, n_adaptive=4)
PROBLEM = problem(NETWORK, n_batch=4)
CURVES = problem(NETWORK, n_batch=4, loss="squared_error")
RULES = ("bptt", "eprop_random", "eprop_adaptive")
"""One for each use that is made of the feedback."""

BY_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


def learner(backend: str, rule: str, found: Problem = PROBLEM, rate: float = 0.005) -> Learner:
    return found.learner(backend, rule, dtype="float32", optimizer=impl.Adam(learning_rate=rate))


def losses(of: Learner, batch: impl.Batch, steps: int) -> list[bool]:
    """Of steps, whether they are finite; what else tells of the same batch agrees."""
    loaded, found = of.load(batch), []
    for _ in range(steps):
        evaluated, (_, gradients_of) = of.evaluate(loaded), of.gradients(loaded)
        metrics = of.step(loaded)
        figures = [float(m.loss) for m in (evaluated, gradients_of, metrics)]
        figures += [float(m.task_loss) for m in (evaluated, gradients_of, metrics)]
        finite = np.isfinite(figures)
        assert finite.all() or np.isnan(figures).all(), figures
        assert np.isfinite([float(metrics.rate_loss), float(metrics.rate_hz)]).all()
        found.append(bool(finite.all()))
    return found


@pytest.mark.parametrize("rule", RULES)
@BY_BACKEND
def test_weights_of_which_sums_overflow(backend: str, rule: str) -> None:
    """And only such: the bound itself is sound, and so is any feedback that the rule does not use."""
    of = learner(backend, rule)
    loaded, state = of.load(PROBLEM.batch), of.state()
    assert_judged(of, loaded, rule, of.restore)
    signs = np.where(np.random.default_rng(0).random(state["w_in"].shape) < 0.5, -1, 1)
    of.restore(state | {"w_in": (2e38 * signs).astype(np.float32)})
    assert losses(of, PROBLEM.batch, 2) == [False, False]
    of.restore(state)
    assert losses(of, PROBLEM.batch, 1) == [True]


@pytest.mark.parametrize("rate", [1e19, 1e37, 1e38])
@BY_BACKEND
def test_the_update_that_made_weights_too_large_shows_one_step_later(backend: str, rate: float) -> None:
    assert losses(learner(backend, "eprop_random", rate=rate), PROBLEM.batch, 2) == [True, False]


@BY_BACKEND
def test_targets_whose_squares_overflow(backend: str) -> None:
    of = learner(backend, "eprop_random", CURVES)
    for value, sound in ((1e30, False), (-1e30, False), (1e8, True)):
        targets = CURVES.batch.targets.copy()
        targets[0, -1, 0] = value
        batch = impl.Batch(CURVES.batch.spikes, targets)
        assert np.isfinite(float(of.evaluate(of.load(batch)).loss)) == sound
    assert losses(of, impl.Batch(CURVES.batch.spikes, np.full_like(targets, 1e30)), 1) == [False]


@BY_BACKEND
def test_training_ends_there(backend: str) -> None:
    task = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=5, interval_ms=5, delay_ms=10, recall_ms=10)
    of = learner(backend, "eprop_random", rate=1e37)
    training = Training(of, task, Plan(4, 4, evaluate_every=4, test_trials=4), f"eprop_random on {backend}")
    with pytest.raises(NonFiniteLoss, match=r"^the training loss of step 2 is not finite: eprop_random on "):
        for _ in training.events():
            pass


def test_training_ends_where_adam_has_stopped() -> None:
    """Its squares overflow before its means do: it changes a weight no more, and no learner restores it."""
    task = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=5, interval_ms=5, delay_ms=10, recall_ms=10)
    of = learner("numpy", "eprop_random")

    class Steep:
        def __getattr__(self, name: str) -> Any:
            return getattr(of, name)

        def state(self) -> dict[str, np.ndarray]:
            state = of.state()
            return state | {"adam_square_w_in": np.full_like(state["adam_square_w_in"], np.inf)}

    training = Training(Steep(), task, Plan(2, 4, evaluate_every=2, test_trials=4), "x")  # type: ignore[arg-type]
    with pytest.raises(NonFiniteLoss, match=r"^adam_square_w_in after step 2 is not finite: x"):
        for _ in training.events():
            pass
