"""What is the BrainPy backend's alone: global settings, its dynamical systems, its groups and programs."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import Problem, assert_gradients, deviation, problem

import implementations as impl
from implementations import rules
from implementations.interface import Learner

bp = pytest.importorskip("brainpy", reason="BrainPy is not installed: pip install 'eprop-bench[brainpy]'")

import brainpy.math as bm  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from brainpy.math.defaults import defaults as brainpy_defaults  # noqa: E402

from implementations.brainpy.dynamics import SpikingNetwork, Weights  # noqa: E402
from implementations.brainpy.optimizer import Adam  # noqa: E402
from implementations.brainpy.programs import replayed  # noqa: E402
from implementations.brainpy.replay import Replay, send  # noqa: E402
from implementations.optimizer import TRAINED, HostAdam  # noqa: E402

NETWORK = impl.Network(n_in=7, n_regular=5, n_adaptive=6, n_out=3)
# 103 steps are three blocks, with two steps of rest before the first; the window begins within a block
PROBLEM = problem(NETWORK, n_batch=35, n_steps=103, window=30, input_rate=0.1)
SMALL = problem(NETWORK)
CASES = [
    ("bptt", "adjoint"),
    ("eprop_symmetric", "adjoint"),
    ("eprop_random", "adjoint"),
    ("eprop_symmetric", "online"),
    ("eprop_random", "online"),
    ("drtp", "adjoint"),  # its way back needs the targets of a group
]
NAMES = ("w_in", "w_rec", "w_out", "feedback")


def use_all(learner: Learner, found: Problem) -> None:
    loaded = learner.load(found.batch)
    calls: list[Callable[[Any], object]] = [
        learner.step,
        learner.gradients,
        learner.evaluate,
        learner.simulate,
    ]
    for call in calls:
        call(loaded)
    learner.synchronize()
    learner.parameters()
    learner.restore(learner.state())


def settings() -> dict[str, Any]:
    """What BrainPy, JAX and NumPy are set to."""
    brainpy = {
        name: getattr(bm, f"get_{name}")()
        for name in ("float", "int", "bool", "complex", "dt", "mode", "membrane_scaling", "platform")
    }
    defaults = {
        name: getattr(brainpy_defaults, name) for name in ("bp_object_as_pytree", "numpy_func_return")
    }
    jax_settings = {name: getattr(holder, "value", holder) for name, holder in jax.config.values.items()}
    rest = {"errors": np.geterr(), "dtype": jnp.zeros(1).dtype, "environment": dict(os.environ)}
    return {**brainpy, **defaults, **jax_settings, **rest}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rule", "mode"), [CASES[0], CASES[4]])
def test_global_settings_stay(rule: str, mode: str, dtype: str) -> None:
    before = settings()
    use_all(SMALL.learner("brainpy", rule, mode, dtype=dtype), SMALL)
    assert settings() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_global_settings_stay_when_a_call_fails(dtype: str) -> None:
    before = settings()
    learner = SMALL.learner("brainpy", "bptt", dtype=dtype)
    with pytest.raises(impl.InvalidArgument):
        learner.step(SMALL.batch)
    with pytest.raises(impl.InvalidArgument):
        learner.restore({})
    assert settings() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_settings_of_the_caller_do_not_matter(dtype: str) -> None:
    """Precision, time step, mode and array type that a caller of BrainPy has set for work of their own."""

    def result() -> tuple[impl.Gradients, impl.Parameters]:
        learner = SMALL.learner("brainpy", "eprop_symmetric", dtype=dtype)
        loaded = learner.load(SMALL.batch)
        gradients, _ = learner.gradients(loaded)
        learner.step(loaded)
        return gradients, learner.parameters()

    expected = result()
    x64 = dtype == "float32"  # the other one
    surroundings = bm.environment(
        mode=bm.batching_mode,
        dt=0.25,
        float_=bm.float64 if x64 else bm.float32,
        numpy_func_return="jax_array",
    )
    with jax.enable_x64(x64), jax.default_matmul_precision("bfloat16"), surroundings:
        before = settings()
        found = result()
        assert settings() == before
    for one, other in zip(found, expected, strict=True):
        for name in TRAINED:
            assert getattr(one, name).dtype == dtype
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_import_changes_no_setting_of_jax() -> None:
    """What BrainPy itself does at import is its own: it starts JAX's backend, and leaves the settings."""
    code = """
import jax
def settings():
    return {name: getattr(holder, "value", holder) for name, holder in jax.config.values.items()}
before = settings()
import implementations.brainpy.learner
assert settings() == before
import brainpy.math as bm, jax.numpy as jnp
assert bm.get_dt() == 0.1 and bm.get_float() is jnp.float32 and jnp.zeros(1).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def weights(found: Problem) -> Weights:
    return Weights(*(jnp.asarray(getattr(found.parameters, name)) for name in NAMES))


def replay(rule: str, n_batch: int) -> Replay:
    """The network that a rule differentiates."""
    kind = replayed(rules.get(rule), n_steps=100)
    return kind(NETWORK, weights(PROBLEM), n_batch, rules.get(rule))


def test_stepped_by_hand_equals_the_learner() -> None:
    """BrainPy's way to run a model: call it at each step, here without any compiled program."""
    found = problem(NETWORK, n_steps=25)
    learner = found.learner("brainpy", "bptt")
    activity = learner.simulate(learner.load(found.batch))
    with jax.enable_x64(True):
        network = SpikingNetwork(NETWORK, weights(found), 3)
        synapses = network.synapses()
        steps = [network(jnp.asarray(found.batch.spikes[:, t]), synapses) for t in range(25)]
    assert activity.spikes.any()
    np.testing.assert_array_equal(activity.spikes, np.stack([np.asarray(z) for z, _ in steps], 1) > 0)
    assert deviation(activity.readout, np.stack([np.asarray(y) for _, y in steps], 1)) <= 1e-13


