"""The notebook's training: its own code path, its rules, its run as it is recorded."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.define.cases import Case, delayed
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.run import progress
from benchmarks.run.available import unavailable
from benchmarks.run.measure import measure
from benchmarks.store import records
from implementations import notebook

if notebook.unavailable() is not None:
    pytest.skip(f"the notebook can't run here: {notebook.unavailable()}", allow_module_level=True)

import brainpy as bp
import brainpy.math as bm
import jax
from brainpy.math.defaults import env
from jax.lax import stop_gradient

from implementations.notebook import training
from implementations.notebook.data import draw, seed_trials
from implementations.notebook.learner import NotebookLearner
from implementations.notebook.training import NotebookTraining
from implementations.training import Plan

FEW_NEURONS = PROBLEMS[TASK_NAME].sized(n_rec=20)

FEW = 4
"""Trials per batch in place of 128, where a test runs whole epochs: 128 take 8 s for ten steps."""


@pytest.fixture(scope="module")
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    seed_trials(np.random.SeedSequence(0))
    return [draw(FEW, 40) for _ in range(10)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "N_BATCH", FEW)


class PlainNetwork(bp.DynSysGroup):
    """The notebook's cell, with its numbers; only the weights' seeds are added."""

    def __init__(self, eprop: bool, seeds: list[int]) -> None:
        super().__init__()
        self.eprop = eprop
        dyn, neurons, layers, init = bp.dyn, bp.neurons, bp.layers, bp.init  # type: ignore[attr-defined]
        self.o = dyn.Leaky(2, tau=20)
        beta2 = 1.7 * (1 - bm.exp(-bm.get_dt() / 2e3)) / (1 - bm.exp(-1 / 2e1))
        beta = bm.concatenate([bm.ones(50), bm.ones(50) * beta2])
        zero = init.ZeroInit()
        self.r = neurons.ALIFBellec2020(
            100, V_rest=0., tau_ref=5., V_th=0.6, tau_a=2e3, tau=2e1, beta=beta,
            V_initializer=zero, a_initializer=zero, eprop=eprop, input_var=False,
        )  # fmt: skip
        self.i2r = layers.Dense(40, 100, W_initializer=init.KaimingNormal(seed=seeds[0]), b_initializer=None)
        self.i2r.W *= 2e1
        self.r2r = layers.Dense(100, 100, W_initializer=init.KaimingNormal(seed=seeds[1]), b_initializer=None)
        self.r2r.W *= 2e1
        self.r2o = layers.Dense(100, 2, W_initializer=init.KaimingNormal(seed=seeds[2]), b_initializer=None)

    def update(self, x: Any) -> Any:
        z = stop_gradient(self.r.spike.value) if self.eprop else self.r.spike.value
        return self.o(self.r2o(self.r(self.r2r(z) + self.i2r(x))))


def plain_loss(predicts: Any, targets: Any) -> Any:
    """The notebook's loss, written with JAX alone."""
    outputs, mon = bm.as_jax(predicts[0]), bm.as_jax(predicts[1]["r.spike"])
    logits = outputs[:, -150:]
    accuracy = (logits.mean(axis=1).argmax(axis=1) == bm.as_jax(targets)).mean()
    picked = jax.nn.log_softmax(logits)[np.arange(len(logits)), :, bm.as_jax(targets)]
    rate = ((mon.mean(axis=(0, 1)) - 0.01) ** 2).sum()
    return rate - picked.mean(), {"accuracy": accuracy, "loss reg": rate}


def plain_fit(eprop: bool, batches: list[tuple[np.ndarray, np.ndarray]]) -> list[dict[str, float]]:
    """A log line for each step, as `bp.BPTT` gives them where all is set globally."""
    before = dict(env.settings)
    try:
        bm.set_environment(bm.training_mode, dt=1.0)
        seeds = np.random.SeedSequence(7).generate_state(3).tolist()
        net = PlainNetwork(eprop, seeds)
        trainer: Any = bp.BPTT(
            net,
            plain_loss,
            loss_has_aux=True,
            optimizer=bp.optim.Adam(lr=0.01),
            monitors={"r.spike": net.r.spike},
        )
        lines: list[dict[str, float]] = []
        trainer.fit(
            lambda: iter(batches),
            num_epoch=1,
            num_report=1,
            fun_after_report=lambda _i, figures, _p: lines.append(
                {name: float(value) for name, value in figures.items()}
            ),
        )
    finally:
        env.settings.clear()
        env.settings.update(before)
    return lines


