"""The libraries themselves, each in its environment: gradients, training, and what a process gives. `make
peers`.

A library whose environment is not there is skipped, with the reason.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.systems import Peer, peers
from benchmarks.judge import libraries
from benchmarks.run import peer_environments
from benchmarks.run import peers as run_peers
from implementations import rules
from implementations.interface import Setting
from implementations.optimizer import TRAINED, HostAdam

pytestmark = pytest.mark.slow

COMPARED = [name for name, peer in peers().items() if run_peers.comparable(peer)]
EXACT = [name for name in COMPARED if not peers()[name].cost_alone]
SHORT = impl.EvidenceAccumulation(n_cues=1, delay_ms=150)


def there(name: str) -> Peer:
    """A library, or a skipped test."""
    found = peers()[name]
    reason = peer_environments.missing(found.environment)
    if reason is not None:
        pytest.skip(reason)
    return found


def setting(rule: str, mode: str, objective: impl.Objective, network: impl.Network, dtype: str) -> Setting:
    return Setting(rules.get(rule), mode, network, objective, impl.Adam(), np.dtype(dtype), "cpu", 1)


@pytest.mark.parametrize("name", COMPARED)
def test_its_gradients_are_the_published_ones(name: str):
    there(name)
    found = list(run_peers.parity([name], impl.RULES))
    assert found
    for record in found:
        assert (record["status"], record["reason"]) == ("ok", None)
        assert not libraries.deviates(record), record
        assert record["spikes"] == 0
        assert record["w_in"] > 0.0  # computed, not copied
        if peers()[name].cost_alone:  # an approximation points the way, and is another gradient
            assert 0.2 < record["cosine"] < 0.999
        else:
            assert record["cosine"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "rule", "mode"),
    [
        (name, rule, mode)
        for name in EXACT
        if name != "nest"  # whose Adam has its epsilon elsewhere, and which has tests of its own below
        for rule, modes in peers()[name].computes.items()
        for mode in modes
    ],
)
def test_its_training_is_ours_to_rounding(name: str, rule: str, mode: str):
    """The loss of six steps on the same trials from the same weights, through Adam and all."""
    peer = there(name)
    task_alone = any(of.loss == "task" for of in peer.comparisons(rule, mode))
    network = SHORT.network
    objective = replace(SHORT.objective, rate_cost=0.0 if task_alone else 1.0)
    parameters = impl.Parameters.draw(network, seed=3)
    batches = [SHORT.batch(4, seed) for seed in range(6)]
    found = run_peers.losses(peer, setting(rule, mode, objective, network, "float64"), parameters, batches)
    ours = impl.learner(
        "numpy", rule, parameters, network=network, objective=objective, mode=mode, dtype="float64"
    )
    expected = [float(ours.step(ours.load(batch)).loss) for batch in batches]
    assert len(set(expected)) == len(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_with_its_epsilon_the_training_of_nest_is_ours_to_rounding(monkeypatch: pytest.MonkeyPatch):
    """Adam of TensorFlow 1: w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).

    By random feedback: that of symmetric e-prop is a step late there.
    """
    peer = there("nest")
    monkeypatch.setattr(HostAdam, "step", _step_of_tensorflow_1)
    rule, network, objective = "eprop_random", SHORT.network, replace(SHORT.objective, rate_cost=0.0)
    parameters = impl.Parameters.draw(network, seed=3)
    batches = [SHORT.batch(4, seed) for seed in range(10)]
    of = setting(rule, "online", objective, network, "float64")
    found = run_peers.losses(peer, of, parameters, batches)
    ours = impl.learner("numpy", rule, parameters, network=network, objective=objective, dtype="float64")
    expected = [float(ours.step(ours.load(batch)).loss) for batch in batches]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def _step_of_tensorflow_1(
    self: HostAdam, state: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    adam, step = impl.Adam(), int(state["adam_step"]) + 1
    found = {**state, "adam_step": np.array(step)}
    rate = adam.learning_rate * np.sqrt(1.0 - adam.beta2**step) / (1.0 - adam.beta1**step)
    for name in TRAINED:
        mean = adam.beta1 * state[f"adam_mean_{name}"] + (1.0 - adam.beta1) * gradients[name]
        square = adam.beta2 * state[f"adam_square_{name}"] + (1.0 - adam.beta2) * gradients[name] ** 2
        found |= {f"adam_mean_{name}": mean, f"adam_square_{name}": square}
        found[name] = state[name] - rate * mean / (np.sqrt(square) + adam.epsilon)
    return found


@pytest.mark.parametrize("name", list(peers()))
@pytest.mark.parametrize("memory", [False, True])
def test_its_steps_are_measured(name: str, memory: bool):
    peer = there(name)
    rule, modes = next(iter(peer.computes.items()))
    dtype = peer.dtypes[0]
    case = Case(name, rule, modes[0], system=name, dtype=dtype, threads=1, min_samples=2, seconds=0.0)
    case = replace(case.tiny(), batch=3, memory=memory)
    found = run_peers.measure(case, {})
    assert (found["status"], found["reason"]) == ("ok", None)
    assert found["library"]["version"] in " ".join(peer_environments.wanted()[peer.environment].packages)
    assert all(seconds > 0.0 for seconds in found["step_s"])
    assert len(found["step_s"]) >= 2
    if memory:
        assert found["peak_bytes"] >= 0
    else:
        assert found["first_step_s"] > 0.0
        assert found["import_s"] > 0.0


PUBLISHED_LOSSES = (0.741152524948, 0.740388214588, 0.665785133838, 0.663644134998, 0.729429066181)
"""Of the first five steps of NEST's published example on evidence accumulation, batch 1 and seed 1, computed
by the TensorFlow code published with the paper; NEST's own tests hold its models against them, to 1e-6."""