@pytest.mark.parametrize("rule", ["bptt", "bptt_detached", "eprop_random", "snap1"])
def test_what_a_step_sends_back(rule: str) -> None:
    """dz of one step, from the potential, the adaptation and the readout of the next."""
    rng = np.random.default_rng(0)
    shape = (2, NETWORK.n_rec)
    by_v, by_a, by_y = rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal((2, 3))
    with jax.enable_x64(True):
        network = replay(rule, 2)
        synapses = network.synapses()
        current, output = jnp.zeros(shape), jnp.zeros((2, 3))
        known = jnp.asarray(rng.random(shape) < 0.3)

        def after(z: jax.Array) -> jax.Array:
            network.neurons.z.value = z
            network.replay(current, output, known, synapses)
            return (by_v * network.neurons.v.value).sum() + (by_a * network.neurons.a.value).sum()

        def read(z: jax.Array) -> jax.Array:
            return (by_y * network.readout(send(output, z, synapses.feedback))).sum()

        dz = bm.grad(after, argnums=0)(jnp.zeros(shape))
        from_readout = bm.grad(read, argnums=0)(jnp.zeros(shape))
    p = PROBLEM.parameters
    # a is the neuron's own, its derivative goes back in e-prop too; v after the step is not yet a spike
    expected = by_a
    if rules.get(rule).recurrent_gradient:
        expected = expected + by_v @ p.w_rec.T
    if rules.get(rule).reset_gradient:
        expected = expected - NETWORK.threshold * by_v
    assert deviation(dz, expected) <= 1e-13
    kept = 1.0 - NETWORK.kappa
    assert deviation(from_readout, kept * by_y @ p.feedback.T) <= 1e-13


def test_what_a_chain_sends_back() -> None:
    """dz of one step in each of three networks: each resets itself, and the one before hears it."""
    by_v = np.random.default_rng(0).standard_normal((3, 2, NETWORK.n_rec))
    with jax.enable_x64(True):
        network: Any = replay("hops2", 2)
        synapses = network.synapses()
        current, output = jnp.zeros((2, NETWORK.n_rec)), jnp.zeros((2, 3))

        def after(z: jax.Array) -> jax.Array:
            network.neurons.z.value, network.others.z.value = z[0], z[1:]
            network.replay(current, output, current > 0, synapses)
            v = network.neurons.v.value[None], network.others.v.value
            return (by_v * jnp.concatenate(v)).sum()

        dz = bm.grad(after, argnums=0)(jnp.zeros(by_v.shape))
    expected = -NETWORK.threshold * by_v
    expected[1:] += by_v[:-1] @ PROBLEM.parameters.w_rec.T
    assert deviation(dz, expected) <= 1e-13


