"""Training: the same parameters on every backend, float32 against float64, state taken up again."""

from typing import Any

import numpy as np
import pytest
import reference
from cases import BACKENDS, BASIC_CASES, UPDATE_CASES, Problem, assert_gradients, deviation, problem

import implementations as impl
from implementations import rules
from implementations.interface import Learner
from implementations.optimizer import HostAdam

NAMES = ("w_in", "w_rec", "w_out", "feedback")
PROBLEM = problem(impl.Network(n_in=8, n_regular=6, n_adaptive=7), n_batch=6, n_steps=60, window=20, seed=2)


def train(learner: Learner, found: Problem, steps: int) -> impl.Parameters:
    loaded = learner.load(found.batch)
    for _ in range(steps):
        learner.step(loaded)
    learner.synchronize()
    return learner.parameters()


class PlainAdam:
    """Algorithm 1 of arXiv 1412.6980, line by line."""

    def __init__(self, settings: impl.Adam) -> None:
        self.s, self.t = settings, 0
        self.m: dict[str, np.ndarray] = {}
        self.v: dict[str, np.ndarray] = {}

    def __call__(self, name: str, weights: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        s = self.s
        self.m[name] = s.beta1 * self.m.get(name, 0.0) + (1 - s.beta1) * gradient
        self.v[name] = s.beta2 * self.v.get(name, 0.0) + (1 - s.beta2) * gradient**2
        m_hat = self.m[name] / (1 - s.beta1**self.t)
        v_hat = self.v[name] / (1 - s.beta2**self.t)
        rate = s.learning_rate
        if s.warm_up_steps and self.t < s.warm_up_steps:
            rate *= self.t / s.warm_up_steps
        if s.cosine_steps:
            rate *= (1 + np.cos(np.pi * min((self.t - 1) / s.cosine_steps, 1))) / 2
        if s.halve_every:
            rate /= 2 ** ((self.t - 1) // s.halve_every)
        return weights - rate * m_hat / (np.sqrt(v_hat) + s.epsilon) - rate * s.weight_decay * weights


@pytest.mark.parametrize(("backend", "rule", "mode"), UPDATE_CASES)
def test_three_steps_equal_plain_adam_on_the_first_backend(backend: str, rule: str, mode: str) -> None:
    settings = impl.Adam(learning_rate=0.01, beta1=0.8, beta2=0.95, epsilon=1e-6, readout_decay=0.03)
    assert_plain(backend, rule, mode, settings, 3)


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("bptt", {"clip_norm": 0.02, "halve_every": 2, "weight_decay": 0.3}),
        ("eprop_adaptive", {"clip_norm": 0.02, "cosine_steps": 4, "warm_up_steps": 3, "weight_decay": 0.3}),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_people_train_with_equals_plain_adam(backend: str, rule: str, options: dict[str, float]) -> None:
    """Clipping, schedules and decay; up to a step past the end of the cosine."""
    settings: Any = {"learning_rate": 0.01, "epsilon": 1e-3, "readout_decay": 0.03, **options}
    assert_plain(backend, rule, "adjoint", impl.Adam(**settings), 6)


def assert_plain(backend: str, rule: str, mode: str, settings: impl.Adam, steps: int) -> None:
    """That so many steps are those of `PlainAdam`; where gradients are clipped, that some of them are."""
    found = train(PROBLEM.learner(backend, rule, mode, optimizer=settings), PROBLEM, steps)

    adam, decay = PlainAdam(settings), settings.readout_decay
    weights, scales = PROBLEM.parameters, []
    for _ in range(steps):
        adam.t += 1
        learner = Problem(PROBLEM.network, PROBLEM.objective, weights, PROBLEM.batch).learner(
            BACKENDS[0], rule
        )
        gradients, _ = learner.gradients(learner.load(PROBLEM.batch))
        if settings.clip_norm:
            parts = [getattr(gradients, name) for name in NAMES[:3]]
            scales.append(
                min(1, settings.clip_norm / np.linalg.norm(np.concatenate([*map(np.ravel, parts)])))
            )
            gradients = impl.Gradients(*(scales[-1] * part for part in parts))
        w_in, w_rec, w_out = (
            adam(n, getattr(weights, n), getattr(gradients, n))
            if n in rules.get(rule).trained
            else getattr(weights, n)
            for n in NAMES[:3]
        )
        feedback = weights.feedback
        if rule == "eprop_adaptive":  # the update of W_out is that of the feedback, and both decay
            feedback = (1 - decay) * adam("feedback", feedback, gradients.w_out)
            w_out = (1 - decay) * w_out
        weights = impl.Parameters(w_in, w_rec, w_out, feedback)
    assert not settings.clip_norm or min(scales) < 0.9
    for name in NAMES:
        assert deviation(getattr(found, name), getattr(weights, name)) <= 1e-10, name
    for name in rules.get(rule).trained:
        assert deviation(getattr(found, name), getattr(PROBLEM.parameters, name)) > 1e-3  # it did train
    if rule != "eprop_adaptive":
        np.testing.assert_array_equal(found.feedback, PROBLEM.parameters.feedback)


@pytest.mark.parametrize("backend", BACKENDS)
def test_adaptive_feedback_and_readout_become_alike(backend: str) -> None:
    """What both are given is the same, so that of their difference each step keeps a share of 1 - decay."""
    steps, decay = 7, 0.2
    learner = PROBLEM.learner(backend, "eprop_adaptive", optimizer=impl.Adam(readout_decay=decay))
    found = train(learner, PROBLEM, steps)
    before = PROBLEM.parameters.feedback - PROBLEM.parameters.w_out
    assert deviation(found.feedback - found.w_out, (1 - decay) ** steps * before) <= 1e-12


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_float32_follows_float64(backend: str, rule: str, mode: str) -> None:
    # the spikes can only be asked to be equal where rounding does not decide them
    trace = reference.forward(PROBLEM.network, PROBLEM.parameters, PROBLEM.batch.spikes)
    assert np.abs(trace.u).min() > 1e-4
    results = []
    for dtype in ("float32", "float64"):
        learner = PROBLEM.learner(backend, rule, mode, dtype=dtype)
        loaded = learner.load(PROBLEM.batch)
        gradients, metrics = learner.gradients(loaded)
        activity = learner.simulate(loaded)
        assert gradients.w_in.dtype == gradients.w_rec.dtype == gradients.w_out.dtype == dtype
        assert activity.readout.dtype == learner.parameters().w_in.dtype == dtype
        results.append((gradients, metrics, activity))
    (g32, m32, a32), (g64, m64, a64) = results
    np.testing.assert_array_equal(a32.spikes, a64.spikes)
    assert deviation(a32.readout, a64.readout) < 1e-5
    assert_gradients(g32, g64, 1e-4)
    assert float(m32.loss) == pytest.approx(float(m64.loss), rel=1e-5)


@pytest.mark.parametrize(("backend", "rule", "mode"), UPDATE_CASES)
def test_state_goes_on_where_it_was(backend: str, rule: str, mode: str) -> None:
    whole = train(PROBLEM.learner(backend, rule, mode), PROBLEM, 4)
    first = PROBLEM.learner(backend, rule, mode)
    train(first, PROBLEM, 2)
    second = PROBLEM.learner(backend, rule, mode)
    second.restore(first.state())
    halves = train(second, PROBLEM, 2)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(whole, name), getattr(halves, name))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_schedule_goes_on_where_it_was_on_any_backend(backend: str) -> None:
    """The step is in the state, and nothing else is needed."""
    adam = impl.Adam(learning_rate=0.01, warm_up_steps=3, halve_every=2, weight_decay=0.1, epsilon=1e-3)
    whole = train(PROBLEM.learner("numpy", "eprop_symmetric", optimizer=adam), PROBLEM, 5)
    first = PROBLEM.learner("numpy", "eprop_symmetric", optimizer=adam)
    train(first, PROBLEM, 3)
    second = PROBLEM.learner(backend, "eprop_symmetric", optimizer=adam)
    second.restore(first.state())
    found = train(second, PROBLEM, 2)
    for name in NAMES:
        assert deviation(getattr(found, name), getattr(whole, name)) <= 1e-10


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_divergence_shows(backend: str, rule: str, mode: str) -> None:
    """Weights that are no numbers any more give a loss that is none, also where spikes stop."""
    learner = PROBLEM.learner(backend, rule, mode, optimizer=impl.Adam(learning_rate=1e308))
    loaded = learner.load(PROBLEM.batch)
    with np.errstate(all="ignore"):
        losses = [float(learner.step(loaded).loss) for _ in range(4)]
    assert np.isfinite(losses[0])
    assert not np.isfinite(losses[-1])


def test_state_is_a_copy() -> None:
    for backend in BACKENDS:
        learner = PROBLEM.learner(backend, "bptt")
        state = learner.state()
        before = {name: value.copy() for name, value in state.items()}
        train(learner, PROBLEM, 2)
        for name, value in before.items():
            np.testing.assert_array_equal(state[name], value)


def test_host_adam_equals_plain_adam() -> None:
    rng = np.random.default_rng(0)
    settings = impl.Adam(learning_rate=0.1)
    weights = {name: rng.standard_normal((3, 3)) for name in NAMES[:3]}
    expected, given = ({name: value.copy() for name, value in weights.items()} for _ in range(2))
    host, plain = HostAdam(settings, rules.get("bptt")), PlainAdam(settings)
    state = host.start(weights)
    for _ in range(5):
        gradients = {name: rng.standard_normal((3, 3)) for name in NAMES[:3]}
        state = host.step(state, gradients)
        plain.t += 1
        for name, value in expected.items():
            expected[name] = plain(name, value, gradients[name])
            np.testing.assert_allclose(state[name], expected[name], rtol=1e-12)
    for name, value in given.items():
        np.testing.assert_array_equal(weights[name], value)  # the state before a step stays as it was
