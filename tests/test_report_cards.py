"""The report's parts on cards, from records with chosen numbers."""

from pathlib import Path
from typing import Any

import pytest
from record_files import environment, measurement, memory, write

from benchmarks.define import gpu_plan
from benchmarks.show.material import Material
from benchmarks.show.section import Composed
from benchmarks.show.sections import agreement, cards, composed, costs
from benchmarks.show.tables import Table
from benchmarks.store import records

CARD = {**environment("gpu00001"), "cards": [{"name": "NVIDIA H100 PCIe", "driver": "550", "mig": None}]}
FLOORS = {"memory": 1e-4, "arithmetic": 2e-4, "latency": 5e-4}
ROOFLINE = {
    **{"input_spikes": 10, "spikes": 20, "operations": 4e9, "bytes": 2e8, "chain_cycles": 9.0},
    **{"card": "H100 PCIe", "floors_s": FLOORS, "floor_s": 5e-4, "bound": "latency"},
}
CLOCKS = {
    "before": {"sm_mhz": 345.0, "throttle": "0x0000000000000001"},
    "after": {
        **{"sm_mhz": 1755.0, "memory_mhz": 1593.0, "temperature_c": 41.0, "power_w": 180.5},
        "throttle": "0x0000000000000005",
    },
}


def step(backend: str = "torch", rule: str = "bptt", ms: float = 3.0, **fields: Any) -> dict[str, Any]:
    figures = {"event_s": [0.0009 * ms, 0.001 * ms, 0.0011 * ms], "unload_s": 0.005, "roofline": ROOFLINE}
    on_card = {
        "device": "cuda",
        "environment": CARD,
        "machine": "gpu00001",
        "engine": "fused",
        "clocks": CLOCKS,
    }
    samples = (0.001 * ms, 0.001 * ms, 0.002 * ms)
    return measurement(backend, rule, samples, **{**on_card, **figures, **fields})


def compared(backend: str = "torch", dtype: str = "float64", **fields: Any) -> dict[str, Any]:
    return {
        **{"kind": "conformance", "schema": 1, "run": "c-1", "started": "2026-01-01T00:00:00Z"},
        **{"backend": backend, "rule": "bptt", "mode": "adjoint", "dtype": dtype, "device": "cuda"},
        **{"seed": 7, "against": "numpy float64", "status": "ok", "reason": None, "spikes": 0},
        **{"loss": 1e-16, "w_in": 2e-15, "w_rec": 3e-15, "w_out": 4e-16, "engine": "fused", "fired": 90},
        **{"environment": CARD, **fields},
    }


def sections(folder: Path) -> dict[str, Composed]:
    found = records.read(folder)
    assert not found.unreadable
    material = Material(found, folder)
    kinds = (cards.cards, cards.roofline, agreement.conformance)
    return {part.ident: part for kind in kinds for part in composed(kind, material)}


def rows(table: Table) -> list[dict[str, str]]:
    names = [column.heading for column in table.columns]
    return [dict(zip(names, (cell.text for cell in row), strict=True)) for row in table.rows]


def test_a_newer_run_on_a_card_stands_beside_the_costs_of_the_cpu(tmp_path: Path) -> None:
    write(tmp_path / "timings/a.jsonl", [measurement("numba"), measurement("torch")])
    later = {"run": "z-1", "started": "2027-01-01T00:00:00Z"}
    write(tmp_path / "timings/b.jsonl", [step(**later), step("jax", **later), step("numba", **later)])
    material = Material(records.read(tmp_path), tmp_path)
    assert set(material.costs["device"]) == {"cpu"}
    (speed,) = composed(costs.speed, material)
    assert {row["backend"] for row in rows(speed.tables[0])} == {"numba", "torch"}
    assert {row["backend"] for row in rows(sections(tmp_path)["cards"].tables[0])} == {
        "jax",
        "numba",
        "torch",
    }
    write(tmp_path / "timings/a.jsonl", [])  # of a card alone, the same sections are of it
    assert set(Material(records.read(tmp_path), tmp_path).costs["device"]) == {"cuda"}