def test_nest_gives_the_published_losses_of_its_example():
    """The acceptance test of its environment: random e-prop by its models, synapses and Adam."""
    peer = there("nest")
    draws = np.random.RandomState(1)
    n_in, n_rec, n_out = 40, 100, 2

    def single(values: Any) -> np.ndarray:  # as the example has weights
        return np.asarray(values, np.float32).astype(float)

    w_in = single(draws.randn(n_in, n_rec) / np.sqrt(n_in))
    w_rec = single(draws.randn(n_rec, n_rec) / np.sqrt(n_rec))
    np.fill_diagonal(w_rec, 0.0)
    limit = np.sqrt(3.0 / ((n_rec + n_out) / 2.0))
    w_out = single(draws.uniform(-limit, limit, (n_rec, n_out)))
    feedback = single(draws.randn(n_rec, n_out))
    batches = []
    for _ in PUBLISHED_LOSSES:
        favoured = draws.choice([0, 1], 1)[0]
        shares = np.array([0.3, 0.7], np.float32)[[favoured, 1 - favoured]]
        cues = draws.choice([0, 1], 7, p=shares)
        rates = np.zeros((1, 2250, n_in))
        for place, cue in enumerate(cues):
            start = 150 * place + 50
            rates[0, start : start + 100, 10 * cue : 10 * (cue + 1)] = 0.04
        rates[0, -150:, 20:30] = 0.04
        rates[0, :, 30:] = 0.01
        spikes = rates > draws.rand(rates.size).reshape(rates.shape)
        spikes[:, 0] = False
        batches.append(impl.Batch(spikes, np.array([int(cues.sum() > 3)])))
    asked = setting("eprop_random", "online", impl.Objective(), impl.Network(), "float64")
    found = run_peers.losses(peer, asked, impl.Parameters(w_in, w_rec, w_out, feedback), batches)
    np.testing.assert_allclose(found, PUBLISHED_LOSSES, rtol=1e-6)
