"""Any size, and extremes: against the naive loops, in float64."""

import numpy as np
import pytest
from cases import (
    ALIKE,
    BACKENDS,
    BASIC_CASES,
    CASES,
    COMPILED_BY_SHAPE,
    Problem,
    assert_gradients,
    problem,
    slow,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reference import TOLERANCE, check

import implementations as impl

EXTREMES = {
    "no regular neurons": problem(impl.Network(n_in=4, n_regular=0, n_adaptive=5)),
    "no adaptive neurons": problem(impl.Network(n_in=4, n_regular=5, n_adaptive=0)),
    "one neuron": problem(impl.Network(n_in=2, n_regular=1, n_adaptive=0)),
    "one input": problem(impl.Network(n_in=1, n_regular=2, n_adaptive=3), input_rate=0.6, input_scale=3.0),
    "one sample": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3), n_batch=1),
    "one step": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3), n_steps=1, window=1, input_rate=0.9),
    "window of one step": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3), window=1),
    "window = T": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3), n_steps=20, window=20),
    "five outputs": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3, n_out=5)),
    "seventeen neurons": problem(impl.Network(n_in=9, n_regular=8, n_adaptive=9), n_steps=15),
    "silent": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3), input_rate=0.0),
    "saturated": problem(
        impl.Network(n_in=4, n_regular=3, n_adaptive=3, refractory_steps=0), input_rate=1.0, input_scale=30.0
    ),
    "no slope": problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3, dampening=0.0)),
    "one output, squared error": problem(
        impl.Network(n_in=4, n_regular=3, n_adaptive=3, n_out=1), loss="squared_error"
    ),
}


COMPILED_BY_SHAPE_SLOW = slow(*COMPILED_BY_SHAPE, *ALIKE)
ALWAYS = ("no regular neurons", "one neuron", "one step", "silent", "saturated")
"""Of all backends by default; the others of those that compile for each are among the slow tests."""


@pytest.mark.parametrize("name", ALWAYS)
@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_extremes(backend: str, rule: str, mode: str, name: str) -> None:
    check(EXTREMES[name], backend, rule, mode)


@pytest.mark.parametrize("name", [name for name in EXTREMES if name not in ALWAYS])
@pytest.mark.parametrize(("backend", "rule", "mode"), COMPILED_BY_SHAPE_SLOW)
def test_other_extremes(backend: str, rule: str, mode: str, name: str) -> None:
    check(EXTREMES[name], backend, rule, mode)


def test_extremes_are_extreme() -> None:
    share = {}
    for name in ("silent", "saturated"):
        learner = EXTREMES[name].learner("numpy", "bptt")
        spikes = learner.simulate(learner.load(EXTREMES[name].batch)).spikes
        share[name] = spikes.mean(axis=(0, 1))  # of each neuron
    assert not share["silent"].any()
    assert share["saturated"].max() == 1.0


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n_regular = draw(st.integers(0, 6))
    network = impl.Network(
        n_in=draw(st.integers(1, 6)),
        n_regular=n_regular,
        n_adaptive=draw(st.integers(0 if n_regular else 1, 6)),
        n_out=draw(st.integers(2, 5)),
        tau_membrane_ms=draw(st.floats(1.0, 50.0)),
        tau_adaptation_ms=draw(st.floats(5.0, 3000.0)),
        tau_readout_ms=draw(st.floats(0.5, 50.0)),
        threshold=draw(st.floats(0.2, 2.0)),
        dampening=draw(st.just(0.0) | st.floats(0.01, 1.0)),  # gradients far from denormal, or none
        refractory_steps=draw(st.integers(0, 7)),
        dt_ms=draw(st.sampled_from([0.25, 0.5, 1.0, 2.0])),
    )
    n_steps = draw(st.integers(1, 25))
    return problem(
        network,
        n_batch=draw(st.integers(1, 6)),
        n_steps=n_steps,
        window=draw(st.integers(1, n_steps)),
        input_rate=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        input_scale=draw(st.sampled_from([0.1, 1.0, 10.0])),
        loss=draw(st.sampled_from(["cross_entropy", "squared_error"])),
        seed=draw(st.integers(0, 1000)),
    )


ANY_SIZE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize(
    ("backend", "rule", "mode"), [case for case in slow(*ALIKE) if case.values[0] not in COMPILED_BY_SHAPE]
)
@ANY_SIZE
@given(found=problems())
def test_any_size(backend: str, rule: str, mode: str, found: Problem) -> None:
    check(found, backend, rule, mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["adjoint", "online"])
@pytest.mark.parametrize("backend", [backend for backend in BACKENDS if backend in COMPILED_BY_SHAPE])
@ANY_SIZE
@given(found=problems())
def test_any_size_with_all_rules(backend: str, mode: str, found: Problem) -> None:
    """Rules that compute alike share what is compiled for a size."""
    for rule in [rule for own, rule, its in CASES if (own, its) == (backend, mode)]:
        try:
            check(found, backend, rule, mode)
        except AssertionError as error:
            error.add_note(f"of {rule}")
            raise


@pytest.mark.parametrize(("backend", "rule", "mode"), COMPILED_BY_SHAPE_SLOW)
def test_batches_of_different_sizes_in_turn(backend: str, rule: str, mode: str) -> None:
    """One learner, whose buffers have to follow, gives what a fresh one gives for each batch."""
    network = impl.Network(n_in=5, n_regular=4, n_adaptive=4)
    parts = [
        problem(network, n_batch=n_batch, n_steps=n_steps, seed=3)
        for n_batch, n_steps in ((3, 30), (7, 30), (2, 55), (3, 12), (3, 30))
    ]
    one = parts[0].learner(backend, rule, mode)
    for part in parts:
        fresh = Problem(network, part.objective, parts[0].parameters, part.batch).learner(backend, rule, mode)
        expected, _ = fresh.gradients(fresh.load(part.batch))
        found, _ = one.gradients(one.load(part.batch))
        assert_gradients(found, expected, TOLERANCE)


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_inputs_that_are_no_plain_arrays(backend: str, rule: str, mode: str) -> None:
    """Spikes may be a view with any strides."""
    found = problem(impl.Network(n_in=5, n_regular=4, n_adaptive=4))
    strided = np.asfortranarray(found.batch.spikes)[::-1]
    learner = found.learner(backend, rule, mode)
    plain, _ = learner.gradients(learner.load(impl.Batch(strided.copy(), found.batch.targets)))
    viewed, _ = learner.gradients(learner.load(impl.Batch(strided, found.batch.targets)))
    assert_gradients(viewed, plain, 0.0)