def test_figures_of_a_card(tmp_path: Path) -> None:
    peak = memory("torch", "adjoint", 2250, 4.0, device="cuda", environment=CARD, engine="fused", rule="bptt")
    peak |= {"device_peak_bytes": 3 * 2**20, "batch": 128}
    write(tmp_path / "timings/a.jsonl", [measurement("numba"), step(), peak])
    found = sections(tmp_path)
    assert "NVIDIA H100 PCIe" in found["cards"].lead
    (cells,) = rows(found["cards"].tables[0])  # no CPU; time and memory of one case in one row
    assert cells["wall clock (ms)"] == "3.00"
    assert cells["events (ms)"] == "3.00"
    assert cells["to the card (ms)"] == "200"
    assert cells["back (ms)"] == "5.00"
    assert cells["peak on the card (MiB)"] == "3.00"
    assert cells["engine"] == "fused"
    (clocks,) = [note for note in found["cards"].notes if note.startswith("Clocks")]
    assert "before the samples 345\u00a0MHz, and after them 1\u202f755\u00a0MHz" in clocks
    assert "temperature 41.0\u00a0°C, power 180\u00a0W" in clocks
    assert clocks.endswith("Held back by: power limit.")


def test_the_floor_of_a_step_and_what_is_counted(tmp_path: Path) -> None:
    small = {**ROOFLINE, "floors_s": {**FLOORS, "latency": 1e-5}, "floor_s": 2e-4, "bound": "arithmetic"}
    write(tmp_path / "timings/a.jsonl", [step(), step(ms=0.6, batch=512, roofline=small)])
    section = sections(tmp_path)["roofline"]
    first, second = rows(section.tables[0])
    assert (first["operations (MFLOP)"], first["memory moved (MiB)"]) == ("4\u202f000", "191")
    assert (first["memory (ms)"], first["arithmetic (ms)"], first["latency (ms)"]) == (
        "0.100",
        "0.200",
        "0.500",
    )
    assert (first["floor (ms)"], first["set by"], first["measured over floor"]) == (
        "0.500",
        "latency",
        "×6.0",
    )
    assert (second["set by"], second["measured over floor"]) == ("arithmetic", "×3.0")
    assert [picture.stem for picture in section.pictures] == ["floors", "roofline"]
    # 2 TB/s and 20 TFLOP/s follow from the records; both marks tell how far they are from their floor.
    assert "20 TFLOP/s, 2.0 TB/s" in section.pictures[1].inline
    assert "batch 128, 100 neurons: 3.00\u00a0ms, ×6.0 the floor" in section.pictures[1].tips
    assert "batch 512, 100 neurons: 0.600\u00a0ms, ×3.0 the floor" in section.pictures[1].tips


def test_an_unknown_card_has_times_and_says_why_there_is_no_floor(tmp_path: Path) -> None:
    none = {"operations": 4e9, "bytes": 2e8, "no_floor": "no data sheet of 'Q1' in roofline.py"}
    write(tmp_path / "timings/a.jsonl", [step(roofline=none, clocks={"before": None, "after": None})])
    found = sections(tmp_path)
    assert "no data sheet of 'Q1'" in found["roofline"].missing
    assert "Clocks of the card were not recorded." in found["cards"].notes
    assert rows(found["cards"].tables[0])[0]["wall clock (ms)"] == "3.00"


