"""The torch backend without its C++ operators: what runs where there is no compiler, and on CUDA devices."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import ALIKE, CASES, GRADIENT_CASES, Problem, assert_gradients, problem
from test_determinism import PROBLEM as MIDDLE_SIZED
from test_oracle import PUBLISHED_CASES, Expected, check_metrics, oracle, unpack
from test_oracle import TOLERANCE as ORACLE_TOLERANCE
from test_reference import NETWORKS, PROBLEMS, check
from test_shapes import EXTREMES

import implementations as impl

torch = pytest.importorskip(
    "torch", reason="the torch backend is not installed: pip install 'eprop-bench[torch]'"
)

from implementations.torch.cpp.engine import Events  # noqa: E402
from implementations.torch.cpp.extension import SWITCH  # noqa: E402
from implementations.torch.loop.engine import LoopEngine  # noqa: E402

TORCH = [(rule, mode) for backend, rule, mode in CASES if backend == "torch"]
EVERY = pytest.mark.parametrize(("rule", "mode"), TORCH)
BASIC = pytest.mark.parametrize(
    ("rule", "mode"),
    [pytest.param(*case, marks=[pytest.mark.slow] if case[0] in ALIKE else []) for case in TORCH],
)
DEVICES = [device for device in ("cpu", "cuda") if impl.unavailable("torch", device) is None]


@pytest.fixture(autouse=True)
def _without_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")


def test_all_rules_are_tested() -> None:
    assert {rule for rule, _ in TORCH} == set(impl.RULES)
    assert len(TORCH) == 20


@EVERY
def test_it_is_the_path_that_runs(rule: str, mode: str) -> None:
    learner = MIDDLE_SIZED.learner("torch", rule, mode)
    assert isinstance(learner._engine, LoopEngine)  # type: ignore[attr-defined]
    assert not isinstance(learner.load(MIDDLE_SIZED.batch), Events)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("rule", "mode"), [case[1:] for case in PUBLISHED_CASES if case[0] == "torch"])
def test_oracle(rule: str, mode: str, device: str) -> None:
    found = oracle()
    learner = found.learner("torch", rule, mode, device=device)
    loaded = learner.load(found.batch)
    gradients, metrics = learner.gradients(loaded)
    assert_gradients(gradients, Expected(rule), ORACLE_TOLERANCE)
    check_metrics(metrics, rule)
    check_metrics(learner.evaluate(loaded), rule)
    np.testing.assert_array_equal(learner.simulate(loaded).spikes, unpack("spikes"))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    ("rule", "mode"),
    [
        pytest.param(*case.values[1:], marks=case.marks)
        for case in GRADIENT_CASES
        if case.values[0] == "torch"
    ],
)
def test_equals_naive_loops(rule: str, mode: str, name: str) -> None:
    check(PROBLEMS[name], "torch", rule, mode)


@pytest.mark.parametrize("name", EXTREMES)
@BASIC
def test_extremes(rule: str, mode: str, name: str) -> None:
    check(EXTREMES[name], "torch", rule, mode)


@pytest.mark.parametrize("refractory_steps", [0, 1, 2, 3, 31, 32, 33, 64, 2**40])
def test_refractoriness_across_blocks(refractory_steps: int) -> None:
    """Spikes of blocks before keep a neuron silent, for as long as they should."""
    network = impl.Network(n_in=3, n_regular=2, n_adaptive=2, refractory_steps=refractory_steps)
    found = problem(network, n_batch=2, n_steps=150, input_rate=0.5, input_scale=3.0)
    check(found, "torch", "bptt", "adjoint")
    check(found, "torch", "eprop_symmetric", "online")


@BASIC
def test_equals_the_operators(rule: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At length, in training: both paths take the same steps."""
    task = impl.EvidenceAccumulation(n_cues=3, delay_ms=200)
    network = impl.Network(n_regular=20, n_adaptive=30)
    found = Problem(network, impl.Objective(), impl.Parameters.draw(network, 1), task.batch(5, seed=1))
    trained = []
    for switch in ("0", "1"):
        monkeypatch.setenv(SWITCH, switch)
        learner = found.learner("torch", rule, mode)
        loaded = learner.load(found.batch)
        for _ in range(3):
            learner.step(loaded)
        trained.append(learner.parameters())
    for name in ("w_in", "w_rec", "w_out"):
        np.testing.assert_allclose(getattr(trained[0], name), getattr(trained[1], name), rtol=0, atol=1e-9)


