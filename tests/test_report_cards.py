"""The report's part on cards, from records with chosen numbers."""

from pathlib import Path

from record_files import environment, measurement, memory, write

from benchmarks.harness import records
from benchmarks.harness.report.cards import Cards
from benchmarks.harness.report.names import Names


def section(folder: Path):
    found = records.read(folder)
    assert not found.problems
    return Cards(found, Names(found)).sections()[0]


def test_figures_of_a_card(tmp_path: Path) -> None:
    there = {**environment("gpu00001"), "cards": [{"name": "NVIDIA H100 PCIe", "driver": "550", "mig": None}]}
    on_card = {"device": "cuda", "environment": there, "engine": "fused", "machine": "gpu00001"}
    fast = measurement("torch", step_s=(0.002, 0.003, 0.004), **on_card, event_s=[0.001, 0.002, 0.002])
    fast |= {"unload_s": 0.005, "roofline": {"floor_s": 0.0005, "bound": "latency"}}
    peak = memory("torch", "adjoint", 2250, 4.0, **on_card, rule="bptt", batch=128)
    peak |= {"device_peak_bytes": 3 * 2**20}
    write(tmp_path / "timings/a.jsonl", [measurement("numba"), fast, peak])
    found = section(tmp_path)
    assert "NVIDIA H100 PCIe" in found.lead
    table = found.tables[0]
    assert len(table.rows) == 1  # nothing of the CPU, and time and memory of one case in one row
    cells = {column.heading: cell.text for column, cell in zip(table.columns, table.rows[0], strict=True)}
    assert cells["wall clock (ms)"] == "3.00"
    assert cells["events (ms)"] == "2.00"
    assert cells["to the card (ms)"] == "200"
    assert cells["back (ms)"] == "5.00"
    assert cells["peak on the card (MiB)"] == "3.00"
    assert cells["floor (ms)"] == "0.500"
    assert cells["set by"] == "latency"
    assert cells["measured over floor"] == "6.00"
    assert cells["engine"] == "fused"


def test_without_a_card_it_says_which_command_adds_figures(tmp_path: Path) -> None:
    write(tmp_path / "timings/a.jsonl", [measurement("numba")])
    found = section(tmp_path)
    assert found.commands == ["make gpu-check"]
    assert not found.tables
