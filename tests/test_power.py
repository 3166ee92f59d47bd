"""How good the gates are: comparisons drawn from pairs whose truth is known, records and the figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.cli import gate_power
from benchmarks.define import power
from benchmarks.define.pairing import ARMS, Precision
from benchmarks.judge import power as judge
from benchmarks.run import callgrind
from benchmarks.run import power as run
from benchmarks.show.sections import compose, gates
from benchmarks.store import records

SELECTOR = "step_time.StepTime.time_step('numba', 'eprop_symmetric', 'adjoint', 'cpu', 2250, 100, 128)"


def pairs(
    rng: np.random.Generator, number: int, busy: int = 0, between: float = 0.01
) -> list[dict[str, Any]]:
    """A pair of each slowdown, as slow as it should be but for the luck of its processes."""
    return [pair(rng, number, share, busy, between) for share in power.SLOWDOWNS]


def pair(rng: np.random.Generator, number: int, share: float, busy: int, between: float) -> dict[str, Any]:
    scale = {"base": 1.0, "head": 1.0 + share, "copy": 1.0}
    luck = {arm: np.exp(between * rng.standard_normal()) for arm in ARMS}
    order = [*ARMS, *reversed(ARMS)] * 3
    wall_s = [0.05 * scale[arm] * luck[arm] * (1.0 + 0.01 * rng.random()) for arm in order]
    states = {arm: {"status": "ok", "reason": None} for arm in ARMS}
    named = {"benchmark": "step", "case": "numba", "selector": SELECTOR, "unit": "seconds", "pair": number}
    samples = {"order": order, "wall_s": wall_s, "own_s": wall_s, "taken": [0] * len(order)}
    return {"kind": "pair", **named, "states": states, **samples, "busy": busy, "planted": share}


def measured(between: float = 0.01, count: int = 12) -> dict[float, judge.Measured]:
    rng = np.random.default_rng(1)
    of = [record for number in range(count) for record in pairs(rng, number, between=between)]
    return {one.planted: one for one in judge.measured(of, {SELECTOR: "numba"})}


def test_each_slowdown_is_measured_beside_the_code_as_it_is():
    found = measured()
    assert set(found) == set(power.SLOWDOWNS)
    for share, one in found.items():
        assert one.slowdown == pytest.approx(share, abs=0.02)
        assert (one.backend, one.busy, len(one.levels), len(one.base), len(one.head)) == (
            "numba",
            0,
            12,
            12,
            12,
        )
        assert len(one.base[0]) == 6


def test_pairs_find_what_is_there_and_nothing_else():
    found = {share: judge.by_pairs(one, Precision(), 25, 60) for share, one in measured().items()}
    assert found[0.0]["found"] == 0.0
    assert found[0.0]["unknown"] < 0.2
    assert found[0.3]["found"] == found[0.2]["found"] == 1.0
    four = {share: judge.by_pairs(one, Precision(looks=(4,)), 25, 60) for share, one in measured().items()}
    assert four[0.2]["found"] >= 0.95
    assert four[0.0]["found"] == 0.0
    assert found[0.02]["found"] < 0.05
    assert all(row["found"] + row["unknown"] + row["reversed"] <= 1.0 for row in found.values())
    assert all(4.0 <= row["pairs"] <= 9.0 for row in found.values())
    # of many pairs, as the mean of twelve is itself 8 % off, and comparisons are drawn around that
    many = measured(0.15, 96)
    assert abs(many[0.0].slowdown) < 0.05
    noisy = {share: judge.by_pairs(one, Precision(), 25, 60) for share, one in many.items()}
    assert noisy[0.0]["found"] == 0.0
    assert noisy[0.1]["unknown"] > 0.5  # and no verdict rather than a wrong one


@pytest.mark.slow
def test_the_gate_before_is_drawn_from_the_same_processes():
    found = {share: judge.by_ranks(one, 100) for share, one in measured().items()}
    assert found[0.0]["found"] == 0.0
    assert found[0.1]["found"] == 0.0  # below its factor
    assert found[0.3]["found"] > 0.95


@pytest.mark.parametrize(
    ("count", "found", "reverse"), [(1.03, 1.0, 0.0), (1.005, 0.0, 0.0), (0.9, 0.0, 1.0)]
)
def test_counts_find_what_is_beyond_their_margin(count: float, found: float, reverse: float):
    row = judge.by_counts("numba", 0.02, 1e6, 1e6 * count, 0.01, 0.03)
    assert (row["found"], row["reversed"], row["slowdown"]) == (found, reverse, 0.03)
    assert set(row) == set(judge.COLUMNS)


def test_the_case_is_the_one_that_is_planted_in():
    for backend in power.BACKENDS:
        case = run.case(backend)
        assert case.selector.startswith(
            f"step_time.StepTime.time_step('{backend}', 'eprop_symmetric', 'adjoint', 'cpu'"
        )


def test_planted_sides_are_copies_with_more_work():
    with run.planted("numba") as sides:
        assert tuple(sides) == power.SLOWDOWNS
        texts = [
            (side.folder / "implementations/numba/cpu/per_neuron.py").read_text() for side in sides.values()
        ]
        assert texts[0] == (run.ROOT / "implementations/numba/cpu/per_neuron.py").read_text()
        assert len(set(texts)) == len(power.SLOWDOWNS)
        folder = sides[0.0].folder
    assert not folder.exists()


def test_each_slowdown_is_head_in_pairs_as_a_comparison_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def measure(cases: Any, arms: Any, numbers: range, *_: Any):
        seen.append((list(arms), arms["base"], arms["head"], arms["copy"], len(numbers)))
        yield {"pair": 0}

    monkeypatch.setattr(run.pairs, "measure", measure)
    with run.planted("numba") as sides:
        records = list(run.measure("numba", sides, 5, tmp_path / "printed.log"))
        base = sides[0.0]
        assert seen == [(list(ARMS), base, side, base, 5) for side in sides.values()]
    assert [record["planted"] for record in records] == list(power.SLOWDOWNS)


def test_what_computes_beside_it_ends_with_it():
    with run.busy(2):
        pass
    with pytest.raises(ZeroDivisionError), run.busy(1):
        raise ZeroDivisionError


def test_the_command_measures_judges_and_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(2)

    def measure(backend: str, sides: Any, count: int, *_: Any):
        for number in range(count):
            yield from pairs(rng, number)

    def count(backend: str, sides: Any):
        for share in power.SLOWDOWNS:
            yield {"planted": share, "status": "ok", "instructions": 1e6 * (1.0 + share)}

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(run, "count", count)
    monkeypatch.setattr(callgrind, "missing", lambda: None)
    arguments = ["gate-power", "--backend", "numba", "--busy", "0", "--pairs", "5", "--draws", "20"]
    result = CliRunner().invoke(main, [*arguments, "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "pairs   numba" in result.output
    found = records.read(tmp_path)
    assert not found.unreadable
    assert len(found.power) == 3 * len(power.SLOWDOWNS)
    assert set(found.power["gate"]) == set(power.GATES)
    report = compose(found, tmp_path / "report")
    (section,) = [one for one in report.sections if one.ident == gates.gates.ident]
    assert len(section.pictures) == 1
    assert any("False alarms of pairs of processes: 0 of 20" in text for text in section.findings)
    assert len(section.tables[0].rows) == len(found.power)


def test_what_is_asked_for_is_checked(tmp_path: Path):
    for arguments, text in ((("--pairs", "3"), "pairs is 3"), (("--draws", "0"), "draws is 0")):
        result = CliRunner().invoke(main, ["gate-power", *arguments, "--results", str(tmp_path)])
        assert result.exit_code == 2
        assert text in result.stderr
    assert gate_power.command.name == "gate-power"
