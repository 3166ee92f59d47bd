"""The one clock: measures one case in this process, which should be a fresh one.

python -m benchmarks.run.measure < case.json > record.json
"""

import dataclasses
import json
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.define import work as roofline
from benchmarks.define.cases import Case
from benchmarks.define.metric import Measured
from benchmarks.define.metrics import METRICS
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import device, memory
from benchmarks.store.environment import environment

_MOST_SAMPLES = 50
_WARM_S = 3.0
_STEADY, _STEADY_SHARE = 5, 0.05

_PACKAGE = Path(__file__).resolve().parents[1]
# ASV lets its own processes alone find the benchmarks of the checkout beside the packages of the commit.
_AS_IMPORTED_HERE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location

folder = sys.argv[1]
spec = spec_from_file_location("benchmarks", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["benchmarks"] = package = module_from_spec(spec)
spec.loader.exec_module(package)

from benchmarks.run import measure as measuring

measuring.main()
"""


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(case: Case) -> dict[str, Any]:
    """The fields of a record that hold what was measured (results/README.md).

    Raises:
        InvalidArgument: (a ValueError) for a case that is not what it may be.
    """
    system = SYSTEMS[case.system]
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
    timer = _Timer(case, learner, inputs, state)
    if case.device != "cpu":
        timer.warm()
    moving = {"before": device.moving()}
    while len(timer.wall_s) < case.min_samples or (
        sum(timer.wall_s) < case.seconds and len(timer.wall_s) < _MOST_SAMPLES
    ):
        timer.sample()
    figures["step_s"] = timer.wall_s
    if timer.event_s:
        figures["event_s"] = timer.event_s
    elif case.device != "cpu":
        figures["no_events"] = timer.no_events
    if case.device != "cpu":
        figures["clocks"] = {**moving, "after": device.moving()}
        # What a step leaves on the device, brought back: the weights and the optimizer's state.
        figures["unload_s"] = statistics.median(seconds(learner.state) for _ in range(3))
        cards, _ = device.cards()
        # the work of an event-driven step depends on what spikes
        fired = int(learner.simulate(loaded).spikes.sum())
        counts = roofline.Counts.of(case, batch, fired)
        figures["roofline"] = roofline.record(case, counts, cards[0]["name"] if cards else None)
    done = Measured(learner, loaded, step, tuple(timer.wall_s))
    figures |= {row.column: float(row.measure(done)) for row in METRICS.values() if row.measure is not None}
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
    while len(samples) < case.min_samples or (sum(samples) < case.seconds and len(samples) < _MOST_SAMPLES):
        restore()
        samples.append(seconds(step))
    return {**figures, "step_s": samples}


class _Timer:
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


class Prepared:
    """A case, built and loaded: `step` and `evaluate` are what is timed, once they are warm.

    Raises:
        InvalidArgument: (a ValueError) for a case that is not what it may be, or can't run here.
    """

    def __init__(self, case: Case) -> None:
        system = SYSTEMS[case.system]
        self._learner = system.learner(case)
        self._loaded = self._learner.load(system.batch(case))
        self._learner.synchronize()
        self._state = self._learner.state()

    def warm(self, work: Callable[[], object]) -> None:
        """Let the backend compile what `work` needs; twice, as what the first returned may need more."""
        for _ in range(2):
            work()
            self.restore()

    def restore(self) -> None:
        """Back to the initial weights: every step is the same step, whatever their number."""
        self._learner.restore(self._state)
        self._learner.synchronize()

    def step(self) -> None:
        """One training step, up to its end."""
        self._learner.step(self._loaded)
        self._learner.synchronize()

    def evaluate(self) -> None:
        """One forward pass without a gradient, up to its end."""
        float(self._learner.evaluate(self._loaded).loss)


def module(case: Case) -> str:
    """The module whose import brings all that the case needs."""
    return SYSTEMS[case.system].module(case)


def peak_bytes(case: Case) -> int:
    """Growth of this process in a step, above its state with the batch loaded."""
    return measure(_for_memory(case))["peak_bytes"]


def device_peak_bytes(case: Case) -> int:
    """Growth of what is held on the device in a step, above its state with the batch loaded."""
    return measure(_for_memory(case))["device_peak_bytes"]


def bytes_per_step(case: Case) -> float:
    """Growth of `peak_bytes` per time step that is added to the trial: the slope to a trial twice as long."""
    added_steps = case.problem.task.n_steps
    longer = case.sized(n_steps=2 * added_steps)
    return (_in_child(longer) - _in_child(case)) / added_steps


def _in_child(case: Case) -> int:
    """`peak_bytes` in a fresh process: allocators keep for the second case what the first had.

    A forked copy of this one would hang now and then: to ask whether a case can run here imports its backend,
    and some of those have threads by then. What failed there fails here, with what it printed.
    """
    done = subprocess.run(
        # -P: what implementations are must not depend on the folder that this process runs in
        [sys.executable, "-P", "-c", _AS_IMPORTED_HERE, str(_PACKAGE)],
        input=pickle.dumps(_for_memory(case)).hex(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the process that measured {case} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])["peak_bytes"]


def compilation_s(case: Case) -> float:
    """First step minus a warm one; about 0 for a backend that compiles nothing.

    In a process that has not taken a step yet, and called `caches.forget` before it imported the backend.
    """
    figures = measure(case)
    return max(figures["first_step_s"] - statistics.median(figures["step_s"]), 0.0)


def _for_memory(case: Case) -> Case:
    return dataclasses.replace(case, memory=True, min_samples=1, seconds=0.0)


def main() -> None:
    """Read a pickled case, measure it, write the record as the last line."""
    case = pickle.loads(bytes.fromhex(sys.stdin.read()))
    figures = measure(case)
    print(json.dumps({**figures, "environment": environment()}), flush=True)


if __name__ == "__main__":
    main()
