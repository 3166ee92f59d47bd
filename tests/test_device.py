"""Device clocks, meters and what a card says of itself, with fakes in place of a card."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.define.cases import Case, delayed
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import cards, device, measure, memory

SMALL = Case("numpy", "eprop_symmetric", "adjoint", delayed(200), batch=3, min_samples=4, seconds=0.0)


class FakeClock:
    """Counts its marks; each pair lies 0.25 s apart."""

    def __init__(self) -> None:
        self.marks: list[str] = []

    def start(self) -> None:
        self.marks.append("start")

    def stop(self) -> None:
        self.marks.append("stop")

    def seconds(self) -> float:
        assert self.marks[-2:] == ["start", "stop"]
        return 0.25


class OnFakeCard:
    """The system of NumPy's learners, which are told that they are on the CPU whatever the case says."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def module(self, case: Case) -> str:
        return "implementations.numpy.learner"

    def packages(self, case: Case) -> tuple[str, ...]:
        return ("numpy",)

    def learner(self, case: Case) -> Any:
        return SYSTEMS["benchmark"].learner(SMALL)

    def batch(self, case: Case, number: int = 0) -> Any:
        self.drawn.append(number)
        return SYSTEMS["benchmark"].batch(SMALL, number)


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> tuple[Case, OnFakeCard, FakeClock]:
    system, clock = OnFakeCard(), FakeClock()
    monkeypatch.setitem(measure.SYSTEMS, "fake", system)
    monkeypatch.setattr(device, "clock", lambda on, packages: (clock, None))
    monkeypatch.setattr(device, "l2_bytes", lambda: 10**5)
    monkeypatch.setattr(cards, "cards", lambda: ([{"name": "NVIDIA H100 80GB HBM3"}], None))
    monkeypatch.setattr(cards, "moving", lambda: {"sm_mhz": 1980.0})
    case = Case("numba", "eprop_symmetric", "adjoint", device="cuda", system="fake", min_samples=4, seconds=0)
    return case, system, clock


@pytest.mark.slow
def test_a_case_on_a_card_is_timed_by_both_clocks_on_several_inputs(on_card: Any) -> None:
    case, system, clock = on_card
    figures = measure.measure(case)
    assert figures["event_s"] == [0.25] * 4
    assert len(figures["step_s"]) == 4
    spike_bytes = SYSTEMS["benchmark"].batch(SMALL).spikes.nbytes
    sets = figures["input_sets"]
    assert (sets - 1) * spike_bytes > 10**5  # when an input comes again, more than the cache came between
    assert system.drawn == list(range(sets))
    assert len(clock.marks) >= 2 * (4 + 2 * sets)  # every input was seen twice before the first sample
    assert figures["clocks"] == {"before": {"sm_mhz": 1980.0}, "after": {"sm_mhz": 1980.0}}
    assert figures["unload_s"] > 0.0
    assert figures["roofline"]["card"] == "H100 SXM"
    assert 0.0 < figures["roofline"]["floor_s"] == max(figures["roofline"]["floors_s"].values())
    assert figures["engine"] == "own"


def test_without_events_a_record_says_why(on_card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "clock", lambda on, packages: (None, "there are none"))
    figures = measure.measure(on_card[0])
    assert "event_s" not in figures
    assert figures["no_events"] == "there are none"


def test_on_the_cpu_nothing_of_a_card_is_recorded() -> None:
    figures = measure.measure(SMALL)
    assert not {"event_s", "no_events", "clocks", "roofline", "unload_s"} & set(figures)
    assert figures["input_sets"] == 1


def test_inputs_differ_between_sets() -> None:
    one, two = (SYSTEMS["benchmark"].batch(SMALL, number) for number in (0, 1))
    assert (one.spikes != two.spikes).any()


def test_clocks_of_frameworks_that_have_none() -> None:
    assert device.clock("cpu", ("torch",))[0] is None
    found, reason = device.clock("cuda", ("jax", "jaxlib", "optax"))
    assert found is None
    assert "JAX has no device events" in str(reason)
    assert "no device events" in str(device.clock("cuda", ("strange",))[1])


