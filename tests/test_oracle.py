"""Against loss and gradients of the code published with Bellec et al. 2020 (tests/oracle/README.md)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, CASES, Problem, assert_gradients, deviation
from reference import gradients as reference_gradients

import implementations as impl

TOLERANCE = 1e-12
DATA = dict(np.load(Path(__file__).parent / "oracle" / "small.npz"))


def unpack(name: str) -> np.ndarray:
    shape = DATA[f"{name}_shape"]
    return np.unpackbits(DATA[name])[: np.prod(shape)].reshape(shape).astype(bool)


def oracle() -> Problem:
    network = impl.Network(
        n_in=12,
        n_regular=10,
        n_adaptive=10,
        tau_membrane_ms=float(DATA["tau_v"]),
        tau_adaptation_ms=float(DATA["tau_a"]),
        tau_readout_ms=float(DATA["tau_out"]),
        threshold=float(DATA["threshold"]),
        dampening=float(DATA["dampening"]),
        refractory_steps=int(DATA["n_ref"]),
    )
    objective = impl.Objective(
        window=int(DATA["recall"]),
        rate_target_hz=1000.0 * float(DATA["reg_rate_khz"]),
        rate_cost=float(DATA["reg_f"]),
    )
    parameters = impl.Parameters(DATA["w_in"], DATA["w_rec"], DATA["w_out"], DATA["feedback"])
    return Problem(network, objective, parameters, impl.Batch(unpack("x"), DATA["target"]))


def published_as(rule: str) -> str:
    """Whose numbers hold for a rule: with a given feedback, adaptive e-prop has random e-prop's gradients."""
    return {"eprop_adaptive": "eprop_random"}.get(rule, rule)


PUBLISHED_CASES = tuple(case for case in CASES if f"{published_as(case[1])}/loss" in DATA)


class Expected:
    def __init__(self, rule: str) -> None:
        names = ("in", "rec", "out")
        self.w_in, self.w_rec, self.w_out = (DATA[f"{published_as(rule)}/g_{name}"] for name in names)


def check_metrics(metrics: Any, rule: str) -> None:
    rule = published_as(rule)
    # abs=0, as approx would otherwise allow 1e-12 of anything, which is more than TOLERANCE of a small loss
    assert float(metrics.loss) == pytest.approx(float(DATA[f"{rule}/loss"]), rel=TOLERANCE, abs=0)
    assert float(metrics.task_loss) == pytest.approx(float(DATA[f"{rule}/cls"]), rel=TOLERANCE, abs=0)
    assert float(metrics.rate_loss) == pytest.approx(float(DATA[f"{rule}/reg"]), rel=TOLERANCE, abs=0)
    assert float(metrics.rate_hz) == pytest.approx(float(DATA["rate_hz"]), rel=TOLERANCE, abs=0)
    mean = DATA[f"{rule}/logits"].mean(axis=1)
    assert float(metrics.accuracy) == pytest.approx((mean.argmax(axis=1) == DATA["target"]).mean())


def test_which_rules_have_no_numbers() -> None:
    """Nowhere published: test_reference.py, test_bptt_derivative.py and test_ladder.py are their tests."""
    assert {rule for _, rule, _ in set(CASES) - set(PUBLISHED_CASES)} == {
        "bptt_detached", "snap1", "hops1", "hops2", "hops4", "readout_only", "ottt", "sltt", "drtp",
    }  # fmt: skip


@pytest.mark.parametrize(("backend", "rule", "mode"), PUBLISHED_CASES)
def test_gradients(backend: str, rule: str, mode: str) -> None:
    problem = oracle()
    learner = problem.learner(backend, rule, mode)
    gradients, metrics = learner.gradients(learner.load(problem.batch))
    assert_gradients(gradients, Expected(rule), TOLERANCE)
    check_metrics(metrics, rule)


@pytest.mark.parametrize("backend", BACKENDS)
def test_activity(backend: str) -> None:
    problem = oracle()
    learner = problem.learner(backend, "bptt")
    loaded = learner.load(problem.batch)
    activity = learner.simulate(loaded)
    assert activity.spikes.dtype == np.bool_
    np.testing.assert_array_equal(activity.spikes, unpack("spikes"))
    logits = DATA["bptt/logits"]
    assert deviation(activity.readout[:, -problem.objective.window :], logits) <= TOLERANCE
    check_metrics(learner.evaluate(loaded), "bptt")


def test_beta() -> None:
    np.testing.assert_allclose(oracle().network.beta, DATA["beta"], rtol=1e-14)


@pytest.mark.parametrize("rule", ["bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive"])
@pytest.mark.slow
def test_the_reference_itself(rule: str) -> None:
    """The naive loops that other tests trust."""
    problem = oracle()
    gradients, trace = reference_gradients(
        rule,
        problem.network,
        problem.objective,
        problem.parameters,
        problem.batch.spikes,
        problem.batch.targets,
    )
    np.testing.assert_array_equal(trace.z.astype(bool), unpack("spikes"))
    assert_gradients(gradients, Expected(rule), TOLERANCE)
