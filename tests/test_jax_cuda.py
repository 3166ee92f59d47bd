"""JAX's Triton kernels in Triton's interpreter, against reference.py.

The interpreter is chosen before Triton is imported, so that each test runs in a process of its own.
"""

import warnings

import numpy as np
import pytest
from cases import problem

import implementations as impl

if (reason := impl.unavailable("jax")) is not None:
    pytest.skip(reason, allow_module_level=True)

import jax
import jax_without_a_card

from implementations.jax import engines
from implementations.jax.triton.engine import SWITCH
from implementations.triton import use

SETUP = """
import numpy as np
import jax_without_a_card
jax_without_a_card.interpret()
import implementations as impl
import cases, reference
from implementations import registry, rules
from implementations.jax.triton import programs
from implementations.triton import sizes
from implementations.triton.choices import IN_FORCE, Choices

def problem(loss="cross_entropy", refractory_steps=5, sizes=(5, 3, 4), n_out=3,
            n_batch=2, n_steps=10, window=6):
    n_in, n_regular, n_adaptive = sizes
    network = impl.Network(n_in=n_in, n_regular=n_regular, n_adaptive=n_adaptive, n_out=n_out,
                           refractory_steps=refractory_steps)
    while True:
        p = cases.problem(network, n_batch=n_batch, n_steps=n_steps, window=window, loss=loss,
                          seed=np.random.default_rng().integers(2**31), input_rate=0.4, input_scale=2.0)
        if reference.forward(p.network, p.parameters, p.batch.spikes).z.sum() > 2:
            return p

def check(p, rule, mode="adjoint", dtype="float64", bound=1e-12):
    learner = p.learner("jax", rule, mode, device="cuda", dtype=dtype)
    assert learner.engine == "Triton kernels"
    loaded = learner.load(p.batch)
    found, metrics = learner.gradients(loaded)
    expected, trace = reference.gradients(
        rule, p.network, p.objective, p.parameters, p.batch.spikes, p.batch.targets)
    assert found.w_in.dtype == found.w_rec.dtype == found.w_out.dtype == dtype
    cases.assert_gradients(found, expected, bound)
    task, rate = reference.loss(p.network, p.objective, trace, p.batch.targets)
    np.testing.assert_allclose([metrics.loss, metrics.task_loss], [task + rate, task], rtol=bound)
    np.testing.assert_allclose(metrics.rate_hz, 1000 * reference.rates(p.network, trace).mean(), rtol=bound)
    if p.objective.loss == "cross_entropy":
        right = trace.y[:, -p.objective.window:].sum(axis=1).argmax(axis=1) == p.batch.targets
        assert float(metrics.accuracy) == right.mean()
    return learner, loaded, metrics, trace
"""
ALL = """
for rule, mode in registry.rules_and_modes("jax", "cuda"):
    check(problem({}), rule, mode)
"""


def interpret(code: str) -> None:
    jax_without_a_card.run(SETUP + code, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_a_learner_on_a_card() -> None:
    interpret("""
learner, loaded, metrics, trace = check(problem(), "bptt")
np.testing.assert_array_equal(*[list(vars(m).values()) for m in (learner.evaluate(loaded), metrics)])
activity = learner.simulate(loaded)
np.testing.assert_array_equal(activity.spikes, trace.z > 0)
np.testing.assert_allclose(activity.readout, trace.y, rtol=1e-12, atol=1e-15)
with IN_FORCE.use(Choices(chunk=4)):
    check(problem("squared_error"), "eprop_random", "online")
rules.register(cases.NEW_RULE)
check(problem(), cases.NEW_RULE.name)
""")


@pytest.mark.slow
def test_steps_are_those_of_the_loops_and_compile_once() -> None:
    interpret("""
import jax
for rule, mode in (("bptt", "adjoint"), ("eprop_adaptive", "online")):
    p = problem()
    learner = p.learner("jax", rule, mode, dtype="float32", device="cuda")
    plain = p.learner("jax", rule, mode, dtype="float32")
    assert (learner.engine, plain.engine) == ("Triton kernels", "lax.scan")
    for one in (learner, plain):
        loaded = one.load(p.batch)
        for _ in range(3):
            before = one.compilations()
            one.step(loaded)
            one.synchronize()
        assert one.compilations() == before
        cases.assert_judged(one, loaded, rule, one.restore)
    trained, expected = vars(learner.parameters()), vars(plain.parameters())
    for name, found in trained.items():
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-4)
    assert not jax.config.jax_enable_x64
""")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "sizes"), [("squared_error", (5, 3, 4)), ("cross_entropy", (33, 20, 14))], ids=["small", "words"]
)
def test_gradients_of_all_rules_and_modes(loss: str, sizes: tuple[int, ...]) -> None:
    interpret(ALL.format(f"{loss!r}, sizes={sizes}"))


