"""`gpu-check` without a card: fakes for it, and numba's simulator from end to end."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import implementations as impl
from benchmarks.cli import gpu_check
from benchmarks.define import gpu_plan
from benchmarks.define.cases import Case
from benchmarks.judge import gpu_check as judged
from benchmarks.judge.agreement import computes_as_numpy
from benchmarks.run import conformance, process, timings
from benchmarks.store import records
from benchmarks.store.failures import Failures
from implementations import registry

ROOT = Path(__file__).parents[1]


def outcome(step_s: float, **fields: Any) -> dict[str, Any]:
    environment = {"machine": "aaaa1111", "commit": "0" * 40, "dirty": False}
    figures: dict[str, Any] = {
        "step_s": [step_s] * 3,
        "event_s": [0.9 * step_s] * 3,
        "load_s": 0.01,
        "unload_s": 0.002,
    }
    roofline = {"floor_s": 0.5e-3, "bound": "latency"}
    return {
        "status": "ok",
        "reason": None,
        **figures,
        "roofline": roofline,
        "environment": environment,
        **fields,
    }


def fake_card(
    monkeypatch: pytest.MonkeyPatch,
    *,
    step_s: float = 0.001,
    loop_s: float = 0.05,
    right: bool = True,
    measured: Any = None,
) -> list[dict[str, Any]]:
    """Torch and numba can use a card; every step takes `step_s`, of a fallback `loop_s`.

    `measured` is called with a case instead, where it is given.
    """
    asked: list[dict[str, Any]] = []
    real = impl.unavailable

    def unavailable(backend: str, device: str = "cpu", *rest: Any) -> str | None:
        if device == "cpu":
            return real(backend, device, *rest)
        return None if backend in ("torch", "numba") else f"no card for {backend}"

    def run_each(function: Any, wanted: Any, *, limit_s: float, left_s: Any, switches: Any = None) -> Any:
        for one in wanted:
            if left_s() <= 0.0:
                return
            asked.append({"one": one, "switches": dict(switches or {}), "limit_s": limit_s})
            if function is timings.measure:
                engine = "loop" if switches else "fused"
                yield measured(one) if measured else outcome(loop_s if switches else step_s, engine=engine)
            else:
                value = 1e-15 if right else 1e-3
                yield {
                    "status": "ok",
                    "reason": None,
                    "spikes": 0,
                    **dict.fromkeys(("loss", "w_in", "w_rec", "w_out"), value),
                }

    monkeypatch.setattr(impl, "unavailable", unavailable)
    monkeypatch.setattr(process, "run_each", run_each)
    return asked


def cases(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was asked for to be measured."""
    return [call for call in asked if isinstance(call["one"], Case)]


def run(tmp_path: Path, *options: str) -> Any:
    return CliRunner().invoke(gpu_check.command, ["--results", str(tmp_path), *options])


def summary(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "gpu-check/summary.json").read_text())


def costly(backend: str) -> list[tuple[str, str]]:
    """Rules and modes that differ in cost, as far as the backend has them on a card."""
    return [pair for pair in gpu_plan.COSTLY if pair in registry.rules_and_modes(backend, gpu_plan.DEVICE)]


def test_all_well_is_0_and_every_target_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_card(monkeypatch)
    done = run(tmp_path, "--seed", "5")
    assert done.exit_code == 0, done.output
    found = summary(tmp_path)
    verdicts = {verdict["what"]: verdict for verdict in found["verdicts"]}
    assert all(verdict["passed"] for verdict in verdicts.values())
    assert verdicts["eprop_symmetric adjoint"]["target"] == "<= 3 ms"
    assert verdicts["bptt adjoint"]["target"] == "<= 5 ms"
    assert verdicts["torch bptt adjoint against its own loop"]["found"] == "50x"
    assert found["seed"] == 5
    assert "no card for jax" in found["reasons"]["jax"]
    loops = [call for call in cases(asked) if call["switches"]]
    assert {(call["one"].rule, call["one"].mode) for call in loops} == set(costly("torch"))
    assert all(call["switches"] == {"EPROP_BENCH_TORCH_TRITON": "0"} for call in loops)
    sizes = {(call["one"].batch, call["one"].problem.network.n_rec) for call in cases(asked)}
    assert {(128, 100), (4096, 100), (32, 1024)} <= sizes