@pytest.mark.parametrize(("rule", "eprop"), [("bptt", False), ("eprop_symmetric", True)])
def test_ten_steps_are_those_of_the_notebooks_code(
    rule: str, eprop: bool, batches: list[tuple[np.ndarray, np.ndarray]]
):
    expected = plain_fit(eprop, batches)
    learner = NotebookLearner(rule, seed=7)
    found = [learner.step(learner.load(impl.Batch(*batch))) for batch in batches]
    losses = [float(metrics.loss) for metrics in found]
    # Where the loss is summed in another order, weights differ by rounding, which spikes make more of.
    np.testing.assert_allclose(losses, [line["loss"] for line in expected], rtol=1e-3)
    np.testing.assert_allclose(losses[:2], [line["loss"] for line in expected][:2], rtol=1e-5)
    np.testing.assert_allclose(
        [float(metrics.rate_loss) for metrics in found], [line["loss reg"] for line in expected], rtol=1e-3
    )
    assert [float(metrics.accuracy) for metrics in found] == [line["accuracy"] for line in expected]
    assert abs(losses[0] - losses[-1]) > 1e-3  # it has moved


@pytest.mark.slow
def test_an_epoch_of_fit_is_ten_steps(batches: list[tuple[np.ndarray, np.ndarray]]):
    by_step, by_fit = NotebookLearner("bptt", seed=7), NotebookLearner("bptt", seed=7)
    metrics = [by_step.step(by_step.load(impl.Batch(*batch))) for batch in batches]
    figures: dict[str, float] = {}
    by_fit.fit_epoch(lambda: iter(batches), figures.update)
    assert figures["loss"] == pytest.approx(np.mean([float(m.loss) for m in metrics]), rel=1e-6)
    assert figures["accuracy"] == pytest.approx(np.mean([float(m.accuracy) for m in metrics]))
    assert figures["loss reg"] == pytest.approx(np.mean([float(m.rate_loss) for m in metrics]), rel=1e-6)
    for name in ("w_in", "w_rec", "w_out", "adam_step"):
        np.testing.assert_array_equal(by_step.state()[name], by_fit.state()[name])


@pytest.mark.slow
def test_eprop_cuts_the_recurrent_path_and_nothing_else(batches: list[tuple[np.ndarray, np.ndarray]]):
    found = {}
    for rule in notebook.RULES:
        learner = NotebookLearner(rule, seed=7)
        found[rule] = learner.gradients(learner.load(impl.Batch(*batches[0])))
    (bptt, bptt_metrics), (eprop, eprop_metrics) = found["bptt"], found["eprop_symmetric"]
    assert float(bptt_metrics.loss) == float(eprop_metrics.loss)
    np.testing.assert_allclose(bptt.w_out, eprop.w_out, rtol=1e-5, atol=1e-8)
    for name in ("w_in", "w_rec"):
        exact, cut = getattr(bptt, name).ravel(), getattr(eprop, name).ravel()
        assert np.linalg.norm(cut) > 0.0
        assert np.linalg.norm(exact - cut) > 0.05 * np.linalg.norm(exact)


@pytest.mark.slow
def test_a_restored_state_goes_on_as_it_was(batches: list[tuple[np.ndarray, np.ndarray]]):
    learner = NotebookLearner("bptt", seed=7)
    loaded = learner.load(impl.Batch(*batches[0]))
    learner.step(loaded)
    state = learner.state()
    following = [float(learner.step(loaded).loss) for _ in range(2)]
    other = NotebookLearner("bptt", seed=8)
    other.restore(state)
    assert [float(other.step(other.load(impl.Batch(*batches[0]))).loss) for _ in range(2)] == following
    learner.restore(state)
    assert [float(learner.step(loaded).loss) for _ in range(2)] == following
    assert float(learner.evaluate(loaded).loss) != following[0]


