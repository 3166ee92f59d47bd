"""The one clock: measures one case in this process, which should be a fresh one."""

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from benchmarks.define import roofline
from benchmarks.define.cases import Case
from benchmarks.define.metric import Measured
from benchmarks.define.metrics import METRICS
from benchmarks.define.systems import SYSTEMS, Measurable
from benchmarks.run import cards, device, memory
from implementations import Batch

_MOST_SAMPLES = 50
_WARM_S = 3.0
_STEADY, _STEADY_SHARE = 5, 0.05


def seconds(timed: Callable[[], object]) -> float:
    """Wall-clock seconds that `timed` takes."""
    start = time.perf_counter()
    timed()
    return time.perf_counter() - start


class Source(Protocol):
    """Where the learners and trials of a case come from: its system, or a file that was made by it."""

    def module(self, case: Case) -> str:
        """See `System`."""
        ...

    def learner(self, case: Case) -> Measurable:
        """See `System`."""
        ...

    def batch(self, case: Case, number: int = 0) -> Batch:
        """See `System`."""
        ...


def measure(case: Case, source: Source | None = None) -> dict[str, Any]:
    """The fields of a record that hold what was measured (results/README.md).

    Args:
        case: what is measured.
        source: where learners and trials come from; the case's system by default.

    Raises:
        InvalidArgument: (a ValueError) for a case that is not what it may be.
    """
    system = SYSTEMS[case.system] if source is None else source
    import_s = seconds(lambda: import_module(system.module(case)))
    batch = system.batch(case)
    figures: dict[str, Any] = {}

    if case.memory:
        # What a backend allocates once, compiled code above all, is not the memory of a step.
        tiny = case.tiny()
        warm = system.learner(tiny)
        warm.step(warm.load(system.batch(tiny)))
        warm.synchronize()
        del warm

    start = time.perf_counter()
    learner = system.learner(case)
    learner.synchronize()
    build_s = time.perf_counter() - start

    before = memory.resident_bytes() if case.memory else 0
    start = time.perf_counter()
    loaded = learner.load(batch)
    learner.synchronize()
    load_s = time.perf_counter() - start
    figures["engine"] = learner.engine

    def step() -> None:
        learner.step(loaded)
        learner.synchronize()

    state = learner.state()
    if case.memory:
        figures["batch_bytes"] = max(memory.resident_bytes() - before, 0)
        return {**figures, **_memory_of(case, step, lambda: learner.restore(state))}

    figures |= {"import_s": import_s, "build_s": build_s, "load_s": load_s, "first_step_s": seconds(step)}
    sets = device.input_sets(case.device, batch.spikes.nbytes)
    inputs = [loaded, *(learner.load(system.batch(case, number)) for number in range(1, sets))]
    figures["input_sets"] = sets
    timer = Timer(case, learner, inputs, state)
    if case.device != "cpu":
        timer.warm()
    moving = {"before": cards.moving()}
    while wants_more(case, timer.wall_s):
        timer.sample()
    figures["step_s"] = timer.wall_s
    if timer.event_s:
        figures["event_s"] = timer.event_s
    elif case.device != "cpu":
        figures["no_events"] = timer.no_events
    if case.device != "cpu":
        figures["clocks"] = {**moving, "after": cards.moving()}
        # What a step leaves on the device, brought back: the weights and the optimizer's state.
        figures["unload_s"] = statistics.median(seconds(learner.state) for _ in range(3))
        known, _ = cards.cards()
        # the work of an event-driven step depends on what spikes
        fired = int(learner.simulate(loaded).spikes.sum())
        counts = roofline.Counts.of(case, batch, fired)
        figures["roofline"] = roofline.record(case, counts, known[0]["name"] if known else None)
    done = Measured(case, learner, loaded, step, tuple(timer.wall_s))
    for metric in METRICS.values():
        if metric.measure is not None:
            value = metric.measure(done)
            figures[metric.column] = None if value is None else float(value)
    return figures


def _memory_of(case: Case, step: Callable[[], None], restore: Callable[[], None]) -> dict[str, Any]:
    """Peaks of the first step at this size, which compiles, and of one after it, above the loaded state."""
    samples: list[float] = []
    meter = memory.DevicePeak() if case.device != "cpu" else None
    before = memory.resident_bytes()
    figures = {"first_step_peak_bytes": memory.peak_growth_bytes(step, before)}
    restore()
    figures["peak_bytes"] = memory.peak_growth_bytes(lambda: samples.append(seconds(step)), before)
    if meter is not None:
        figures["device_peak_bytes"] = meter.growth(step)
    while wants_more(case, samples):
        restore()
        samples.append(seconds(step))
    return {**figures, "step_s": samples}


def wants_more(case: Case, samples: list[float]) -> bool:
    """Whether a case needs another sample, in seconds, beside these."""
    if samples and sum(samples) >= case.patience_s:
        return False
    few = len(samples) < case.min_samples
    return few or (sum(samples) < case.seconds and len(samples) < _MOST_SAMPLES)


class Timer:
    """Samples of one step: every time the same weights and another batch; wall clock and the device's."""

    def __init__(self, case: Case, learner: Any, inputs: list[Any], state: Any) -> None:
        self._learner, self._inputs, self._state = learner, inputs, state
        self._clock, self.no_events = device.clock(case.device, SYSTEMS[case.system].packages(case))
        self._count = 0
        self.wall_s: list[float] = []
        self.event_s: list[float] = []

    def sample(self) -> None:
        """One more."""
        wall_s, event_s = self._step()
        self.wall_s.append(wall_s)
        if event_s is not None:
            self.event_s.append(event_s)

    def warm(self) -> None:
        """Until every input was seen twice and steps take as long as before, or for a few seconds."""
        start, seen = time.perf_counter(), []
        while time.perf_counter() - start < _WARM_S or len(seen) < 2 * len(self._inputs):
            seen.append(self._step()[0])
            if len(seen) >= max(2 * len(self._inputs), 2 * _STEADY) and steady(seen):
                return

    def _step(self) -> tuple[float, float | None]:
        loaded = self._inputs[self._count % len(self._inputs)]
        self._count += 1
        self._learner.restore(self._state)  # every step is the same step: rates, and costs, drift in training
        self._learner.synchronize()
        start = time.perf_counter()
        if self._clock is not None:
            self._clock.start()
        self._learner.step(loaded)
        if self._clock is not None:
            self._clock.stop()
        self._learner.synchronize()
        wall_s = time.perf_counter() - start
        # 0 where kernels run elsewhere than in the queue that was marked: no figure rather than a wrong one
        event_s = None if self._clock is None else self._clock.seconds()
        return wall_s, event_s if event_s is not None and event_s > 0.0 else None


def steady(samples: list[float]) -> bool:
    """Whether the last samples take as long as those before them, within 5 % of their medians."""
    last, before = samples[-_STEADY:], samples[-2 * _STEADY : -_STEADY]
    if len(before) < _STEADY:
        return False
    return abs(statistics.median(last) / statistics.median(before) - 1.0) < _STEADY_SHARE
