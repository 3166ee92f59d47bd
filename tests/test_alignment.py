"""How gradients lie to BPTT's: the measure by hand, along training, in the run's file and out of it again."""

import json
import math
import shlex
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cases import BACKENDS
from click.testing import CliRunner

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Run
from benchmarks.run import train
from benchmarks.run.progress import Silent
from benchmarks.store import export, records
from benchmarks.store.curve_file import CurveFile
from implementations import rules
from implementations.alignment import Alignment
from implementations.training import Plan, Training

TASK = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=15, interval_ms=20, delay_ms=30, recall_ms=15)
PROBLEM = Problem.of(TASK, impl.Network(n_in=8, n_regular=4, n_adaptive=4))
PATTERN = Problem.of(
    impl.PatternGeneration(n_in=6, n_steps=30),
    replace(impl.PatternGeneration.network, n_in=6, n_regular=5),
)
PLAN = Plan(steps=30, batch=4, seed=3, test_trials=4, final_trials=4, alignment_every=15)


def run(rule: str = "eprop_symmetric", plan: Plan = PLAN, backend: str = "numpy", **of: Any) -> Run:
    problem = of.pop("problem", PROBLEM)
    return Run(backend, rule, "adjoint", "float64", "cpu", 1, problem, impl.Adam(**of), plan)


def gradients(w_in: list[float], w_rec: list[float], w_out: list[float]) -> impl.Gradients:
    return impl.Gradients(*(np.array([values], np.float32) for values in (w_in, w_rec, w_out)))


def test_the_measure_by_hand() -> None:
    one, other = gradients([3.0, 0.0], [0.0], [2.0]), gradients([3.0, 0.0], [4.0], [-1.0])
    assert asdict(Alignment.of(one, other)) == pytest.approx(
        {
            **{"cosine": 9.0 / 15.0, "norm_ratio": 3.0 / 5.0, "cosine_w_in": 1.0, "norm_ratio_w_in": 1.0},
            **{"cosine_w_rec": math.nan, "norm_ratio_w_rec": 0.0, "cosine_w_out": -1.0},
            "norm_ratio_w_out": 2.0,
        },
        nan_ok=True,
    )
    large = gradients([3e30, 0.0], [0.0], [1.0])  # whose squares float32 does not hold
    assert Alignment.of(large, one).norm_ratio == pytest.approx(1e30, rel=1e-6)
    assert math.isnan(Alignment.of(gradients([math.inf, 0.0], [0.0], [1.0]), one).cosine)


@cache
def gradients_of(rule: str, dtype: str) -> impl.Gradients:
    """Of a small network with its initial weights."""
    task = impl.EvidenceAccumulation(n_cues=1, interval_ms=100, delay_ms=200, recall_ms=100)
    network = impl.Network(n_regular=20, n_adaptive=20)
    weights = impl.Parameters.draw(network, seed=0)
    learner = impl.learner("numpy", rule, weights, network=network, objective=task.objective, dtype=dtype)
    return learner.gradients(learner.load(task.batch(16, seed=7)))[0]


def aligned(rule: str, dtype: str) -> Alignment:
    return Alignment.of(gradients_of(rule, dtype), gradients_of("bptt", dtype))


def test_the_ladder_climbs_to_bptt() -> None:
    found = {rule: aligned(rule, "float64") for rule in rules.ladder()}
    assert (found["bptt"].cosine, found["bptt"].norm_ratio) == pytest.approx((1.0, 1.0), abs=1e-15)
    climb = [found[rule].cosine for rule in ("snap1", "hops1", "hops2", "hops4", "bptt")]
    assert climb == sorted(set(climb))
    assert found["eprop_symmetric"].norm_ratio > 1.5 > found["snap1"].norm_ratio  # the reset cut, and kept
    floor = found.pop("readout_only")
    assert floor.norm_ratio == 0.0
    assert math.isnan(floor.cosine)
    for each in (floor, *found.values()):
        assert (each.cosine_w_out, each.norm_ratio_w_out) == pytest.approx((1.0, 1.0), abs=1e-12)


@pytest.mark.parametrize("rule", ["eprop_symmetric", "snap1", "hops2"])
def test_float32_is_enough(rule: str) -> None:
    single, double = (asdict(aligned(rule, dtype)) for dtype in ("float32", "float64"))
    assert single == pytest.approx(double, rel=0.0, abs=5e-6)
    assert single != double


