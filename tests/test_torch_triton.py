"""The Triton kernels: in Triton's interpreter against the loops of reference.py, and compiled for a card.

The interpreter is chosen before Triton is imported, so that each such test runs in a process of its own.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import ALIKE, Problem, problem

import implementations as impl
from benchmarks.run.kernels.torch import Card
from implementations import registry
from implementations.interface import Learner, Setting
from implementations.torch import engines
from implementations.torch.cuda_graph import Recorded
from implementations.torch.loop.engine import LoopEngine
from implementations.torch.triton import engine as triton_engine
from implementations.triton import use
from implementations.triton.choices import IN_FORCE, Choices

CASES = registry.rules_and_modes("torch", "cuda")
"""What the kernels have; the registry refuses the rest."""

BASIC = pytest.mark.parametrize(
    ("rule", "mode"),
    [pytest.param(*case, marks=[pytest.mark.slow] if case[0] in ALIKE else []) for case in CASES],
)
SETUP = """
import dataclasses
import numpy as np
import torch
import implementations as impl
impl.BACKENDS = ("torch",)  # the others take seconds to import
import cases, reference
from implementations import rules
from implementations.torch import engines
from implementations.triton import sizes
from implementations.triton.choices import IN_FORCE, Choices

def problem(loss="cross_entropy", refractory_steps=5, sizes=(5, 4, 5), seed=2, **options):
    n_in, n_regular, n_adaptive = sizes
    n_out = options.pop("n_out", 3)
    network = impl.Network(n_in=n_in, n_regular=n_regular, n_adaptive=n_adaptive, n_out=n_out,
                           refractory_steps=refractory_steps)
    options = {"n_batch": 2, "n_steps": 10, "window": 4, "input_scale": 2.5} | options
    return cases.problem(network, loss=loss, seed=seed, **options)

def on_card(p, rule, mode="adjoint", **options):
    learner = p.learner("torch", rule, mode, **options)
    setting = dataclasses.replace(learner._setting, device="cuda")
    with torch.inference_mode():
        learner._name, learner._engine = engines.engine(
            setting, learner._weights.tensors, record=lambda run: run)
    assert learner.engine == "Triton kernels"
    return learner

def check(p, rule, mode="adjoint", bound=1e-12, **options):
    learner = on_card(p, rule, mode, **options)
    found, metrics = learner.gradients(learner.load(p.batch))
    expected, trace = reference.gradients(
        rule, p.network, p.objective, p.parameters, p.batch.spikes, p.batch.targets)
    assert trace.z.sum() > 5
    assert found.w_in.dtype == options.get("dtype", "float64")
    cases.assert_gradients(found, expected, bound)
    task, rate = reference.loss(p.network, p.objective, trace, p.batch.targets)
    assert abs(metrics.task_loss - task) <= bound * task
    assert abs(metrics.rate_loss - rate) <= bound * rate
    assert abs(metrics.rate_hz - 1000 * reference.rates(p.network, trace).mean()) <= bound * metrics.rate_hz
    return learner, trace

def check_passes(p, learner, trace, bound=1e-12):
    loaded = learner.load(p.batch)
    activity = learner.simulate(loaded)
    assert (activity.spikes == trace.z).all()
    assert cases.deviation(activity.readout, trace.y) <= bound
    evaluated, (_, metrics) = learner.evaluate(loaded), learner.gradients(loaded)
    np.testing.assert_equal({k: float(v) for k, v in vars(evaluated).items()}, vars(metrics))
    if p.objective.loss == "cross_entropy":
        right = trace.y[:, -p.objective.window:].mean(axis=1).argmax(axis=1) == p.batch.targets
        assert metrics.accuracy == right.mean()
"""


def interpret(code: str) -> None:
    root = Path(__file__).parent.parent
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "EPROP_BENCH_TORCH_EXTENSION": "0",
        "PYTHONPATH": os.pathsep.join((str(root), str(root / "tests"))),
    }
    environment.pop(triton_engine.SWITCH, None)
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_gradients_of_all_rules() -> None:
    """Each once; the modes and losses that are left out are among the slow tests."""
    interpret("""
