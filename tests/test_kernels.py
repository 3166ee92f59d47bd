"""The kernels for cards, compiled by the real packages for a card that is not there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.cli import kernels as cli
from benchmarks.define.kernels import PASSES, Wanted, wanted
from benchmarks.judge.kernels import Compiled, rows
from benchmarks.run import process
from benchmarks.run.kernels import assemble, compiled, jax, numba, torch
from implementations import registry

ROOT = Path(__file__).parents[1]
CASES = registry.rules_and_modes("numba", "cuda")
SHARED = {(9, 0): 227 * 1024, (8, 9): 99 * 1024}


def each(function: Any, items: Iterable[Any], switches: Any = None) -> list[dict[str, Any]]:
    items = list(items)
    outcomes = process.run_each(
        function, items, limit_s=600.0, left_s=lambda: float("inf"), switches=switches
    )
    for item, outcome in zip(items, found := list(outcomes), strict=True):
        assert outcome["status"] == "ok", (item, outcome)
    return found


def takes(outcomes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [kernel for outcome in outcomes for kernel in outcome["kernels"]]


def fits(kernels: list[dict[str, Any]], capability: tuple[int, int] = (9, 0)) -> None:
    for kernel in kernels:
        assert kernel["shared_bytes"] <= SHARED[capability], kernel
        assert kernel["registers"] * kernel["threads"] <= 65536, kernel
        # its weights are in registers, or it has no reason to be
        assert kernel["spilled_bytes"] == 0 or kernel["kernel"] != "through_time", kernel


def spills(kernels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [kernel for kernel in kernels if kernel["spilled_bytes"]]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_s_kernels_fit_a_card(dtype: str) -> None:
    learners = [one for one in wanted("torch") if one.dtype == dtype]
    outcomes = each(torch.compiled, learners)
    kernels = takes(outcomes)
    assert {kernel["kernel"] for kernel in kernels} == {
        *("prepare", "collect", "forward", "evaluate", "adjoint", "through_time", "step", "products", "carry")
    }
    fits(kernels)
    measured = [one.n_rec == 100 and dtype == "float32" for one in learners]
    assert not spills(takes(outcome for outcome, of in zip(outcomes, measured, strict=True) if of))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("card_packages")
def test_jax_s_programs_are_lowered_by_its_real_plugin_and_fit_a_card(dtype: str) -> None:
    learners = [one for one in wanted("jax", (100, 256)) if one.dtype == dtype]
    learners.append(Wanted("jax", "bptt", "adjoint", dtype, 100, n_batch=1, n_steps=1))
    kernels = takes(each(jax.compiled, learners))
    assert {kernel["kernel"] for kernel in kernels} >= {
        *("prepare", "collect", "forward", "evaluate", "adjoint", "through_time", "step", "products", "carry")
    }
    fits(kernels)


@pytest.mark.slow
@pytest.mark.usefixtures("card_packages")
def test_jax_s_kernels_fit_a_card_with_less_shared_memory() -> None:
    learners = [
        Wanted("jax", "bptt", "adjoint", "float32", 100, capability=(8, 9)),
        Wanted("jax", "bptt", "adjoint", "float32", 256, capability=(8, 9)),
        Wanted("jax", "bptt_detached", "adjoint", "float64", 256, capability=(8, 9)),
        Wanted("jax", "eprop_random", "online", "float64", 100, capability=(8, 9)),
    ]
    fits(takes(each(jax.compiled, learners)), (8, 9))


@pytest.mark.slow
@pytest.mark.parametrize("n_rec", [100, 1024])  # as many registers as there are, and 64 of each thread
@pytest.mark.usefixtures("card_packages")
def test_numba_s_kernels_are_compiled_by_numba_cuda_and_fit_a_card(n_rec: int) -> None:
    learners = [one for one in wanted("numba", (n_rec,)) if (one.rule, one.mode) in CASES[:3]]
    launches = [
        launch
        for outcome in each(numba.launched, learners, numba.SIMULATOR)
        for launch in outcome["launches"]
    ]
    kinds = {repr(launch): launch for launch in launches}.values()
    assert {"forward", "backward", "carry", "adam", "prepare"} <= {kind["kernel"] for kind in kinds}
    kernels = takes(each(numba.compiled, kinds))
    fits(kernels)
    assert n_rec > 100 or not spills([kernel for kernel in kernels if kernel["kernel"] != "carry"])


def test_an_assembler_that_refuses_says_why() -> None:
    assembler = assemble.newest()
    with pytest.raises(assemble.Refused, match="ptxas"):
        assemble.described("broken", 32, 0, ".version 8.0\n.target sm_90\nnonsense", assembler)


PTX = """
.version 8.0
.target sm_90
.address_size 64
.shared .align 4 .b8 buffer[512];
.visible .entry three(.param .u64 out)
{
  .reg .b32 %r<3>;
  .reg .b64 %a;
  ld.param.u64 %a, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, buffer;
  st.shared.u32 [%r2], %r1;
  bar.sync 0;
  ld.shared.u32 %r2, [%r2];
  st.global.u32 [%a], %r2;
  ret;
}
"""


def test_what_a_kernel_takes_is_what_the_assembler_says() -> None:
    found = assemble.described("three", 64, 1024, PTX, assemble.newest())
    assert (found["kernel"], found["threads"], found["shared_bytes"]) == ("three", 64, 512 + 1024)
    assert 0 < found["registers"] <= 16
    assert found["spilled_bytes"] == found["stack_bytes"] == 0


def kernel(**changes: Any) -> Compiled:
    ordinary: dict[str, Any] = {
        **{"backend": "torch", "dtype": "float32", "n_rec": 100, "kernel": "forward", "threads": 128},
        **{"registers": 64, "stack_bytes": 0, "spilled_bytes": 0, "shared_bytes": 0},
        "floors_ms": {"H200": 0.2},
    }
    return Compiled(**{**ordinary, **changes})


@pytest.mark.parametrize(
    ("changes", "programs"),
    [
        ({}, 8),  # 65536 registers
        ({"registers": 16}, 16),  # 2048 threads
        ({"registers": 16, "threads": 32}, 32),
        ({"registers": 254}, 2),
        ({"shared_bytes": 100 * 1024}, 2),
        ({"shared_bytes": 228 * 1024}, 0),
        ({"registers": 255, "threads": 1024}, 0),
    ],
)
def test_how_many_programs_a_processor_has_room_for(changes: dict[str, Any], programs: int) -> None:
    assert kernel(**changes).programs == programs


def test_editions_of_a_kernel_are_one_row_with_the_most_of_each() -> None:
    editions = [
        kernel(registers=70, shared_bytes=10),
        kernel(registers=60, shared_bytes=30, floors_ms={"H200": 0.1}),
        kernel(dtype="float64", registers=90),
        kernel(n_rec=256),
    ]
    first, second = rows(editions)
    assert (first.of["float32"].registers, first.of["float32"].shared_bytes) == (70, 30)
    assert first.of["float64"].registers == 90
    assert first.floors_ms == {"H200": 0.1}
    assert second.n_rec == 256


def test_the_page_has_what_is_compiled_and_why_the_rest_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learner = Wanted("torch", "eprop_symmetric", "adjoint", "float32", 100)
    described = {"kernel": "adjoint", "threads": 32, "registers": 40, "stack_bytes": 0}
    described |= {"spilled_bytes": 8, "shared_bytes": 1024}

    def compile_all(backend: str, _neurons: Any) -> Any:
        yield "one", [learner], {"status": "ok", "reason": None, "kernels": [described]}
        if backend == "jax":
            yield "other", [learner], {"status": "failed", "reason": "Refused: too much\nof it"}

    monkeypatch.setattr(compiled, "compile_all", compile_all)
    monkeypatch.setattr(
        compiled, "unavailable", lambda backend: "no such thing" if backend == "numba" else None
    )
    done = CliRunner().invoke(cli.command, ["--out", str(tmp_path / "page.md")])
    assert done.exit_code == 1, done.output
    text = (tmp_path / "page.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| torch")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:8] == ["torch", "adjoint", "100", "32", "40", "8", "1", "32"]
    # at least its 2250 steps of 4 operations, each 4 cycles
    assert all(2250 * 16 / 1.98e9 * 1e3 <= float(cell) < 1.0 for cell in cells[8:])
    assert "- jax other: Refused: too much\n" in text
    assert "- numba: no such thing\n" in text


def test_the_committed_page_has_every_kernel_and_size() -> None:
    lines = (ROOT / "docs/kernels.md").read_text().splitlines()
    found = {tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines if line.startswith("| ")}
    kernels = {"torch": set(PASSES) - {"backward", "resume"}, "jax": set(PASSES) - {"backward"}}
    for backend, names in {**kernels, "numba": {"forward", "backward", "carry"}}.items():
        for name in names:
            sizes = {"through_time": {"100"}, "step": {"256", "1024"}}.get(name, {"100", "256", "1024"})
            assert {n_rec for b, k, n_rec in found if (b, k) == (backend, name)} == sizes, (backend, name)
    assert not any(line.startswith("## Not compiled") for line in lines)
