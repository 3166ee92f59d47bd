"""`gpu-check` without a card: fakes for it, and numba's simulator from end to end."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import implementations as impl
from benchmarks.cli import gpu_check
from benchmarks.define import gpu_plan
from benchmarks.define.gpu_plan import Item
from benchmarks.judge import gpu_check as judged
from benchmarks.judge.agreement import computes_as_numpy
from benchmarks.run import conformance, process, timings
from benchmarks.store import records
from implementations import registry, rules

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
    monkeypatch: pytest.MonkeyPatch, *, step_s: float = 0.001, loop_s: float = 0.05, right: bool = True
) -> list[dict[str, Any]]:
    """Torch and numba can use a card; every step takes `step_s`, of a fallback `loop_s`."""
    asked: list[dict[str, Any]] = []
    real = impl.unavailable

    def unavailable(backend: str, device: str = "cpu", *rest: Any) -> str | None:
        if device == "cpu":
            return real(backend, device, *rest)
        return None if backend in ("torch", "numba") else f"no card for {backend}"

    def in_fresh_process(case: Any, *, timeout_s: float, switches: Any) -> dict[str, Any]:
        asked.append({"case": case, "switches": dict(switches), "timeout_s": timeout_s})
        if switches:
            return outcome(loop_s, engine="loop")
        return outcome(step_s, engine="fused")

    def run(_function: Any, wanted: list[conformance.ConformanceCheck], **_: Any) -> Iterator[dict[str, Any]]:
        value = 1e-15 if right else 1e-3
        names = ("loss", "w_in", "w_rec", "w_out")
        yield from [{"status": "ok", "spikes": 0, **dict.fromkeys(names, value)} for _ in wanted]

    monkeypatch.setattr(impl, "unavailable", unavailable)
    monkeypatch.setattr(timings, "in_fresh_process", in_fresh_process)
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(gpu_check, "_published", lambda *_: "all cases agree")
    return asked


def run(tmp_path: Path, *options: str) -> Any:
    return CliRunner().invoke(gpu_check.command, ["--results", str(tmp_path), *options])


def summary(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "gpu-check/summary.json").read_text())


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
    # the loop right after what it is compared with, and told to be one
    loops = [number for number, call in enumerate(asked) if call["switches"]]
    assert loops
    for number in loops:
        assert asked[number]["switches"] == {"EPROP_BENCH_TORCH_TRITON": "0"}
        assert asked[number - 1]["case"].rule == asked[number]["case"].rule
    sizes = {(call["case"].batch, call["case"].problem.network.n_rec) for call in asked}
    assert {(128, 100), (4096, 100), (32, 1024)} <= sizes


def test_records_are_read_without_the_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_card(monkeypatch)
    run(tmp_path)
    read = records.read(tmp_path)
    assert not read.unreadable
    assert len(read.measurements) == sum(not call["switches"] for call in asked)
    assert set(read.measurements["engine"]) == {"fused"}
    assert set(read.measurements["device"]) == {"cuda"}
    assert read.samples["event_s"].notna().all()
    assert set(read.measurements["floor_by"]) == {"latency"}


@pytest.mark.parametrize(
    "changed", [{"step_s": 0.004}, {"loop_s": 0.01}, {"right": False}], ids=["slow", "little gained", "wrong"]
)
def test_a_missed_target_is_1(changed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch, **changed)
    assert run(tmp_path).exit_code == 1
    assert "FAIL" in (tmp_path / "gpu-check/summary.md").read_text()


def test_the_same_engine_twice_is_no_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch)
    monkeypatch.setattr(timings, "in_fresh_process", lambda case, **_: outcome(0.001, engine="loop"))
    run(tmp_path)
    against = [v for v in summary(tmp_path)["verdicts"] if "its own loop" in v["what"]]
    assert against
    assert all(verdict["passed"] is None for verdict in against)


def test_time_that_ran_out_is_named_and_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch)
    clock = iter(range(0, 10**6, 20))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    done = run(tmp_path, "--minutes", "5")
    assert done.exit_code == 0, done.output
    left_out = summary(tmp_path)["left_out"]
    assert left_out
    assert left_out[-1].startswith("other rules")
    assert "no time left" in done.output
    assert not any(name.startswith("step: torch eprop_symmetric adjoint") for name in left_out)


def test_interrupted_keeps_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_card(monkeypatch)
    calls = []

    def interrupted(case: Any, **_: Any) -> dict[str, Any]:
        calls.append(case)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return outcome(0.001, engine=str(len(calls)))

    monkeypatch.setattr(timings, "in_fresh_process", interrupted)
    done = run(tmp_path)
    assert done.exit_code == 130
    assert len(summary(tmp_path)["measured"]) == len(records.read(tmp_path).measurements) > 0
    assert summary(tmp_path)["interrupted"] is True


def test_no_card_is_3_with_the_reason_of_each_backend(tmp_path: Path) -> None:
    if any(impl.unavailable(backend, "cuda") is None for backend in impl.BACKENDS):
        pytest.skip("there is a card here")
    done = run(tmp_path)
    assert done.exit_code == 3
    for backend in impl.BACKENDS:
        assert f"{backend}: {impl.unavailable(backend, 'cuda')}" in done.output
    assert not list(tmp_path.iterdir())


def test_a_process_out_of_time_is_failed() -> None:
    item = gpu_plan.items(["numba"])[0]
    found = timings.in_fresh_process(dataclasses.replace(item.case, device="cpu"), timeout_s=0.2)
    assert found["status"] == "failed"
    assert "0.2 s" in found["reason"]


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


def test_networks_for_float32_keep_away_from_the_threshold() -> None:
    for seed in range(5):
        drawn = conformance.draw(seed, "cross_entropy", "float32")
        assert conformance._margin(drawn) > conformance._MARGIN
        again = conformance.draw(seed, "cross_entropy", "float32")
        np.testing.assert_array_equal(drawn.batch.spikes, again.batch.spikes)


def on_cards(backend: str) -> set[tuple[str, str]]:
    """Rules and modes that the backend has there."""
    has = registry.parts(backend, "cuda")
    pairs = {(rule, mode) for rule in impl.RULES for mode in rules.get(rule).modes}
    return {(rule, mode) for rule, mode in pairs if has.missing(rules.get(rule), mode) is None}


def test_a_card_is_given_the_rules_that_its_kernels_have() -> None:
    there = on_cards("numba")
    assert {("bptt", "adjoint"), ("eprop_random", "online")} <= there
    found = gpu_plan.items(["numba"])
    assert {(item.case.rule, item.case.mode) for item in found} == there
    steps = [item.case.rule for item in found if item.part == "step"]
    assert steps[:2] == ["eprop_symmetric", "bptt"]
    scaled = {(item.case.rule, item.case.mode) for item in found if item.part.startswith("scaling")}
    assert scaled == {("eprop_symmetric", "adjoint"), ("bptt", "adjoint")}


def test_every_rule_and_mode_there_is_compared_in_both_dtypes() -> None:
    found = conformance.checks(["numba"], "cuda", 0, ("float64", "float32"))
    assert {(case.rule, case.mode) for case in found} == on_cards("numba")
    assert {case.dtype for case in found} == {"float64", "float32"}
    assert len({case.seed for case in found}) == len(found)


def test_a_ratio_needs_both(tmp_path: Path) -> None:
    step, loop = gpu_plan.items(["torch"])[:2]
    assert loop.fallback
    named = {name: step.case.record()[name] for name in ("backend", "rule", "mode", "batch", "n_rec")}
    ok: dict[str, Any] = {**named, **outcome(0.001, engine="fused")}
    failed = {**named, "status": "failed", "reason": "broken"}
    measured: list[tuple[Item, Any]] = [(step, ok), (loop, failed)]
    assert judged.table(measured)[0]["fallback_ms"] is None
    assert judged.exit_status(judged.verdicts([], measured), measured) == 1  # failed is not left out


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
wanted = [conformance.ConformanceCheck("numba", "eprop_symmetric", "adjoint", "float64", "cuda", seed=7)]
found = list(conformance.compare_all(wanted, Path(sys.argv[1]), lambda: 100.0))
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
