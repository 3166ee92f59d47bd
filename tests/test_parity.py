"""`python -m benchmarks parity`: deviations from the published numbers, and what follows from them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_oracle import PUBLISHED_CASES

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.judge.agreement import PUBLISHED_TOLERANCE, computes_published
from benchmarks.run import parity, process
from benchmarks.store import records, schema


def test_a_command_records_what_it_shows(tmp_path: Path):
    done = CliRunner().invoke(main, ["parity", "--backend", "numpy,numba", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = records.read(tmp_path)
    assert not found.unreadable
    assert not found.empty
    table = found.parity
    here = [case for case in PUBLISHED_CASES if case[0] in ("numpy", "numba")]
    measured = table[table["status"] == "ok"]
    assert set(zip(measured["backend"], measured["rule"], measured["mode"], strict=True)) == set(here)
    assert (measured["spikes"] == 0).all()
    assert (measured[schema.DEVIATIONS] <= PUBLISHED_TOLERANCE).all(axis=None)
    assert measured["w_in"].gt(0.0).any()  # they are computed, not copied
    assert (table["dtype"] == "float64").all()
    left_out = table[table["status"] != "ok"]
    assert (left_out["status"] == "unavailable").all()
    assert left_out["reason"].str.split().str.len().gt(3).all()
    assert "differing spikes" in done.output
    assert all(computes_published(record) for record in measured.to_dict("records"))


def test_each_run_is_a_file(tmp_path: Path):
    for _ in range(2):
        arguments = ["parity", "--backend", "numpy", "--rule", "bptt", "--results", str(tmp_path)]
        assert CliRunner().invoke(main, arguments).exit_code == 0
    assert len(list((tmp_path / "parity").glob("*.jsonl"))) == 2
    assert records.read(tmp_path).parity["run"].nunique() == 2


class Off:
    """A learner whose results are wrong by known amounts."""

    def __init__(self, learner: impl.Learner) -> None:
        self._learner = learner

    def load(self, batch: impl.Batch) -> Any:
        return self._learner.load(batch)

    def simulate(self, loaded: Any) -> impl.Activity:
        activity = self._learner.simulate(loaded)
        spikes = activity.spikes.copy()
        spikes[0, :3, 0] ^= True
        return dataclasses.replace(activity, spikes=spikes)

    def gradients(self, loaded: Any) -> tuple[impl.Gradients, impl.Metrics]:
        gradients, metrics = self._learner.gradients(loaded)
        w_in = gradients.w_in.copy()
        w_in.flat[np.abs(w_in).argmax()] *= 1.0 + 1e-6
        metrics = dataclasses.replace(metrics, loss=1.5 * float(metrics.loss))
        return dataclasses.replace(gradients, w_in=w_in), metrics


def test_a_deviation_shows_as_large_as_it_is(monkeypatch: pytest.MonkeyPatch):
    real = impl.learner
    monkeypatch.setattr(impl, "learner", lambda *args, **kwargs: Off(real(*args, **kwargs)))
    found = parity.compare(parity.ParityCheck("numpy", "eprop_random", "adjoint"))
    assert found["spikes"] == 3
    assert found["loss"] == pytest.approx(0.5, rel=1e-9)
    assert found["w_in"] == pytest.approx(1e-6, rel=1e-3)
    assert found["w_rec"] < PUBLISHED_TOLERANCE
    assert not computes_published({"status": "ok", **found})


@pytest.mark.parametrize("name", ["spikes", "loss", "w_in", "w_rec", "w_out"])
@pytest.mark.parametrize("value", [1.0, float("nan"), None])
def test_what_does_not_hold(name: str, value: float | None):
    good = {"status": "ok", **dict.fromkeys(schema.DEVIATIONS, 0.0)}
    assert computes_published(good)
    assert not computes_published({**good, name: value})
    assert not computes_published({**good, "status": "failed"})


def test_a_case_that_fails_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Behind the back of what asks whether a case can run, as a broken backend would fail.
    monkeypatch.setattr(parity, "_unavailable", lambda case: None)
    wanted = [
        parity.ParityCheck("numpy", "bptt_detached", "adjoint"),
        parity.ParityCheck("numpy", "bptt", "adjoint"),
    ]
    failed, compared = parity.compare_all(wanted, tmp_path)
    assert failed["status"] == "failed"
    assert "bptt_detached" in failed["reason"]
    assert compared["status"] == "ok"
    assert records.read(tmp_path).parity["status"].tolist() == ["failed", "ok"]


def test_a_process_that_dies_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    (record,) = parity.compare_all([parity.ParityCheck("numpy", "bptt", "adjoint")], tmp_path)
    assert (record["status"], record["reason"]) == ("failed", "ended with exit status 1")


def test_the_exit_status_says_that_a_case_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    arguments = ["parity", "--backend", "numpy", "--rule", "bptt", "--results", str(tmp_path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "1 of 1 cases fail or deviate" in done.output
