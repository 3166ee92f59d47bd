"""Choices about the kernels, timed one at a time beside their defaults; the card is a fake, or this CPU."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import implementations as impl
from benchmarks.cli import gpu_check
from benchmarks.define.cases import Case, delayed
from benchmarks.define.kernel_choices import NUMBA, TRITON, Variant, variants
from benchmarks.judge.kernel_choices import choices
from benchmarks.run import kernel_choices, process
from implementations.numba.card.choices import Choices as NumbaChoices
from implementations.triton.choices import Choices as TritonChoices

Timed = Callable[[Variant], dict[str, Any]]


def outcome(step_s: float, **fields: Any) -> dict[str, Any]:
    figures = {"step_s": [2.0 * step_s] * 3, "event_s": [step_s] * 3, "spikes": 0, "loss": 0.0}
    return {
        "status": "ok",
        "reason": None,
        **figures,
        **dict.fromkeys(("w_in", "w_rec", "w_out"), 1e-7),
        **fields,
    }


def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timed: Timed, left: float = 1e9) -> Any:
    """`gpu-check --tune` where torch, JAX and numba can use a card, and a variant takes what `timed` says."""
    able = ("torch", "jax", "numba")

    def run_each(function: Any, group: Sequence[Variant], *, limit_s: float, left_s: Any) -> Any:
        assert function is kernel_choices.measure
        assert len({(variant.case, variant.kernels) for variant in group}) == 1
        for variant in group:
            nonlocal left
            left -= 1.0
            if left < 0.0:
                return
            yield timed(variant)

    monkeypatch.setattr(impl, "unavailable", lambda backend, *_: None if backend in able else "no card")
    monkeypatch.setattr(process, "run_each", run_each)
    return CliRunner().invoke(gpu_check.command, ["--tune", "--results", str(tmp_path)])


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    (file,) = (tmp_path / "choices").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_choice_is_beside_its_defaults_and_those_that_gain_are_told_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"bptt_warps": 0.8, "carry_steps": 0.9, "chunk": 0.99}

    def timed(variant: Variant) -> dict[str, Any]:
        return outcome(
            1e-3
            * next((gains[name] for name in variant.change if name in gains), 1.1 if variant.change else 1.0)
        )

    done = tune(tmp_path, monkeypatch, timed)
    assert done.exit_code == 0, done.output
    found = lines(tmp_path)
    changed = [(line["kernels"], dict(line["change"])) for line in found if line["change"]]
    of_each = {"triton": TRITON, "numba": NUMBA}
    assert sorted(map(repr, changed)) == sorted(
        repr((kernels, dict(change)))
        for kernels, sizes in of_each.items()
        for changes in sizes.values()
        for change in changes
    )
    assert {line["backend"] for line in found} == {"torch", "numba"}  # JAX launches torch's
    assert {line["device"] for line in found} == {"cuda"}
    told = [line for line in done.output.splitlines() if line.startswith("faster: ")]
    assert told[0].startswith("faster: torch bptt adjoint, batch 128, 100 neurons: bptt_warps=2: 0.800 of")
    assert sum("carry_steps" in line for line in told) == 3
    assert not any("chunk" in line for line in told)  # a hundredth is noise
    assert [path.name for path in tmp_path.iterdir()] == ["choices"]


def test_a_gain_within_the_drift_of_the_defaults_is_none() -> None:
    case = Case("torch", "bptt", "adjoint", device="cuda")
    variant = Variant(case, "triton", {})
    changed = dataclasses.replace(variant, change={"chunk": 2})
    (first, one, last) = choices(
        [(variant, outcome(1.1e-3)), (changed, outcome(0.92e-3)), (variant, outcome(0.9e-3))]
    )
    assert one.share == pytest.approx(0.92)
    assert one.drift == pytest.approx(0.2)
    assert not one.faster
    assert dataclasses.replace(one, drift=0.0).faster
    assert (first.step_ms, last.step_ms) == (pytest.approx(1.1), pytest.approx(0.9))  # of the card's events


def test_a_choice_that_fails_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(variant: Variant) -> dict[str, Any]:
        if "product_stages" in variant.change:
            return {"status": "failed", "reason": "OutOfResources: shared\nmemory", "printed": "a trace"}
        return outcome(1e-3)

    done = tune(tmp_path, monkeypatch, timed)
    assert done.exit_code == 0, done.output
    *_, first, none, where = done.output.strip().splitlines()
    assert first.endswith("product_stages=2: OutOfResources: shared")
    assert none == "no choice is faster than the defaults by more than noise"
    path = tmp_path / "gpu-check/errors.txt"
    assert where == f"full text of 1 failures: {path}"
    assert "OutOfResources: shared\nmemory\na trace\n" in path.read_text()

    done = tune(
        tmp_path / "defaults",
        monkeypatch,
        lambda variant: timed(variant) if variant.change else {"status": "failed", "reason": "no"},
    )
    assert done.exit_code == 1


def test_time_that_runs_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = tune(tmp_path, monkeypatch, lambda _: outcome(1e-3), left=7.0)
    assert done.exit_code == 0
    count = sum(map(len, variants(("torch", "numba")))) - len(lines(tmp_path))
    assert f"no time left for {count}, the first of them " in done.output


def test_all_choices_are_some() -> None:
    for kind, sizes in ((TritonChoices, TRITON), (NumbaChoices, NUMBA)):
        for changes in sizes.values():
            for change in changes:
                assert kind(**change) != kind(), change
    # one visit has time for them, at a few seconds each
    assert sum(map(len, variants(impl.BACKENDS))) <= 60
    for group in variants(("jax", "numba")):
        assert not group[0].change
        assert not group[-1].change
        assert {variant.case.backend for variant in group} < {"jax", "numba"}


@pytest.mark.parametrize("change", [{}, {"carry_steps": 8}])
def test_a_variant_is_timed_and_held_against_the_defaults(change: dict[str, int]) -> None:
    """On this CPU, whose kernels have no such choices."""
    case = Case("numba", "eprop_symmetric", "adjoint", delayed(150), batch=2, min_samples=3, seconds=0.0)
    found = kernel_choices.measure(Variant(case, "numba", change))
    assert len(found["step_s"]) == 3
    assert found["event_s"] == []
    assert found["first_step_s"] > 0.0
    assert (found["spikes"], found["w_in"]) == (0, 0.0)


def test_a_choice_that_is_none_is_refused() -> None:
    case = Case("numba", "bptt", "adjoint", batch=2)
    with (
        pytest.raises(impl.InvalidArgument, match="blocks"),
        kernel_choices.in_force(Variant(case, "numba", {"blocks": 0})),
    ):
        pass