def test_the_tiny_case_is_measured_as_any_other():
    case = Case(
        "brainpy", "bptt", "adjoint", delayed(150), batch=2, system="notebook", min_samples=2, seconds=0.0
    )
    figures = measure(case)
    assert len(figures["step_s"]) >= 2
    assert figures["first_step_s"] > min(figures["step_s"])
    assert case.record()["system"] == "notebook"
    assert unavailable(case) == "the notebook's batch is 128, not 2"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"backend": "jax"}, "the notebook's backend is brainpy, not jax"),
        ({"rule": "eprop_random"}, "the notebook's rule is bptt or eprop_symmetric, not eprop_random"),
        ({"mode": "online"}, "the notebook's mode is adjoint, not online"),
        ({"dtype": "float64"}, "the notebook's dtype is float32, not float64"),
        ({"threads": 1}, "the notebook's threads is None, not 1"),
        ({"problem": FEW_NEURONS}, "the notebook's n_regular is 50, not 10"),
    ],
)
def test_a_case_is_the_notebooks_or_says_why_not(changes: dict[str, Any], reason: str | None):
    case = Case(**{"backend": "brainpy", "rule": "bptt", "mode": "adjoint", "system": "notebook", **changes})
    assert unavailable(case) == reason


# The command


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def train(results: Path, steps: int, *arguments: str) -> Result:
    return command(
        "train", "--system", "notebook", "--steps", str(steps), "--results", str(results), *arguments
    )


def lines(results: Path) -> list[dict[str, Any]]:
    (path,) = (results / "curves").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def points(results: Path) -> list[tuple[float, ...]]:
    names = ("step", "train_loss", "train_accuracy", "loss_reg")
    return [tuple(line[name] for name in names) for line in lines(results) if line["kind"] == "point"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    results = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "N_BATCH", FEW)
        done = train(results, 30)
    assert done.exit_code == 0, done.output
    return results, done.output


@pytest.mark.slow
def test_a_run_is_recorded_and_logged_as_the_notebook_does(whole: tuple[Path, str]):
    results, output = whole
    found = lines(results)
    assert [line["kind"] for line in found] == ["run", "session", "point", "point", "point", "end"]
    head = found[0]
    assert (head["system"], head["backend"], head["rule"]) == ("notebook", "brainpy", "bptt")
    assert (head["batch"], head["settings"]["optimizer"]["learning_rate"]) == (128, 0.01)
    previous_s = 0.0
    for point in found[2:5]:
        assert point["test_loss"] is point["test_accuracy"] is point["rate_hz"] is None
        assert 0.0 < point["train_s"] - previous_s < point["log_s"]
        previous_s = point["train_s"]
        said = (
            f"Train {point['step']} steps, use {point['log_s']:.4f} s, loss {point['train_loss']}, "
            f"accuracy {point['train_accuracy']}, loss reg {point['loss_reg']}"
        )
        assert said in output.splitlines()
    table = records.read(results)
    assert table.unreadable == []
    assert list(table.points["train_loss"]) == [point["train_loss"] for point in found[2:5]]
    assert table.runs["system"].tolist() == ["notebook"]


@pytest.mark.slow
def test_a_recorded_run_is_not_measured_again_and_a_longer_one_goes_on(
    whole: tuple[Path, str], tmp_path: Path, few: None
):
    first = train(tmp_path, 10)
    again = train(tmp_path, 10)
    assert first.exit_code == again.exit_code == 0
    assert "already recorded up to step 10, skipped" in again.output
    assert "Train" not in again.output
    longer = train(tmp_path, 30)
    assert longer.exit_code == 0
    assert points(tmp_path) == points(whole[0])