p, other = problem(), problem("squared_error", refractory_steps=1)
check_passes(p, *check(p, "eprop_symmetric"))
check(p, "bptt_detached")
check(p, "eprop_adaptive", "online")
check(other, "bptt")
check(other, "eprop_random", "online")
check(p, "bptt", dtype="float32", bound=1e-5)
rules.register(cases.NEW_RULE)
check(p, cases.NEW_RULE.name)
""")


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_losses_refractoriness_and_new_trials(loss: str) -> None:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    interpret(f"""
for refractory_steps in (0, 1, 5):
    p = problem({loss!r}, refractory_steps, sizes=(7, 6, 5), seed={seed}, n_steps=19, input_rate=0.4)
    for rule, mode in {CASES!r}:
        if refractory_steps == 5 or rule in ("bptt", "eprop_random"):
            learner, trace = check(p, rule, mode)
    check_passes(p, learner, trace)
""")


@pytest.mark.slow
def test_sizes() -> None:
    """More than a word of inputs and neurons, one trial, one output, windows from one step to all of them."""
    interpret("""
p = problem(sizes=(33, 16, 17), n_batch=3, n_steps=13, window=13)
check_passes(p, *check(p, "bptt"))
p = problem("squared_error", sizes=(33, 33, 0), n_batch=1, n_steps=19, window=1, n_out=1)
check_passes(p, *check(p, "eprop_symmetric"))
check(p, "eprop_random", "online")
check(problem(sizes=(1, 0, 1), n_batch=1, n_steps=29, window=3, input_rate=0.9, input_scale=9.0), "bptt")
""")


@pytest.mark.slow
def test_weights_that_do_not_fit_on_chip() -> None:
    """More than 128 neurons: BPTT is one launch per step; more than 4 words of spikes."""
    interpret("""
p = problem(sizes=(40, 70, 60), n_batch=3, n_steps=7, window=3, input_scale=4.0)
check_passes(p, *check(p, "bptt"))
check(p, "eprop_random")
check(p, "eprop_symmetric", "online")
check(p, "bptt_detached", dtype="float32", bound=1e-5)
""")


@pytest.mark.slow
def test_online_over_several_chunks_and_groups_of_trials() -> None:
    interpret("""
with IN_FORCE.use(Choices(chunk=8)):
    sizes.TRACE_BYTES = 1  # one trial at a time
    check(problem(n_batch=3, n_steps=21, window=11), "eprop_symmetric", "online")
    sizes.TRACE_BYTES = 2 * 4 * 64 * 32 * 8  # two of them
    assert sizes.trial_group(sizes.sizes(5, 9, 3, Choices()), 2, 8, 3) == 2
    check(problem("squared_error", n_batch=3, n_steps=21, window=3), "eprop_random", "online")
""")


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
def test_every_choice_that_is_tuned_computes_the_same(wide: bool) -> None:
    interpret(f"""
from benchmarks.define.kernel_choices import TRITON
sizes = (5, 75, 66) if {wide} else (5, 33, 33)
p = problem(sizes=sizes, n_steps=7, window=3, input_scale=4.0)
for sized, changes in TRITON.items():
    if (sized.n_rec > 128) == {wide}:
        for change in changes:
            if set(change) & {{"graph"}} or any("warps" in name or "stages" in name for name in change):
                continue  # which the interpreter knows nothing of
            print(change)
            with IN_FORCE.use(Choices(**change)):
                check(p, sized.rule, sized.mode)
""")


@pytest.mark.slow
def test_steps_equal_those_of_the_cpu_and_divergence_shows() -> None:
    interpret("""
p = problem()
for rule in ("bptt", "eprop_adaptive"):
    device, host = on_card(p, rule), p.learner("torch", rule)
    assert host.engine == "torch operations"
    on_device, on_host = device.load(p.batch), host.load(p.batch)
    for _ in range(3):
        found, expected = device.step(on_device), host.step(on_host)
        assert abs(float(found.loss) - float(expected.loss)) < 1e-11
    for name, array in host.state().items():
        assert np.abs(device.state()[name] - array).max() < 1e-9, name
    def restore(state):  # the learner itself refuses some
        with torch.inference_mode():
            device._weights.restore(state)
    cases.assert_judged(device, on_device, rule, restore)
    cases.assert_judged(host, on_host, rule, host.restore)