def test_what_is_worth_most_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(call: dict[str, Any]) -> str:
        one = call["one"]
        if isinstance(one, conformance.ConformanceCheck):
            return f"compare {one.size}"
        if not isinstance(one, Case):
            return "published numbers"
        published = one.batch == 128 and one.problem.network.n_rec == 100
        if not published:
            return "batch" if one.problem.network.n_rec == 100 else "neurons"
        if one.memory:
            return "memory"
        if call["switches"]:
            return "own loop"
        return "step" if (one.rule, one.mode) in gpu_plan.COSTLY else "others"

    asked = fake_card(monkeypatch)
    run(tmp_path)
    order = ["compare published", "step", "own loop", "memory", "batch", "neurons"]
    order += ["compare odd", "compare wide", "compare widest", "published numbers", "others"]
    assert list(dict.fromkeys(map(kind, asked))) == order
    # nothing comes back to an earlier part, and the rules with a target lead theirs
    assert sorted(map(kind, asked), key=order.index) == list(map(kind, asked))
    steps = [call["one"] for call in asked if kind(call) == "step"]
    assert [(case.rule, case.mode) for case in steps[:4:2]] == list(judged.MOST_MS)
    # every backend, rule and mode, in both dtypes
    first = [call["one"] for call in asked if kind(call) == "compare published"]
    assert {(one.backend, one.rule, one.mode, one.dtype) for one in first} == {
        (backend, rule, mode, dtype)
        for backend in ("numba", "torch")
        for rule, mode in registry.rules_and_modes(backend, "cuda")
        for dtype in ("float64", "float32")
    }


def test_records_are_read_without_the_loops_from_a_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_card(monkeypatch)
    run(tmp_path)
    read = records.read(tmp_path)
    assert not read.unreadable
    assert len(read.measurements) == sum(not call["switches"] for call in cases(asked))
    assert set(read.measurements["engine"]) == {"fused"}
    assert set(read.measurements["device"]) == {"cuda"}
    assert read.samples["event_s"].notna().all()
    assert set(read.measurements["floor_by"]) == {"latency"}
    assert set(read.conformance["size"]) == set(conformance.SIZES)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) <= 7
    assert max(path.stat().st_size for path in files) < 2 * 2**20


@pytest.mark.parametrize(
    "changed", [{"step_s": 0.004}, {"loop_s": 0.01}, {"right": False}], ids=["slow", "little gained", "wrong"]
)
def test_a_missed_target_is_1(changed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch, **changed)
    assert run(tmp_path).exit_code == 1
    assert "FAIL" in (tmp_path / "gpu-check/summary.md").read_text()


def test_the_same_engine_twice_is_no_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch, measured=lambda case: outcome(0.001, engine="loop"))
    run(tmp_path)
    against = [v for v in summary(tmp_path)["verdicts"] if "its own loop" in v["what"]]
    assert against
    assert all(verdict["passed"] is None for verdict in against)