def test_torch_events_are_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.recorded = self.waited = False

        def record(self) -> None:
            self.recorded = True

        def synchronize(self) -> None:
            self.waited = True

        def elapsed_time(self, end: "Event") -> float:
            assert self.recorded
            assert end.waited
            return 1.5

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(Event=Event)))
    clock, reason = device.clock("cuda", ("torch",))
    assert clock is not None
    assert reason is None
    clock.start()
    clock.stop()
    assert clock.seconds() == pytest.approx(0.0015)


def test_warm_means_as_long_as_before() -> None:
    assert measure.steady([1.0] * 10)
    assert not measure.steady([1.0] * 5)
    assert not measure.steady([2.0] * 5 + [1.0] * 5)
    assert measure.steady([9.0] * 3 + [1.0] * 10)


@pytest.mark.parametrize("fields", ["_FIXED", "_MOVING"])
def test_what_nvidia_smi_says(fields: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "_FIXED": "NVIDIA H100 80GB HBM3, 550.54, 81559, 700.00, 1980, 2619, Enabled, [N/A]\n",
        "_MOVING": "1755, 2619, 41, 112.5, 0x0000000000000004\n",
    }
    asked: list[tuple[str, ...]] = []

    def answer(command: list[str], **_: Any) -> Any:
        asked.append(tuple(command))
        text = texts[fields] if len(command) > 1 else "| Driver Version: 550.54  CUDA Version: 12.4     |"
        return subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(cards, "find_spec", lambda name: None)
    monkeypatch.setattr(cards.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(cards.subprocess, "run", answer)
    if fields == "_MOVING":
        found = cards.moving()
        assert found == {
            **{"sm_mhz": 1755.0, "memory_mhz": 2619.0, "temperature_c": 41.0, "power_w": 112.5},
            "throttle": "0x0000000000000004",
        }
        return
    found, reason = cards.cards.__wrapped__()
    assert reason is None
    assert found == [
        {
            **{"name": "NVIDIA H100 80GB HBM3", "driver": "550.54", "memory_bytes": 81559 * 2.0**20},
            **{"power_limit_w": 700.0, "sm_max_mhz": 1980.0, "memory_max_mhz": 2619.0, "ecc": "Enabled"},
            **{"mig": None, "cuda": "12.4"},
        }
    ]
    assert len(asked[0][1].split(",")) == 8


def test_no_card_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "find_spec", lambda name: None)
    monkeypatch.setattr(cards.shutil, "which", lambda name: None)
    found, reason = cards.cards.__wrapped__()
    assert found == []
    assert "nvidia-smi" in str(reason)
    assert cards.moving() is None


def test_memory_of_numba_is_what_the_driver_lends(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"bytes": 100, "deferred": False}

    class Deferred:
        def __enter__(self) -> None:
            used["deferred"] = True

        def __exit__(self, *_: Any) -> None:
            used["deferred"] = False

    context = SimpleNamespace(get_memory_info=lambda: (1000 - used["bytes"], 1000))
    cuda = SimpleNamespace(
        is_available=lambda: True, current_context=lambda: context, defer_cleanup=lambda: Deferred()
    )
    for name in ("torch", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "numba.cuda", cuda)

    def work() -> None:
        assert used["deferred"]
        used["bytes"] += 40

    assert memory.device_peak_growth_bytes(work) == 40


@pytest.mark.slow
def test_memory_of_a_step_is_apart_from_that_of_the_first() -> None:
    """What is allocated in the first step alone, as a compiler does, is not the memory of a step."""
    import dataclasses

    figures = measure.measure(dataclasses.replace(SMALL, memory=True, min_samples=1))
    assert figures["first_step_peak_bytes"] > 0
    assert 0 < figures["peak_bytes"] <= 1.5 * figures["first_step_peak_bytes"]
    assert len(figures["step_s"]) >= 1