curves = problem("squared_error")
curves.batch.targets.setflags(write=True)
curves.batch.targets[0, -1, 0] = 1e78  # its square is a number, but too large
device = on_card(curves, "bptt")
assert np.isnan(float(device.step(device.load(curves.batch)).loss))
assert device.compilations() == 0  # the interpreter compiles nothing
""")


# Which engine computes


class Recorder:
    """As a CUDA graph: what was recorded writes to the tensors of the recording, time after time."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, run: Any) -> Any:
        self.recorded += 1
        run()
        fixed = run()

        def replay() -> list[torch.Tensor]:
            for mine, found in zip(fixed, run(), strict=True):
                mine.copy_(found)
            return fixed

        return replay


NETWORK = impl.Network(n_in=5, n_regular=4, n_adaptive=5, n_out=3)


def setting_of(learner: Learner, **changes: Any) -> Setting:
    return dataclasses.replace(learner._setting, **changes)  # type: ignore[attr-defined]


def card(found: Problem, rule: str = "bptt", mode: str = "adjoint", **changes: Any) -> tuple[str, Any]:
    """The engine that a card would get, with weights on the CPU."""
    learner = found.learner("torch", rule, mode)
    weights = learner._weights.tensors  # type: ignore[attr-defined]
    with torch.inference_mode():
        return engines.engine(setting_of(learner, device="cuda", **changes), weights, record=Recorder())


def test_a_card_gets_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(triton_engine.SWITCH, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        name, engine = card(problem(NETWORK))
        assert name == engines.TRITON
        assert isinstance(engine, Recorded)
        assert isinstance(engine._engine, triton_engine.TritonEngine)
        monkeypatch.setenv(triton_engine.SWITCH, "0")  # it was asked for: no warning
        name, engine = card(problem(NETWORK))
    assert name == engines.GRAPH
    assert isinstance(engine._engine, LoopEngine)


def test_a_mask_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(triton_engine.SWITCH, raising=False)
    found = problem(NETWORK, masked=True)
    _, engine = card(found)
    with pytest.raises(
        impl.InvalidArgument, match=rf"^batch\.mask is .*Triton.*{triton_engine.SWITCH}=0, torch"
    ):
        engine.load(found.batch)


def test_a_learner_keeps_the_choices_that_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(triton_engine.SWITCH, raising=False)
    chosen = Choices(graph=0, chunk=64)
    with IN_FORCE.use(chosen):
        name, engine = card(problem(NETWORK))
    assert name == engines.TRITON
    assert isinstance(engine, triton_engine.TritonEngine)  # no graph
    assert engine._chosen == chosen.packed()
    assert Choices(*chosen.packed()) == chosen
    assert IN_FORCE.now() == Choices()


@pytest.mark.parametrize("change", [{"chunk": 0}, {"warps": 4}, {"step_trials": 8}, {"on_chip": 32}])
def test_what_is_no_choice_is_refused(change: dict[str, int]) -> None:
    with pytest.raises((impl.InvalidArgument, TypeError), match=next(iter(change))):
        Choices(**change)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("triton", "can't be imported"), ("version", "3.4.9: install 3.5"), ("compiler", "C compiler"),
     ("header", "Python.h"), ("size", "at most 1024")],
)  # fmt: skip
def test_without_the_kernels_it_says_why(missing: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(triton_engine.SWITCH, raising=False)
    network = NETWORK
    if missing == "triton":
        monkeypatch.setattr(use, "find_spec", lambda name: None)
    elif missing == "version":
        monkeypatch.setattr("triton.__version__", "3.4.9")
    elif missing == "compiler":
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif missing == "header":
        monkeypatch.setattr(sysconfig, "get_path", lambda *args: os.devnull)
    else:
        network = impl.Network(n_in=2, n_regular=1025, n_adaptive=0)
    found = problem(network, n_batch=1, n_steps=2, window=1)
    setting = setting_of(problem(NETWORK).learner("torch", "bptt"), network=network, device="cuda")
    assert reason in str(triton_engine.unusable(setting))
    if missing != "size":
        with pytest.warns(RuntimeWarning, match=reason):
            assert card(found)[0] == engines.GRAPH


@BASIC
def test_a_recorded_loop_equals_the_loop(rule: str, mode: str) -> None:
    """With weights that change, several shapes of batches, and what does not go by way of the record."""
    found, other = (problem(NETWORK, n_batch=n, n_steps=40, seed=n) for n in (2, 3))
    plain, recorded = (found.learner("torch", rule, mode) for _ in range(2))
    record = Recorder()
    with torch.inference_mode():
        for learner in (plain, recorded):
            engine = LoopEngine(setting_of(learner), learner._weights.tensors)  # type: ignore[attr-defined]
            learner._engine = engine  # type: ignore[attr-defined]
        recorded._engine = Recorded(recorded._engine, record)  # type: ignore[attr-defined]
    kept = []
    for batch in (found.batch, found.batch, other.batch, found.batch):
        loaded, loaded_too = plain.load(batch), recorded.load(batch)
        expected = [plain.evaluate(loaded), plain.step(loaded)]
        kept.append((expected, [recorded.evaluate(loaded_too), recorded.step(loaded_too)]))
        np.testing.assert_array_equal(plain.simulate(loaded).readout, recorded.simulate(loaded_too).readout)
    assert record.recorded == 4 + 3  # evaluation anew after each simulation, gradients with each new shape
    for expected, results in kept:  # later calls have not overwritten them
        for one, two in zip(expected, results, strict=True):
            np.testing.assert_array_equal(
                [float(x) for x in vars(one).values()], [float(x) for x in vars(two).values()]
            )
    for name, array in plain.state().items():
        np.testing.assert_array_equal(array, recorded.state()[name])


def test_recording_the_loop_waits_for_no_device() -> None:
    """On tensors without values: what asks for one can't be recorded."""
    found = problem(NETWORK, n_steps=40)
    learner = found.learner("torch", "bptt")
    weights = {name: t.to("meta") for name, t in learner._weights.tensors.items()}  # type: ignore[attr-defined]
    with torch.inference_mode():
        engine = Recorded(LoopEngine(setting_of(learner, device="meta"), weights), Recorder())
        loaded = engine.load(found.batch)
        gradients, metrics = engine.gradients(loaded)
        figures = [*gradients.values(), *vars(metrics).values(), *vars(engine.evaluate(loaded)).values()]
    assert {tensor.device.type for tensor in figures} == {"meta"}


# Compiled for a card that is not there


class Compiled:
    """Stands where kernels are launched: compiles them as a launch would."""

    def __init__(self) -> None:
        self.kernels: dict[str, Any] = {}

    def __call__(self, kernel: Any, grid: tuple[int, ...], *args: Any, **options: Any) -> None:
        found = kernel.warmup(*args, grid=grid, **options)
        self.kernels[found.hash] = found


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Compiled]:
    from triton.runtime import driver

    from implementations.torch.triton import launches

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    found = Compiled()
    monkeypatch.setattr(launches, "_launch", found)
    before = driver._active
    driver.set_active(Card())  # type: ignore[arg-type]
    yield found
    driver._active = before