@pytest.mark.slow
def test_odd_shapes() -> None:
    interpret("""
shapes = (
    {"n_batch": 1, "n_steps": 1, "window": 1, "refractory_steps": 1},
    {"n_batch": 1, "n_out": 1, "loss": "squared_error", "sizes": (1, 0, 9), "window": 1},
    {"n_batch": 5, "sizes": (64, 30, 2), "n_out": 5, "refractory_steps": 40, "window": 10},
)
for shape in shapes:
    for rule, mode in (("bptt", "adjoint"), ("eprop_random", "adjoint"), ("eprop_random", "online")):
        check(problem(**shape), rule, mode)
""")


@pytest.mark.slow
def test_more_neurons_than_fit_on_a_chip() -> None:
    interpret("""
for rule, mode in (("bptt", "adjoint"), ("bptt_detached", "adjoint"), ("eprop_symmetric", "online")):
    check(problem(sizes=(33, 70, 75), n_steps=6, window=4), rule, mode)
""")


@pytest.mark.slow
def test_traces_in_groups_of_trials_and_chunks_of_steps() -> None:
    interpret("""
for group, loss in ((2, "cross_entropy"), (3, "squared_error")):
    sizes.TRACE_BYTES = group * 4 * 64 * 32 * 8 + 1
    assert sizes.trial_group(sizes.sizes(5, 7, 3, Choices()), 2, 8, 7) == group
    with IN_FORCE.use(Choices(chunk=5)):
        check(problem(loss, n_batch=7, n_steps=11), "eprop_symmetric", "online")
""")


def test_without_kernels_a_card_gets_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "devices", jax_without_a_card.devices)
    p = problem(impl.Network(n_in=3, n_regular=2, n_adaptive=2), n_batch=2, n_steps=9, window=4)
    monkeypatch.setattr(use, "find_spec", lambda name: None if name == "jax_triton" else name)
    with pytest.warns(RuntimeWarning, match=r"jax_triton can't be imported: pip install"):
        learner = p.learner("jax", "eprop_symmetric", device="cuda")
    assert learner.engine == engines.SCAN
    monkeypatch.setenv(SWITCH, "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner = p.learner("jax", "eprop_symmetric", device="cuda")
    assert learner.engine == engines.SCAN
    expected = p.learner("jax", "eprop_symmetric")
    assert expected.engine == engines.SCAN
    for found, wanted in zip(
        vars(learner.gradients(learner.load(p.batch))[0]).values(),
        vars(expected.gradients(expected.load(p.batch))[0]).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, wanted)


def test_a_network_too_large_for_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "devices", jax_without_a_card.devices)
    monkeypatch.setattr(use, "find_spec", lambda name: name)
    p = problem(impl.Network(n_in=3, n_regular=600, n_adaptive=425), n_batch=1, n_steps=2, window=1)
    with pytest.warns(RuntimeWarning, match="n_rec is 1025"):
        assert p.learner("jax", "eprop_symmetric", device="cuda").engine == engines.SCAN


@pytest.mark.parametrize(
    ("rule", "lacks"),
    [("hops2", "the recurrent gradient over some hops"), ("drtp", "the target as the signal")],
)
def test_rules_that_the_kernels_lack_are_refused(
    rule: str, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where loops could take their place: what a card has does not depend on what is installed."""
    monkeypatch.setattr(jax, "devices", jax_without_a_card.devices)
    assert impl.unavailable("jax", "cuda") is None
    assert lacks in (impl.unavailable("jax", "cuda", rule) or "")
    with pytest.raises(impl.InvalidArgument, match=lacks):
        problem(impl.Network(n_in=3, n_regular=2, n_adaptive=2)).learner("jax", rule, device="cuda")