def test_derivative_of_a_spike_is_psi() -> None:
    with jax.enable_x64(True):
        network = SpikingNetwork(NETWORK, weights(PROBLEM), 2)
        current = jnp.asarray(np.random.default_rng(1).uniform(0.2, 1.6, (2, NETWORK.n_rec)))

        def fired(current: jax.Array) -> jax.Array:
            return network.neurons(current).sum()

        found = np.asarray(bm.grad(fired, argnums=0)(current))
    u = (np.asarray(current) - NETWORK.threshold) / NETWORK.threshold  # all else is at rest
    expected = NETWORK.dampening / NETWORK.threshold * np.maximum(0, 1 - np.abs(u))
    assert (expected == 0).any()
    assert (expected > 0).any()
    assert deviation(found, expected) <= 1e-13


def gradients(rule: str, found: Problem, **options: Any) -> impl.Gradients:
    # of two threads, each compiles its own group
    learner = found.learner("brainpy", rule, **{"threads": 1, **options})
    return learner.gradients(learner.load(found.batch))[0]


def test_eprop_leaves_out_what_neurons_send_each_other() -> None:
    through_time, eprop = gradients("bptt", PROBLEM), gradients("eprop_symmetric", PROBLEM)
    assert deviation(eprop.w_in, through_time.w_in) > 0.01
    assert deviation(eprop.w_rec, through_time.w_rec) > 0.01
    assert deviation(eprop.w_out, through_time.w_out) <= 1e-12  # no spike depends on W_out


def test_eprop_is_exact_where_no_spike_can_come_back() -> None:
    """A single step, after which neither reset nor synapses have anything to say."""
    found = problem(NETWORK, n_steps=1, window=1, input_rate=0.5, n_batch=8)
    through_time = gradients("bptt", found)
    assert through_time.w_in.any()
    assert_gradients(gradients("eprop_symmetric", found), through_time, 1e-14)


def test_random_feedback_equal_to_the_readout_is_symmetric() -> None:
    p = PROBLEM.parameters
    same = Problem(
        NETWORK, PROBLEM.objective, impl.Parameters(p.w_in, p.w_rec, p.w_out, p.w_out), PROBLEM.batch
    )
    for mode in ("adjoint", "online"):
        expected = gradients("eprop_symmetric", PROBLEM, mode=mode)
        assert_gradients(gradients("eprop_random", same, mode=mode), expected, 1e-13)
        assert deviation(gradients("eprop_random", PROBLEM, mode=mode).w_in, expected.w_in) > 0.01


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: a batch is never cut into groups")
@pytest.mark.parametrize(("rule", "mode"), CASES)
def test_groups_of_trials_add_up(rule: str, mode: str) -> None:
    """35 trials are 17 and 18 in two threads, at the first call and, at the same time, at the second."""
    whole, cut = (PROBLEM.learner("brainpy", rule, mode, threads=threads) for threads in (1, 2))
    loaded_whole, loaded_cut = whole.load(PROBLEM.batch), cut.load(PROBLEM.batch)
    assert [x.shape[2] for x, *_ in loaded_whole.groups] == [35]
    assert [x.shape[2] for x, *_ in loaded_cut.groups] == [17, 18]
    expected, expected_metrics = whole.gradients(loaded_whole)
    for _ in range(2):
        found, metrics = cut.gradients(loaded_cut)
        assert_gradients(found, expected, 1e-12)
        assert metrics.accuracy == expected_metrics.accuracy
        assert metrics.rate_hz == expected_metrics.rate_hz
        assert metrics.loss == pytest.approx(expected_metrics.loss, rel=1e-13)
    one, other = whole.simulate(loaded_whole), cut.simulate(loaded_cut)
    np.testing.assert_array_equal(one.spikes, other.spikes)
    assert deviation(other.readout, one.readout) <= 1e-14
    before = cut.compilations()
    cut.step(loaded_cut)
    after = cut.compilations()
    assert after - before <= 1  # the update, unless another learner has compiled it
    cut.step(loaded_cut)
    assert cut.compilations() == after