def recorded(of: Run, results: Path) -> list[dict[str, Any]]:
    train.record(of, results, lambda *_: Silent())
    (path,) = (results / "curves").glob(f"{of.name}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    untimed = [{name: value for name, value in line.items() if name != "train_s"} for line in lines]
    return [line for line in untimed if line["kind"] == kind]


def test_gradients_are_compared_along_training(tmp_path: Path) -> None:
    """On trials of their own: the points are those of a run without."""
    lines = recorded(run("snap1"), tmp_path)
    found = kinds(lines, "alignment")
    assert [line["step"] for line in found] == [0, 15, 30]
    assert {line["trials"] for line in found} == {4}
    assert [line["kind"] for line in lines] == [
        *(
            "run",
            "session",
            "alignment",
            "point",
            "alignment",
            "point",
            "alignment",
            "point",
            "final",
            "kept",
            "end",
        )
    ]
    plain = recorded(run("snap1", replace(PLAN, alignment_every=0)), tmp_path / "plain")
    assert lines[0] == plain[0]  # one file, with and without
    for kind in ("point", "final"):
        assert kinds(lines, kind) == kinds(plain, kind) != []
    # at the initial weights all rules have the same trials
    first, other = (kinds(recorded(run(rule), tmp_path / rule), "alignment") for rule in ("bptt", "snap1"))
    assert other == found
    assert [line["cosine"] for line in first] == pytest.approx([1.0] * 3, abs=1e-15)
    assert 0.0 < found[0]["cosine"] < 1.0
    assert found[0]["cosine"] != found[2]["cosine"]


@pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "numpy")) for name in BACKENDS],
)
def test_training_is_the_same_bit_by_bit(backend: str) -> None:
    states = []
    for plan in (PLAN, replace(PLAN, alignment_every=0)):
        training = run("eprop_adaptive", plan, backend).training()
        compared = 0
        for event in training.events():
            compared += event.step % 10 == 0 and training.alignment() is not None
        assert compared == (6 if plan is PLAN else 0)  # steps and points
        states.append(training.state())
    one, other = states
    for name in one.keys() - {"train_s"}:
        np.testing.assert_array_equal(one[name], other[name], strict=True)


def test_a_frozen_task_is_compared_on_the_batch_that_it_has(tmp_path: Path) -> None:
    plan = replace(PLAN, batch=1)
    (first, *_, last) = kinds(recorded(run("eprop_symmetric", plan, problem=PATTERN), tmp_path), "alignment")
    assert first["trials"] == 1
    training = run("eprop_symmetric", plan, problem=PATTERN).training()
    assert isinstance(training, Training)
    again = training.alignment()
    assert again is not None
    assert asdict(again.alignment)["cosine"] == first["cosine"] != last["cosine"]
    assert training._trials(5, 30)[0] is training._frozen[0]  # type: ignore[index]


@pytest.mark.parametrize("kept", range(2, 9))
def test_a_run_cut_off_anywhere_is_the_whole_run_in_the_end(kept: int, tmp_path: Path) -> None:
    whole = recorded(run(), tmp_path)
    (path,) = (tmp_path / "curves").glob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:kept]))
    again = recorded(run(), tmp_path)
    for kind in ("alignment", "point", "final"):
        assert sorted(kinds(again, kind), key=lambda line: line["step"]) == kinds(whole, kind)
    assert again[-1]["kind"] == "end"
    assert len(kinds(again, "session")) == 2


def test_a_checkpoint_is_gone_on_from_unless_gradients_before_it_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recorded(run(), tmp_path / "whole")
    real, points = CurveFile.append, 0
    step, steps = Training._train, 0

    def counted(self: Training) -> Any:
        nonlocal steps
        steps += 1
        return step(self)

    def stopped(self: CurveFile, *lines: Any) -> None:
        nonlocal points
        real(self, *lines)
        points += lines[-1]["kind"] == "point"
        if points == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "_train", counted)
    for compared in (True, False):
        results, plan = tmp_path / str(compared), PLAN if compared else replace(PLAN, alignment_every=0)
        monkeypatch.setattr(CurveFile, "append", stopped)
        points = 0
        with pytest.raises(KeyboardInterrupt):
            recorded(run(plan=plan), results)
        monkeypatch.setattr(CurveFile, "append", real)
        steps = 0
        again = recorded(run(), results)
        assert kinds(again, "alignment") == kinds(whole, "alignment")
        assert kinds(again, "point") == kinds(whole, "point")
        assert steps == (10 if compared else 30)  # from the checkpoint at 20, or from the start


