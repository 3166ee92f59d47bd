"""The notebook's network against BrainPy's own classes stepped by hand, and against its equations."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import implementations as impl
from implementations import notebook

if notebook.unavailable() is not None:
    pytest.skip(f"the notebook can't run here: {notebook.unavailable()}", allow_module_level=True)

import brainpy as bp
import brainpy.math as bm
import jax
from brainpy.math.defaults import env

from implementations.notebook.data import draw, seed_trials
from implementations.notebook.learner import NotebookLearner
from implementations.notebook.scope import notebook_environment
from implementations.notebook.settings import SETTINGS

BATCH, STEPS = 3, 300


@pytest.fixture(scope="module")
def spikes() -> np.ndarray:
    """(BATCH, STEPS, 40): a short trial with two cues."""
    seed_trials(np.random.SeedSequence(0))
    return draw(BATCH, 40)[0][:, :STEPS]


@pytest.fixture(scope="module")
def learner() -> NotebookLearner:
    return NotebookLearner("bptt", seed=1)


@pytest.fixture(scope="module")
def activity(learner: NotebookLearner, spikes: np.ndarray) -> impl.Activity:
    return learner.simulate(learner.load(impl.Batch(spikes, np.zeros(BATCH, np.int64))))


def by_brainpy(weights: Mapping[str, np.ndarray], spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """BrainPy's neurons and readout, called step by step."""
    with bm.environment(mode=bm.training_mode, dt=1.0):
        beta = np.ones(100, np.float32)
        beta[50:] = 1.7 * (1 - math.exp(-1 / 2000)) / (1 - math.exp(-1 / 20))
        neurons: Any = bp.neurons.ALIFBellec2020(
            100,
            V_rest=0.0,
            V_th=0.6,
            tau=20.0,
            tau_a=2000.0,
            tau_ref=5.0,
            beta=bm.asarray(beta),
            V_initializer=bp.init.ZeroInit(),
            a_initializer=bp.init.ZeroInit(),
            input_var=False,
        )
        readout: Any = bp.dyn.Leaky(2, tau=20)
        neurons.reset(len(spikes))
        readout.reset(len(spikes))
        before = dict(env.settings)
        found = []
        for t in range(spikes.shape[1]):
            bp.share.save(t=float(t), i=t, dt=1.0)
            z = neurons.spike.value
            z = neurons(z @ weights["w_rec"] + spikes[:, t].astype(np.float32) @ weights["w_in"])
            found.append((np.asarray(z) > 0, np.asarray(readout(z @ weights["w_out"]))))
        env.settings.clear()
        env.settings.update(before)
    z, y = zip(*found, strict=True)
    return np.stack(z, 1), np.stack(y, 1)