@pytest.mark.slow
def test_ctrl_c_loses_nothing_and_the_same_command_goes_on(
    whole: tuple[Path, str], tmp_path: Path, few: None, monkeypatch: pytest.MonkeyPatch
):
    def stop(self: progress.Log, point: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    # shells start what runs in the background with Ctrl-C ignored, and `train` leaves it ignored then
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(progress.Log, "point", stop)
            stopped = train(tmp_path, 30)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.exit_code == 130
    assert "interrupted after step 10 of 30; the same command goes on from there" in stopped.output
    assert len(points(tmp_path)) == 1
    assert train(tmp_path, 30).exit_code == 0
    assert points(tmp_path) == points(whole[0])
    assert [line["step"] for line in lines(tmp_path) if line["kind"] == "session"] == [0, 10]


@pytest.mark.slow
def test_without_its_checkpoint_it_trains_again_and_records_no_point_twice(
    whole: tuple[Path, str], tmp_path: Path, few: None
):
    assert train(tmp_path, 10).exit_code == 0
    assert not list((tmp_path / "curves").glob("*.npz"))  # it had ended
    before = lines(tmp_path)
    assert train(tmp_path, 20).exit_code == 0
    assert lines(tmp_path)[: len(before)] == before
    assert points(tmp_path) == points(whole[0])[:2]


@pytest.mark.slow
def test_another_rule_is_a_run_of_its_own(whole: tuple[Path, str], tmp_path: Path, few: None):
    assert train(tmp_path, 10, "--rule", "eprop_symmetric").exit_code == 0
    (found,) = points(tmp_path)
    assert lines(tmp_path)[0]["rule"] == "eprop_symmetric"
    assert found != points(whole[0])[0]


def test_a_loss_that_is_not_finite_is_named():
    learner = NotebookLearner("bptt", seed=0)
    state = learner.state()
    learner.restore(state | {"w_out": np.full_like(state["w_out"], np.nan)})
    process = NotebookTraining(learner, Plan(steps=10, batch=128, evaluate_every=10), "the title")
    process._data = lambda epoch: lambda: iter([draw(2, 40) for _ in range(10)])  # type: ignore[method-assign]
    with pytest.raises(ArithmeticError, match="the training loss of step 10 is not finite: the title"):
        next(process.events())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--batch 128", "'--batch': does not apply to --system notebook"),
        ("--learning-rate 0.01", "'--learning-rate': does not apply to --system notebook"),
        ("--evaluate-every 5", "'--evaluate-every': does not apply to --system notebook"),
        ("--n-regular 4", "'--n-regular': does not apply to --system notebook"),
        ("--mode online", "'--mode': does not apply to --system notebook"),
        ("--dtype float64", "'--dtype': does not apply to --system notebook"),
        ("--threads 1", "'--threads': does not apply to --system notebook"),
        ("--stop-early", "'--stop-early': does not apply to --system notebook"),
        ("--backend numpy", "'numpy' is no backend of --system notebook; it may be brainpy, all"),
        ("--rule eprop_random", "it may be bptt, eprop_symmetric, all"),
        ("--steps 15", "steps is 15; it may be any multiple of evaluate_every, 10"),
        ("--seed -1", "seed is -1"),
    ],
)
def test_what_does_not_apply_is_refused_before_any_work(arguments: str, text: str, tmp_path: Path):
    done = command("train", "--system", "notebook", "--results", str(tmp_path), *arguments.split())
    assert done.exit_code == 2
    assert text in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_rasters(tmp_path: Path, few: None):
    out = tmp_path / "raster.svg"
    done = command(
        *("raster", "--system", "notebook", "--train-steps", "10", "--trials", "2", "--out", str(out))
    )
    assert done.exit_code == 0, done.output
    assert "Train 10 steps, use" in done.output
    text = out.read_text()
    assert text.count("target: ") == 2
    assert "BrainPy notebook, after 10 training steps, seed 0" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--trials 21", "the notebook draws 20 trials, not 21"),
        ("--train-steps 5", "5 is no multiple of 10, the steps of an epoch"),
        ("--backend numba", "'numba' is no backend of --system notebook"),
        ("--batch 4", "'--batch': does not apply to --system notebook"),
    ],
)
def test_rasters_that_it_has_not(arguments: str, text: str, tmp_path: Path):
    out = tmp_path / "raster.svg"
    done = command("raster", "--system", "notebook", "--out", str(out), *arguments.split())
    assert done.exit_code == 2
    assert text in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--batch 4", "the notebook's batch is 128, not 4"),
        ("--dtype float64", "the notebook's dtype is float32, not float64"),
        ("--mode online", "the notebook's mode is adjoint"),
        ("--backend numpy", "none of the backends and rules"),
        ("--no-steps", "--no-steps leaves it out"),
    ],
)
def test_measure_refuses_what_the_notebook_is_not(arguments: str, text: str, tmp_path: Path):
    done = command("measure", "--system", "notebook", "--results", str(tmp_path), *arguments.split())
    assert done.exit_code == 2
    assert text in " ".join(done.output.split())


def test_measure_leaves_it_out_where_the_size_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    measured: list[Case] = []
    monkeypatch.setattr(
        "benchmarks.cli.measure.timings.measure_all",
        lambda cases, *_: measured.extend(cases) or iter(()),
    )
    for size, systems in (("4", {"benchmark"}), ("128", {"benchmark", "notebook"})):
        measured.clear()
        done = command(
            *("measure", "--batch", size, "--rule", "bptt", "--no-lengths", "--results", str(tmp_path))
        )
        assert done.exit_code == 0, done.output
        assert {case.system for case in measured} == systems
        assert ("leaving out the BrainPy notebook" in done.output) == (size == "4")
    assert [(case.rule, case.memory) for case in measured if case.system == "notebook"] == [
        ("bptt", False),
        ("bptt", True),
    ]