def test_what_a_recorded_run_lacks_is_added(tmp_path: Path) -> None:
    plain = recorded(run(plan=replace(PLAN, alignment_every=0)), tmp_path)
    whole = recorded(run(), tmp_path / "whole")
    longer = replace(PLAN, steps=40)
    for plan, added in ((PLAN, [0, 15, 30]), (replace(PLAN, alignment_every=10), [10, 20]), (longer, [40])):
        before = recorded_of(tmp_path)
        lines = recorded(run(plan=plan), tmp_path)
        assert [line["step"] for line in kinds(lines, "alignment")][
            len(kinds(before, "alignment")) :
        ] == added
        assert kinds(lines, "end")[-1] == {"kind": "end", "step": plan.steps, "reason": "steps"}
        assert recorded(run(plan=plan), tmp_path) == lines  # nothing more
        if plan is PLAN:
            assert kinds(lines, "alignment") == kinds(whole, "alignment")
            assert kinds(lines, "point") == kinds(plain, "point")
            assert kinds(lines, "final") == kinds(plain, "final")
    found = records.read(tmp_path)
    assert not found.unreadable
    assert found.runs["end"].tolist() == ["steps"]
    assert found.alignments["step"].tolist() == [0, 10, 15, 20, 30, 40]


def recorded_of(results: Path) -> list[dict[str, Any]]:
    (path,) = (results / "curves").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_weights_that_are_not_finite_have_no_alignment(tmp_path: Path) -> None:
    training = run().training()
    assert isinstance(training, Training)

    def parameters() -> impl.Parameters:
        raise impl.InvalidArgument("w_in is an array with NaN")

    training._learner.parameters = parameters  # type: ignore[method-assign]
    found = training.alignment()
    assert found is not None
    assert all(map(math.isnan, asdict(found.alignment).values()))
    (tmp_path / "curves").mkdir()
    file = CurveFile(tmp_path / "curves" / "a.jsonl", run().header)
    file.append({"kind": "alignment", "step": 0, "trials": 4, **asdict(found.alignment)})
    assert "NaN" not in file.path.read_text()


def test_the_command_records_what_is_exported(tmp_path: Path) -> None:
    command = shlex.split(
        "--backend numpy --rule hops:3,readout_only --n-in 8 --n-regular 4 --n-adaptive 4 --n-cues 1"
        " --cue-ms 15 --interval-ms 20 --delay-ms 30 --recall-ms 15 --batch 4 --test-trials 4 --steps 20"
        " --alignment 10"
    )
    done = CliRunner().invoke(main, ["train", *command, "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = records.read(tmp_path)
    assert found.alignments.groupby("file").size().tolist() == [3, 3]
    assert (found.alignments["norm_ratio"] == 0.0).sum() == 3
    list(export.write(found, tmp_path / "out", "csv"))
    table = pd.read_csv(tmp_path / "out/alignments.csv")
    assert table["step"].tolist() == [0, 10, 20] * 2
    assert list(table.columns)[3:] == list(asdict(Alignment.unknown()))
    assert table["cosine"].isna().sum() == 3
    shorter = [*command[:-3], "10", "--alignment", "5"]
    done = CliRunner().invoke(main, ["train", *shorter, "--results", str(tmp_path)])
    assert "its gradients are compared where --steps is 20 or more" in done.output
    refused = CliRunner().invoke(main, ["train", *command[:-1], "0", "--results", str(tmp_path / "new")])
    assert (refused.exit_code, "'--alignment'" in refused.output) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_plan_that_compares_needs_a_reference() -> None:
    training = run().training()
    assert isinstance(training, Training)
    with pytest.raises(
        impl.InvalidArgument, match=r"reference is None; it may be .* where plan\.alignment_every"
    ):
        Training(training._learner, TASK, PLAN, "title")
    with pytest.raises(impl.InvalidArgument, match="alignment_every is -1"):
        replace(PLAN, alignment_every=-1)
