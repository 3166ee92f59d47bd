"""Against the naive loops, with constants other than the defaults; and online against adjoint."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from cases import (
    BACKENDS,
    BASIC_CASES,
    COMPILED_BY_SHAPE,
    GRADIENT_CASES,
    TWO_WAYS,
    Problem,
    assert_gradients,
    deviation,
    problem,
)

import implementations as impl
from implementations import rules

TOLERANCE = 1e-10

NETWORKS = {
    "defaults": impl.Network(n_in=6, n_regular=4, n_adaptive=5),
    "no refractoriness": impl.Network(n_in=5, n_regular=3, n_adaptive=4, refractory_steps=0),
    "one refractory step": impl.Network(n_in=5, n_regular=3, n_adaptive=4, refractory_steps=1),
    "other constants": impl.Network(
        n_in=5,
        n_regular=4,
        n_adaptive=3,
        n_out=3,
        tau_membrane_ms=7.0,
        tau_adaptation_ms=40.0,
        tau_readout_ms=11.0,
        threshold=0.9,
        dampening=0.7,
        refractory_steps=2,
    ),
    "half a millisecond": impl.Network(n_in=5, n_regular=4, n_adaptive=3, dt_ms=0.5),
    "refractory for good": impl.Network(n_in=5, n_regular=4, n_adaptive=3, refractory_steps=2**40),
    "long refractoriness": impl.Network(n_in=5, n_regular=4, n_adaptive=3, refractory_steps=300),
}
PROBLEMS = {name: problem(network, n_steps=40) for name, network in NETWORKS.items()}
PROBLEMS["squared error"] = problem(NETWORKS["other constants"], n_steps=40, loss="squared_error")
# As pattern generation has it: no adaptive and no refractory neuron, one trial and output, all steps count
PROBLEMS["pattern"] = problem(
    impl.Network(n_in=7, n_regular=11, n_adaptive=0, n_out=1, refractory_steps=0, threshold=0.9),
    n_batch=1,
    n_steps=37,
    window=37,
    loss="squared_error",
)
# 300 steps are two blocks or more of every backend that computes in blocks
# More outputs than two, and steps inside the trial that count; a window over several blocks
PROBLEMS["masked"] = problem(NETWORKS["other constants"], n_steps=140, window=110, masked=True, n_batch=5)
PROBLEMS["masked, squared error"] = problem(
    NETWORKS["other constants"], n_steps=40, window=25, masked=True, loss="squared_error"
)
PROBLEMS["several blocks"] = problem(
    impl.Network(n_in=3, n_regular=2, n_adaptive=2), n_batch=2, n_steps=300, window=140
)


def check(found: Problem, backend: str, rule: str, mode: str) -> None:
    learner = found.learner(backend, rule, mode)
    loaded = learner.load(found.batch)
    expected, trace = reference.gradients(
        rule, found.network, found.objective, found.parameters, found.batch.spikes, found.batch.targets,
        found.batch.mask,
    )  # fmt: skip
    gradients, metrics = learner.gradients(loaded)
    activity = learner.simulate(loaded)
    np.testing.assert_array_equal(activity.spikes, trace.z.astype(bool))
    assert deviation(activity.readout, trace.y) <= TOLERANCE
    assert_gradients(gradients, expected, TOLERANCE)
    task, rate = reference.loss(found.network, found.objective, trace, found.batch.targets, found.batch.mask)
    assert float(metrics.task_loss) == pytest.approx(task, rel=TOLERANCE, abs=0)
    assert float(metrics.rate_loss) == pytest.approx(rate, rel=TOLERANCE, abs=0)
    assert float(metrics.loss) == pytest.approx(task + rate, rel=TOLERANCE, abs=0)
    assert float(metrics.rate_hz) == pytest.approx(
        1000.0 * reference.rates(found.network, trace).mean(), rel=TOLERANCE, abs=0
    )
    if found.objective.loss == "cross_entropy":
        cells = reference.counted(found.objective, trace.y.shape, found.batch.mask)
        own = [[trace.y[b, t] for b, t in cells if b == trial] for trial in range(len(trace.y))]
        answers = [np.mean(readout, axis=0).argmax() for readout in own]
        expected_accuracy = (answers == found.batch.targets).mean()
        assert float(metrics.accuracy) == pytest.approx(expected_accuracy)
    else:
        assert np.isnan(float(metrics.accuracy))


def naive_cases() -> list[Any]:
    """Each case with each problem.

    Where each takes a second to compile, four problems are tested by default of the two ways that the others
    vary, and one of these; the rest is among the slow tests.
    """
    some = ("defaults", "squared error", "masked", "several blocks")
    found = []
    for case, name in product(GRADIENT_CASES, PROBLEMS):
        backend, *way = case.values
        always = some if tuple(way) in TWO_WAYS else ("squared error",)
        slow = backend in COMPILED_BY_SHAPE and name not in always
        marks = case.marks or ([pytest.mark.slow] if slow else [])
        found.append(pytest.param(*case.values, name, marks=marks))
    return found


@pytest.mark.parametrize(("backend", "rule", "mode", "name"), naive_cases())
def test_equals_naive_loops(backend: str, rule: str, mode: str, name: str) -> None:
    check(PROBLEMS[name], backend, rule, mode)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_neuron_at_its_threshold_does_not_spike(backend: str) -> None:
    """u = 0 exactly, which random weights never meet: z is 1 only where u > 0."""
    network = impl.Network(n_in=2, n_regular=1, n_adaptive=1, threshold=0.5)
    w_in = np.array([[0.5, 0.5], [np.nextafter(0.5, 1.0) - 0.5] * 2])
    parameters = impl.Parameters(w_in, np.zeros((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
    spikes = np.zeros((2, 1, 2), bool)
    spikes[:, 0, 0] = True  # trial 0 just reaches the threshold, trial 1 is a rounding error above it
    spikes[1, 0, 1] = True
    found = Problem(network, impl.Objective(window=1), parameters, impl.Batch(spikes, np.array([0, 1])))
    learner = found.learner(backend, "bptt")
    z = learner.simulate(learner.load(found.batch)).spikes[:, 0]
    np.testing.assert_array_equal(z, [[False, False], [True, True]])


def test_problems_do_test() -> None:
    """Neurons spike, but not all the time, and adaptive ones adapt."""
    for name, found in PROBLEMS.items():
        trace = reference.forward(found.network, found.parameters, found.batch.spikes)
        assert 0.001 < trace.z.mean() < 0.9, name
        assert (trace.psi != 0).any(), name


@pytest.mark.parametrize(
    ("backend", "rule"),
    [
        pytest.param(*case.values[:2], marks=case.marks)
        for case in BASIC_CASES
        if case.values[2] == "online" and "adjoint" in rules.get(case.values[1]).modes
    ],
)
def test_online_equals_adjoint_at_length(backend: str, rule: str) -> None:
    task = impl.EvidenceAccumulation(n_cues=3, delay_ms=500)
    network = impl.Network(n_regular=20, n_adaptive=30)
    found = Problem(
        network, impl.Objective(window=150), impl.Parameters.draw(network, 1), task.batch(5, seed=1)
    )
    pair = []
    for mode in ("adjoint", "online"):
        learner = found.learner(backend, rule, mode)
        pair.append(learner.gradients(learner.load(found.batch))[0])
    assert_gradients(pair[1], pair[0], TOLERANCE)