def test_programs_are_shared_and_hold_no_state() -> None:
    """A second learner of the same setting, with other weights, compiles nothing."""
    first = PROBLEM.learner("brainpy", "eprop_symmetric")
    use_all(first, PROBLEM)
    weights = impl.Parameters.draw(NETWORK, seed=5)
    other = Problem(NETWORK, PROBLEM.objective, weights, PROBLEM.batch)
    second = other.learner("brainpy", "eprop_symmetric")
    before = second.compilations()
    found, _ = second.gradients(second.load(PROBLEM.batch))
    assert second.compilations() == before
    expected = other.learner("numpy", "eprop_symmetric")
    assert_gradients(found, expected.gradients(expected.load(PROBLEM.batch))[0], 1e-10)
    second.step(second.load(PROBLEM.batch))
    assert second.compilations() == before
    # F is an argument, and the forward pass is that of all rules; whether the network has diverged is seen by
    # the weights that the rule uses, of which F is one more
    before = second.compilations()
    gradients("eprop_random", PROBLEM, threads=None)
    assert second.compilations() <= before + 1
    gradients("bptt", PROBLEM, threads=None)
    assert second.compilations() <= before + 2  # the way back, of groups of two sizes


def test_compilations_count_compiling() -> None:
    found = problem(impl.Network(n_in=3, n_regular=2, n_adaptive=2), n_steps=11, window=3)
    learner = found.learner("brainpy", "bptt")
    before = learner.compilations()
    learner.evaluate(learner.load(found.batch))
    assert learner.compilations() > before
    jax.jit(lambda x: x + 17.5)(1.0)  # not by this backend
    after = learner.compilations()
    learner.evaluate(learner.load(found.batch))
    assert learner.compilations() == after


@pytest.mark.slow
def test_memory_of_online_learning_is_flat_in_time() -> None:
    """By what XLA sets aside for the program; that of the adjoint form grows with the recorded spikes."""

    def temporary_bytes(mode: str, n_steps: int) -> int:
        found = problem(NETWORK, n_batch=4, n_steps=n_steps, window=50)
        learner: Any = found.learner("brainpy", "eprop_symmetric", mode)
        x, targets, scale = learner.load(found.batch).groups[0]
        with jax.enable_x64(True):
            weights = {name: jnp.asarray(getattr(found.parameters, name)) for name in NAMES}
            program = learner._programs.forward.compile(weights, x, targets, scale)
        memory = program.memory_analysis()
        return memory.temp_size_in_bytes + memory.output_size_in_bytes

    assert temporary_bytes("online", 1200) <= 1.01 * temporary_bytes("online", 200)
    assert temporary_bytes("adjoint", 1200) > 4 * temporary_bytes("adjoint", 200)


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adam_has_epsilon_outside_the_root(epsilon: float) -> None:
    rng = np.random.default_rng(0)
    chosen = impl.Adam(learning_rate=0.1, beta1=0.7, beta2=0.9, epsilon=epsilon)
    weights = {name: rng.standard_normal((3, 3)) for name in TRAINED}
    with jax.enable_x64(True):
        variables = {name: bm.TrainVar(jnp.asarray(value)) for name, value in weights.items()}
        adam = Adam(0.1, variables, beta1=0.7, beta2=0.9, eps=epsilon)
        plain = bp.optim.Adam(
            0.1, {"w_in": bm.TrainVar(jnp.asarray(weights["w_in"]))}, beta1=0.7, beta2=0.9, eps=epsilon
        )
        host = HostAdam(chosen, rules.get("bptt"))
        state = host.start(weights)
        for _ in range(5):
            drawn = {name: rng.standard_normal((3, 3)) for name in TRAINED}
            state = host.step(state, drawn)
            adam.update({name: jnp.asarray(value) for name, value in drawn.items()})
            plain.update({"w_in": jnp.asarray(drawn["w_in"])})
        for name in TRAINED:
            np.testing.assert_allclose(np.asarray(variables[name].value), state[name], rtol=1e-12)
        if epsilon == 0.1:  # why the class exists
            assert deviation(plain.vars_to_train["w_in"].value, state["w_in"]) > 1e-3


@pytest.mark.slow
def test_step_is_done_after_synchronize() -> None:
    learner = PROBLEM.learner("brainpy", "eprop_symmetric", dtype="float32")
    loaded = learner.load(PROBLEM.batch)
    metrics = [learner.step(loaded) for _ in range(3)]
    learner.synchronize()
    assert all(array.is_ready() for array in learner._state.values())  # type: ignore[attr-defined]
    assert all(np.isfinite(float(found.loss)) for found in metrics)


def test_device_that_is_not_there() -> None:
    try:
        there = bool(jax.devices("cuda"))
    except RuntimeError:
        there = False
    reason = impl.unavailable("brainpy", "cuda")
    assert (reason is None) == there
    if reason is not None:
        assert "CUDA" in reason