def run(found: Problem, rule: str, mode: str, dtype: str) -> None:
    learner = found.learner("torch", rule, mode, dtype=dtype)
    weights = learner._weights.tensors  # type: ignore[attr-defined]
    with torch.inference_mode():
        engine = triton_engine.TritonEngine(setting_of(learner, device="cuda"), weights)
        loaded = engine.load(found.batch)
        engine.gradients(loaded)
        engine.evaluate(loaded)
        engine.simulate(loaded)


@pytest.mark.slow
def test_ones_compile_too(compiled: Compiled) -> None:
    """Which Triton would specialize for, where it is not told to leave them."""
    one = impl.Network(n_in=1, n_regular=1, n_adaptive=0, n_out=1)
    for rule, mode in CASES:
        run(problem(one, n_batch=1, n_steps=1, window=1, loss="squared_error"), rule, mode, "float32")
    names = {kernel.metadata.name for kernel in compiled.kernels.values()}
    assert names == {
        *("prepare", "collect", "forward", "evaluate", "adjoint", "through_time", "products", "carry")
    }


@pytest.mark.slow
def test_another_batch_compiles_nothing_and_small_cards_have_room(compiled: Compiled) -> None:
    from implementations.torch.triton import launches

    network = impl.Network()
    for rule, mode in CASES:
        run(problem(network, n_batch=3, n_steps=300), rule, mode, "float32")
    count, learner = launches.compilations(), problem(network).learner("torch", "bptt")
    assert count > 0
    assert learner.compilations() >= count
    for rule, mode in CASES:
        run(problem(network, n_batch=3, n_steps=290, window=20), rule, mode, "float32")
    assert launches.compilations() == count
    assert max(kernel.metadata.shared for kernel in compiled.kernels.values()) <= 99 * 1024