def by_equations(weights: Mapping[str, np.ndarray], spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the docstring of implementations/notebook says, in float64."""
    alpha, rho, kappa, theta = math.exp(-1 / 20), math.exp(-1 / 2000), math.exp(-1 / 20), 0.6
    beta = np.repeat([1.0, 1.7 * (1 - rho) / (1 - alpha)], 50)
    shape = (len(spikes), 100)
    v, a, z, last = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.full(shape, -1e7)
    y = np.zeros((len(spikes), 2))
    found = []
    for t in range(spikes.shape[1]):
        current = spikes[:, t] @ weights["w_in"].astype(float) + z @ weights["w_rec"].astype(float)
        v = np.where(t - last <= 5, v, alpha * v + (1 - alpha) * current)
        z = (v - theta - beta * a > 0).astype(float)
        v = v - theta * z
        a = rho * a + z
        last = np.where(z > 0, t, last)
        y = kappa * y + z @ weights["w_out"].astype(float)
        found.append((z > 0, y))
    z, y = zip(*found, strict=True)
    return np.stack(z, 1), np.stack(y, 1)


@pytest.mark.parametrize("step_by_hand", [by_brainpy, by_equations])
@pytest.mark.slow
def test_forward(step_by_hand: Any, learner: NotebookLearner, activity: impl.Activity, spikes: np.ndarray):
    expected_spikes, expected_readout = step_by_hand(learner.state(), spikes)
    assert 0.001 < expected_spikes.mean() < 0.1
    np.testing.assert_array_equal(activity.spikes, expected_spikes)
    np.testing.assert_allclose(activity.readout, expected_readout, rtol=1e-4, atol=1e-4)


def test_initial_weights(learner: NotebookLearner):
    weights = learner.state()
    for name, fan_in, scale in (("w_in", 40, 20.0), ("w_rec", 100, 20.0), ("w_out", 100, 1.0)):
        # KaimingNormal of BrainPy: truncated at two standard deviations and scaled back to the wanted one.
        assert weights[name].std() == pytest.approx(scale * math.sqrt(2 / fan_in), rel=0.15)
        assert abs(weights[name]).max() <= 2 * scale * math.sqrt(2 / fan_in) / 0.8796 * 1.001
    assert np.diagonal(weights["w_rec"]).all()  # self-connections


def test_weights_follow_the_seed_and_not_the_rule(learner: NotebookLearner):
    same, other = NotebookLearner("eprop_symmetric", seed=1), NotebookLearner("bptt", seed=2)
    for name in ("w_in", "w_rec", "w_out"):
        np.testing.assert_array_equal(learner.state()[name], same.state()[name])
        assert (learner.state()[name] != other.state()[name]).all()


def test_what_a_record_says_is_what_was_built(learner: NotebookLearner):
    network: Any = learner._network
    said = SETTINGS["network"]
    neurons = network.r
    assert network.i2r.W.shape == (said["n_in"], said["n_regular"] + said["n_adaptive"])
    assert network.r2o.W.shape[1] == said["n_out"]
    assert (neurons.tau, neurons.tau_a) == (said["tau_membrane_ms"], said["tau_adaptation_ms"])
    assert (neurons.V_th, neurons.tau_ref) == (said["threshold"], said["tau_refractory_ms"])
    assert network.o.tau == said["tau_readout_ms"]
    np.testing.assert_array_equal(np.asarray(neurons.beta)[: said["n_regular"]], said["beta_regular"])
    np.testing.assert_allclose(np.asarray(neurons.beta)[said["n_regular"] :], impl.Network().beta[50:], 1e-3)
    adam = learner._trainer.optimizer
    assert adam.lr() == SETTINGS["optimizer"]["learning_rate"]
    assert (adam.beta1, adam.beta2, adam.eps) == (0.9, 0.999, 1e-8)


class TestEnvironment:
    def test_all_settings_are_as_before(self, learner: NotebookLearner, spikes: np.ndarray):
        before = dict(env.settings)
        assert isinstance(bm.get_mode(), bm.NonBatchingMode)
        NotebookLearner("bptt")
        loaded = learner.load(impl.Batch(spikes, np.zeros(BATCH, np.int64)))
        state = learner.state()
        learner.gradients(loaded)
        learner.step(loaded)
        learner.simulate(loaded)
        learner.restore(state)
        assert env.settings == before

    def test_also_after_an_error(self):
        def fail() -> None:
            with notebook_environment():
                assert isinstance(bm.get_mode(), bm.TrainingMode)
                assert bm.get_dt() == 1.0
                bp.share.save(t=3.0)
                raise KeyError("inside")

        before = dict(env.settings)
        with pytest.raises(KeyError, match="inside"):
            fail()
        assert env.settings == before

    def test_float32_where_others_want_float64(self, spikes: np.ndarray):
        with jax.enable_x64(True), bm.environment(dt=0.5, float_=bm.float64):
            learner = NotebookLearner("bptt", seed=1)
            loaded = learner.load(impl.Batch(spikes, np.zeros(BATCH, np.int64)))
            gradients, _ = learner.gradients(loaded)
            assert gradients.w_rec.dtype == np.float32
            assert bm.get_dt() == 0.5
            assert bm.asarray(1.0).dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("eprop_random",), "rule is 'eprop_random'; it may be one of 'bptt', 'eprop_symmetric'"),
        (("bptt", -1), "seed is -1; it may be any integer >= 0"),
        (("bptt", 0, "tpu"), "device is 'tpu'; it may be one of 'cpu', 'cuda'"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], text: str):
    with pytest.raises(impl.InvalidArgument, match=text):
        NotebookLearner(*arguments)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (impl.Batch(np.zeros((2, 200, 8), bool), np.zeros(2, np.int64)), r"batch.spikes is of shape"),
        (impl.Batch(np.zeros((2, 200, 40), bool), np.array([0, 2])), "batch.targets is"),
        (impl.Batch(np.zeros((2, 149, 40), bool), np.zeros(2, np.int64)), "149 steps long"),
    ],
)
def test_bad_batches(learner: NotebookLearner, batch: impl.Batch, text: str):
    with pytest.raises(impl.InvalidArgument, match=text):
        learner.load(batch)