def test_its_own_loop_is_beside_a_step_with_its_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_plan, "FALLBACKS", {"torch": {"SWITCH": "0"}})
    write(tmp_path / "timings/a.jsonl", [step(), step(rule="eprop_symmetric"), step("jax", ms=6.0)])
    loops = [step(ms=90.0, engine="graph"), step(rule="eprop_symmetric", ms=3.0, engine="fused")]
    older = [step(ms=1.0, engine="old", run="run-0", started="2025-01-01T00:00:00Z")]
    elsewhere = step(ms=1.0, environment=environment("other001"), started="2027-01-01T00:00:00Z", run="run-9")
    write(tmp_path / "fallback/a.jsonl", [*older, *loops, elsewhere])
    section = sections(tmp_path)["cards"]
    found = {(row["backend"], row["rule"]): row for row in rows(section.tables[0])}
    bptt = found["torch", "BPTT"]
    assert (bptt["own loop (ms)"], bptt["its engine"], bptt["as fast as its own loop"]) == (
        "90.0",
        "graph",
        "×30",
    )
    same = found["torch", "symmetric e-prop"]
    assert (same["its engine"], same["as fast as its own loop"]) == ("fused", "–")
    assert found["jax", "BPTT"]["own loop (ms)"] == "–"
    assert not section.missing
    # and no table of the CPU's or another part has them
    assert len(records.read(tmp_path).measurements) == 3


def test_what_was_not_measured_is_said_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_plan, "FALLBACKS", {"torch": {"SWITCH": "0"}})
    write(tmp_path / "timings/a.jsonl", [step()])
    found = sections(tmp_path)
    assert found["cards"].missing == "The own loop of torch was not timed on this machine. This does it:"
    assert "not held against NumPy" in found["card-conformance"].missing
    assert found["cards"].commands == found["card-conformance"].commands == ["make gpu-check"]


def test_conformance_is_judged_by_the_newest_comparison(tmp_path: Path) -> None:
    wrong = {"w_rec": 3e-3, "started": "2025-01-01T00:00:00Z"}
    lines = [
        *(compared(**wrong), compared()),
        *(compared("jax", "float32", w_in=5e-5), compared("jax", w_in=5e-5), compared("numba", spikes=1)),
        compared("numba", "float32", status="failed", reason="broken", spikes=None, loss="cross_entropy"),
        compared("brainpy", status="unavailable", reason="no card for it", loss="cross_entropy", w_in=None),
    ]
    write(tmp_path / "conformance/a.jsonl", lines)
    section = sections(tmp_path)["card-conformance"]
    (text,) = section.findings
    assert text.startswith("2 of 5 cases compute what NumPy does. Not so: ")
    for case in ("numba bptt adjoint float64", "numba bptt adjoint float32", "jax bptt adjoint float64"):
        assert f"{case} odd (seed 7)" in text
    assert text.count("seed 7") == 3
    found = {(row["backend"], row["dtype"]): row for row in rows(section.tables[0])}
    verdicts = {key: row["verdict"] for key, row in found.items()}
    assert verdicts == {
        ("torch", "float64"): "agrees",
        ("jax", "float32"): "agrees",
        ("jax", "float64"): "deviates",
        ("numba", "float64"): "deviates",
        ("numba", "float32"): "failed: broken",
    }
    assert found["torch", "float64"]["engine"] == "fused"
    assert section.notes == ["Not compared: no card for it."]


@pytest.mark.parametrize("folder", ["conformance", "fallback"])
def test_damaged_files_are_named(tmp_path: Path, folder: str) -> None:
    good = compared() if folder == "conformance" else step()
    write(tmp_path / folder / "a.jsonl", [{**good, "seed": "x", "batch": "y"}, good], tail='{"kind": ')
    found = records.read(tmp_path)
    assert [problem.file for problem in found.unreadable] == [f"{folder}/a.jsonl"] * 2
    assert len(found.conformance) + len(found.fallbacks) == 1
    assert found.measurements.empty


def test_without_a_card_it_says_which_command_adds_figures(tmp_path: Path) -> None:
    write(tmp_path / "timings/a.jsonl", [measurement("numba")])
    found = sections(tmp_path)
    assert list(found) == ["cards"]
    assert found["cards"].commands == ["make gpu-check"]
    assert not found["cards"].tables
