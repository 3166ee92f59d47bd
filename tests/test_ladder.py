"""The ladder from e-prop to BPTT: what each level is, found in ways that share nothing with the recursion."""

import itertools

import numpy as np
import pytest
import reference
from cases import BACKENDS, Problem, assert_gradients, deviation, problem
from test_bptt_derivative import STEP, smooth_slope, smooth_spike

import implementations as impl
from implementations import rules

# errors travel far in it: each level of the ladder differs from the next
NETWORK = impl.Network(
    n_in=3,
    n_regular=3,
    n_adaptive=3,
    tau_adaptation_ms=30.0,
    threshold=0.8,
    dampening=0.6,
    refractory_steps=2,
)
SMALL = problem(NETWORK, n_batch=1, n_steps=40, window=12, input_rate=0.4, input_scale=0.7, seed=1)


def given(found: Problem) -> tuple[impl.Network, impl.Objective, impl.Parameters]:
    return found.network, found.objective, found.parameters


def level(found: Problem, trace: reference.Trace, hops: int, reset: bool = True) -> impl.Gradients:
    batch = found.batch.spikes, found.batch.targets, trace
    return reference.ladder(*given(found), found.parameters.w_out, *batch, hops=hops, reset=reset)


def test_its_ends_are_eprop_and_bptt() -> None:
    batch = SMALL.batch.spikes, SMALL.batch.targets
    trace = reference.forward(NETWORK, SMALL.parameters, batch[0])
    for reset in (True, False):
        traces = reference.eprop(*given(SMALL), SMALL.parameters.w_out, *batch, trace, reset=reset)
        assert_gradients(level(SMALL, trace, 0, reset), traces, 1e-12)
        through_time = reference.bptt(*given(SMALL), *batch, trace, reset=reset)
        assert_gradients(level(SMALL, trace, 40, reset), through_time, 1e-12)
    # and the levels between are others
    found = [level(SMALL, trace, hops).w_rec for hops in (0, 1, 2, 4, 40)]
    for one, other in itertools.pairwise(found):
        assert deviation(one, other) > 1e-3


@pytest.mark.parametrize("hops", [0, 1, 2, 4])
@pytest.mark.parametrize("reset", [True, False])
def test_a_level_is_the_sum_over_paths(hops: int, reset: bool) -> None:
    """Every way that an error can take: within neurons by their impulse responses, and `hops` connections."""
    network, objective, parameters = given(SMALL)
    x, targets = SMALL.batch.spikes, SMALL.batch.targets
    trace = reference.forward(network, parameters, x)
    n_steps, n_rec = trace.z.shape[1:]
    psi = trace.psi[0]
    # response[j, s, t]: what z_j[t] gets of 1 added to v_j[s], by its potential, adaptation and reset
    response = np.zeros((n_rec, n_steps, n_steps))
    for j, s in np.ndindex(n_rec, n_steps):
        v = a = z = 0.0
        for t in range(s, n_steps):
            a = network.rho * a + z
            v = network.alpha * v + (t == s) - (network.threshold * z if reset else 0.0)
            z = psi[t, j] * (v - network.beta[j] * a)
            response[j, s, t] = z
    # what the loss gets of a spike, by the readout and the rate
    ell = reference.output_error(objective, trace, targets)[0]
    by_spike = np.zeros((n_steps, n_rec)) + reference.rate_error(network, objective, trace)
    for t in range(n_steps):
        for later in range(t, n_steps):
            kept = (1.0 - network.kappa) * network.kappa ** (later - t)
            by_spike[t] += kept * parameters.w_out @ ell[later]

    def paths(j: int, s: int, left: int) -> float:
        """Of 1 added to v_j[s]: all ways to the loss over up to `left` connections, one after the other."""
        total = 0.0
        for t in range(s, n_steps):
            if response[j, s, t] == 0.0:
                continue
            total += response[j, s, t] * by_spike[t, j]
            if left and t + 1 < n_steps:
                for i in range(n_rec):
                    total += response[j, s, t] * parameters.w_rec[j, i] * known(i, t + 1, left - 1)
        return total

    memory: dict[tuple[int, int, int], float] = {}

    def known(j: int, s: int, left: int) -> float:
        if (j, s, left) not in memory:
            memory[j, s, left] = paths(j, s, left)
        return memory[j, s, left]

    lam = np.array([[known(j, s, hops) for j in range(n_rec)] for s in range(n_steps)])
    d_rec = trace.z[0, :-1].T @ lam[1:]
    np.fill_diagonal(d_rec, 0.0)
    expected = impl.Gradients(
        x[0].T @ lam, d_rec, reference.readout_gradient(network, objective, trace, targets)
    )
    assert_gradients(level(SMALL, trace, hops, reset), expected, 1e-12)


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_a_level_is_a_derivative(hops: int) -> None:
    """Of a chain of smooth networks, in which each gets the recurrent spikes of the one before it."""
    found = problem(NETWORK, n_batch=1, n_steps=12, window=5, input_rate=0.4, input_scale=0.7, seed=1)
    network, objective, parameters = given(found)
    x, targets = found.batch.spikes, found.batch.targets
    smooth = smooth_spike, smooth_slope
    trace = reference.forward(network, parameters, x, *smooth)
    gradients = level(found, trace, hops)

    def total(weights: reference.Weights) -> complex:
        last = trace
        for _ in range(hops + 1):
            last = reference.forward(network, weights, x, *smooth, sent_by=last.z)
        return sum(reference.loss(network, objective, last, targets))

    for name in ("w_in", "w_rec", "w_out"):
        expected = np.zeros(getattr(parameters, name).shape)
        for index in np.ndindex(expected.shape):
            if name == "w_rec" and index[0] == index[1]:
                continue
            arrays = (getattr(parameters, w).astype(complex) for w in ("w_in", "w_rec", "w_out"))
            weights = reference.Weights(*arrays, None)
            getattr(weights, name)[index] += 1j * STEP
            expected[index] = total(weights).imag / STEP
        assert deviation(getattr(gradients, name), expected) < 1e-12, name


@pytest.mark.parametrize(
    "backend",
    # Numba compiles for half a minute what the rules of the table have compiled with other constants
    [pytest.param(name, marks=pytest.mark.slow if name == "numba" else []) for name in BACKENDS],
)
def test_any_number_of_hops_is_a_rule(backend: str) -> None:
    found = problem(impl.Network(n_in=6, n_regular=4, n_adaptive=5), n_steps=30)
    expected, _ = reference.gradients("hops:3", *given(found), found.batch.spikes, found.batch.targets)
    learner = found.learner(backend, "hops:3")
    assert_gradients(learner.gradients(learner.load(found.batch))[0], expected, 1e-12)
    # as many as there are steps: what is left of BPTT then is its rounding
    whole = found.learner(backend, "bptt")
    many = found.learner(backend, impl.Rule("many", "many hops", 30, True, "readout", ("adjoint",)))
    gradients = [each.gradients(each.load(found.batch))[0] for each in (many, whole)]
    assert_gradients(*gradients, 1e-12)


def test_names_of_rules_that_have_no_row() -> None:
    assert rules.get("hops:0") is rules.get("snap1")
    assert rules.get("hops:2") is rules.get("hops2")
    assert rules.get("hops:7") == rules.get("hops7")
    assert rules.get("hops:7").name == "hops7"
    assert "hops7" not in impl.RULES
    for name in ("hops:", "hops:-1", "hops:1.5", "hops:x", "hops", 3, None):
        with pytest.raises(impl.InvalidArgument, match=r"rule is .*hops:K"):
            rules.get(name)  # type: ignore[arg-type]