def test_time_that_ran_out_is_named_and_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch)
    clock = iter(range(0, 10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    done = run(tmp_path, "--minutes", "6")
    assert done.exit_code == 0, done.output
    found = summary(tmp_path)
    assert found["left_out"]
    assert found["left_out"][-1].startswith("other rules")
    assert f"no time left for {len(found['left_out'])}" in done.output
    assert not any(name.startswith("step: torch eprop_symmetric adjoint") for name in found["left_out"])
    assert "ms per step" in done.output  # the table so far


def test_what_fails_is_told_last_with_its_first_line_and_where_the_rest_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(case: Any) -> dict[str, Any]:
        if case.memory:
            return {"status": "failed", "reason": "Error: too much\nof it", "printed": "a trace\n" * 10**4}
        return outcome(0.001, engine="fused")

    fake_card(monkeypatch, measured=measured)
    done = run(tmp_path)
    assert done.exit_code == 1
    *_, case, reason, where = done.output.strip().splitlines()
    assert case.startswith("failed: memory: numba eprop_symmetric adjoint")
    assert case.endswith(f"and {len(costly('numba')) + len(costly('torch')) - 1} more")
    assert reason.strip() == "Error: too much"
    path = tmp_path / "gpu-check/errors.txt"
    assert where == f"full text of {len(costly('numba')) + len(costly('torch'))} failures: {path}"
    n_failures = len(costly("numba")) + len(costly("torch"))
    assert path.read_text().count("Error: too much\nof it\na trace\n") == n_failures
    told = done.output[done.output.rindex("\npart ") :].splitlines()
    assert [line.split()[-3:] for line in told if line.startswith("memory")] == [["0", "6", "0"]]
    assert "printed" not in next((tmp_path / "timings").glob("*.jsonl")).read_text()


def test_a_trial_that_is_none_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_card(monkeypatch)
    done = run(tmp_path, "--delay-ms", "1")
    assert done.exit_code == 2
    assert "recall_ms is 150" in done.output
    assert not asked
    assert not list(tmp_path.iterdir())


def test_interrupted_keeps_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(case: Any) -> dict[str, Any]:
        calls.append(case)
        if len(calls) == 3:
            # what the summary has while the third is at work: a kill would leave it so
            assert len(summary(tmp_path)["measured"]) == 2
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
        return outcome(0.001, engine=str(len(calls)))

    fake_card(monkeypatch, measured=interrupted)
    done = run(tmp_path)
    assert done.exit_code == 130
    assert len(summary(tmp_path)["measured"]) == len(records.read(tmp_path).measurements) == 2
    assert summary(tmp_path)["interrupted"] is True


def test_no_card_is_3_with_the_reason_of_each_backend(tmp_path: Path) -> None:
    if any(impl.unavailable(backend, "cuda") is None for backend in impl.BACKENDS):
        pytest.skip("there is a card here")
    done = run(tmp_path)
    assert done.exit_code == 3
    for backend in impl.BACKENDS:
        assert f"{backend}: {impl.unavailable(backend, 'cuda')}" in done.output
    assert not list(tmp_path.iterdir())


def test_a_process_out_of_time_is_failed_and_one_at_the_end_left_out(tmp_path: Path) -> None:
    item = gpu_plan.items(["numba"])[0]
    item = dataclasses.replace(item, case=dataclasses.replace(item.case, device="cpu"))
    files, failures = timings.PlanFiles(tmp_path), Failures(tmp_path / "errors.txt")
    ((_, record),) = timings.measure_plan([item], files, 0.2, lambda: 100.0, failures)
    assert record is not None
    assert (record["status"], record["reason"]) == ("failed", "took longer than 0.2 s")
    assert list(failures.found) == [item.name]
    assert list(timings.measure_plan([item], files, 100.0, process.Budget(0.2).left_s, failures)) == [
        (item, None)
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_conformance_finds_nothing_on_a_backend_that_is_right(dtype: str) -> None:
    case = conformance.ConformanceCheck("numba", "eprop_random", "online", dtype, "cpu", seed=11)
    found = conformance.compare(case)
    assert computes_as_numpy({"status": "ok", "dtype": dtype, **found})
    assert found["fired"] > 0


def test_conformance_finds_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random instead of symmetric feedback is told from rounding."""
    case = conformance.ConformanceCheck("numba", "eprop_symmetric", "adjoint", "float32", "cpu", seed=3)
    real = impl.learner

    def other(backend: str, rule: str, *args: Any, **options: Any) -> Any:
        return real(backend, "eprop_random" if backend == "numba" else rule, *args, **options)

    monkeypatch.setattr(impl, "learner", other)
    assert not computes_as_numpy({"status": "ok", "dtype": "float32", **conformance.compare(case)})


def test_nan_does_not_hold() -> None:
    record = {"status": "ok", "dtype": "float32", "spikes": 0, "loss": float("nan")}
    assert not computes_as_numpy({**record, "w_in": 0.0, "w_rec": 0.0, "w_out": 0.0})


@pytest.mark.parametrize("size", conformance.SIZES)
def test_networks_for_float32_keep_away_from_the_threshold(size: str) -> None:
    for seed in range(5 if size == "odd" else 2):
        drawn = conformance.draw(seed, "cross_entropy", "float32", size)
        assert conformance._margin(drawn) > conformance._MARGIN
        again = conformance.draw(seed, "cross_entropy", "float32", size)
        np.testing.assert_array_equal(drawn.batch.spikes, again.batch.spikes)


def test_a_card_is_given_the_rules_that_its_kernels_have() -> None:
    there = set(registry.rules_and_modes("numba", "cuda"))
    assert {("bptt", "adjoint"), ("eprop_random", "online")} <= there
    found = gpu_plan.items(["numba"])
    assert {(item.case.rule, item.case.mode) for item in found} == there
    steps = [item.case.rule for item in found if item.part == "step"]
    assert steps[:2] == ["eprop_symmetric", "bptt"]
    scaled = {(item.case.rule, item.case.mode) for item in found if item.part.startswith("scaling")}
    assert scaled == {("eprop_symmetric", "adjoint"), ("bptt", "adjoint")}


def test_the_published_size_is_that_of_the_task_and_wide_ones_do_not_fit_on_chip() -> None:
    drawn = conformance.draw(1, "cross_entropy", "float64", "published")
    assert drawn.network == impl.Network()
    assert drawn.objective == impl.Objective()
    assert drawn.batch.spikes.shape[1:] == (2250, 40)
    assert conformance.draw(1, "cross_entropy", "float32", "published").network == impl.Network()
    assert 128 < conformance.draw(1, "squared_error", "float64", "wide").network.n_rec <= 256
    assert conformance.draw(1, "squared_error", "float64", "widest").network.n_rec == 1024


def test_every_rule_and_mode_there_is_compared_in_both_dtypes() -> None:
    found = conformance.checks(["numba"], "cuda", 0, ("float64", "float32"))
    assert {(case.rule, case.mode) for case in found} == set(registry.rules_and_modes("numba", "cuda"))
    assert {case.dtype for case in found} == {"float64", "float32"}
    assert len({case.seed for case in found}) == len(found)


def test_a_ratio_needs_both() -> None:
    step, loop = (
        next(item for item in gpu_plan.items(["torch"]) if item.part == part)
        for part in (gpu_plan.STEP, gpu_plan.LOOP)
    )
    named = {name: step.case.record()[name] for name in ("backend", "rule", "mode", "batch", "n_rec")}
    ok: dict[str, Any] = {**named, **outcome(0.001, engine="fused")}
    failed = {**named, "status": "failed", "reason": "broken"}
    found = judged.Found(measured=[(step, ok), (loop, failed)])
    assert judged.table(found.measured)[0]["fallback_ms"] is None
    assert judged.exit_status(found) == 1  # failed is not left out


@pytest.mark.slow
def test_conformance_in_the_simulator(tmp_path: Path) -> None:
    """Through processes, records and reader's fields: numba's kernels on its simulator of a card."""
    code = """
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from benchmarks.judge.agreement import computes_as_numpy
from benchmarks.run import conformance
from benchmarks.store.append import RunFile
wanted = [conformance.ConformanceCheck("numba", "eprop_symmetric", "adjoint", "float64", "cuda", seed=7)]
file = RunFile(Path(sys.argv[1]) / "conformance")
found = list(conformance.compare_all(wanted, file, 100.0, lambda: 100.0))
assert all(map(computes_as_numpy, found)), found
"""
    environ = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = next((tmp_path / "conformance").glob("*.jsonl")).read_text().splitlines()
    record = json.loads(line)
    assert (record["device"], record["status"], record["spikes"]) == ("cuda", "ok", 0)
    assert record["fired"] > 0