@BASIC
def test_same_call_same_bits(rule: str, mode: str) -> None:
    learner = MIDDLE_SIZED.learner("torch", rule, mode, dtype="float32")
    loaded = learner.load(MIDDLE_SIZED.batch)
    first, _ = learner.gradients(loaded)
    kept = first.w_rec.copy()
    learner.evaluate(loaded)
    learner.simulate(loaded)
    second, _ = learner.gradients(loaded)
    for name in ("w_in", "w_rec", "w_out"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(kept, first.w_rec)


@BASIC
def test_divergence_shows(rule: str, mode: str) -> None:
    learner = MIDDLE_SIZED.learner("torch", rule, mode, optimizer=impl.Adam(learning_rate=1e308))
    loaded = learner.load(MIDDLE_SIZED.batch)
    losses = [float(learner.step(loaded).loss) for _ in range(4)]
    assert np.isfinite(losses[0])
    assert not np.isfinite(losses[-1])


@pytest.mark.slow
def test_nothing_is_compiled() -> None:
    code = """
import implementations as impl
from cases import problem
p = problem(impl.Network(n_in=3, n_regular=2, n_adaptive=2))
learner = p.learner("torch", "bptt")
learner.step(learner.load(p.batch))
print(learner.compilations())
"""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, timeout=120, cwd=here.parent,
        env={**os.environ, SWITCH: "0", "PYTHONPATH": str(here)},
    )  # fmt: skip
    assert done.stdout.strip() == "0"
    assert "Warning" not in done.stderr  # it was asked for


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@BASIC
def test_nothing_waits_for_the_device(rule: str, mode: str, loss: str) -> None:
    """On tensors without values, of a device of their own: asking for one, or mixing devices, is an error."""
    found = problem(NETWORKS["other constants"], n_steps=20, loss=loss)
    learner = found.learner("torch", rule, mode)
    setting = dataclasses.replace(learner._setting, device="meta")  # type: ignore[attr-defined]
    weights = {name: tensor.to("meta") for name, tensor in learner._weights.tensors.items()}  # type: ignore[attr-defined]
    with torch.inference_mode():
        engine = LoopEngine(setting, weights)
        loaded = engine.load(found.batch)
        gradients, metrics = engine.gradients(loaded)
        assert [gradients[name].shape for name in ("w_in", "w_rec", "w_out")] == [
            weights[name].shape for name in ("w_in", "w_rec", "w_out")
        ]
        results = [*gradients.values(), *vars(metrics).values(), *vars(engine.evaluate(loaded)).values()]
        results += engine.simulate(loaded)
        assert {tensor.device.type for tensor in results} == {"meta"}


def test_online_does_not_grow_with_time() -> None:
    """Buffers of trials ten times as long are of the same size."""
    sizes = []
    for n_steps in (200, 2000):
        found = problem(NETWORKS["defaults"], n_batch=2, n_steps=n_steps)
        learner = found.learner("torch", "eprop_symmetric", "online")
        loaded = learner.load(found.batch)
        learner.gradients(loaded)
        sizes.append(sum(t.untyped_storage().nbytes() for t in tensors_of(learner._engine, loaded)))
    assert sizes[0] == sizes[1]


def tensors_of(root: object, leave_out: object) -> list:
    """All tensors that `root` holds, but for those of `leave_out`."""
    found, seen, todo = {}, {id(leave_out)}, [root]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            found[thing.untyped_storage().data_ptr()] = thing
        elif isinstance(thing, dict):
            todo.extend(thing.values())
        elif isinstance(thing, (tuple, list)):
            todo.extend(thing)
        elif type(thing).__module__.startswith("implementations.torch"):
            todo.extend(vars(thing).values())
    return list(found.values())
