"""The one clock: measures one case in this process, which should be a fresh one.

python -m benchmarks.harness.measuring < case.json > record.json
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.harness import memory
from benchmarks.harness.cases import Case
from benchmarks.harness.environment import environment
from benchmarks.harness.systems import SYSTEMS

_MOST_SAMPLES = 50


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
        tiny = dataclasses.replace(case, delay_ms=case.problem.task.recall_ms, batch=2)
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

    def step() -> None:
        learner.step(loaded)
        learner.synchronize()

    state = learner.state()
    if case.memory:
        figures["batch_bytes"] = max(memory.resident_bytes() - before, 0)
        figures["peak_bytes"] = memory.peak_growth_bytes(step)
    else:
        figures |= {"import_s": import_s, "build_s": build_s, "load_s": load_s, "first_step_s": seconds(step)}

    samples: list[float] = []
    while len(samples) < case.min_samples or (sum(samples) < case.seconds and len(samples) < _MOST_SAMPLES):
        learner.restore(state)  # every step is the same step: rates, and with them costs, drift in training
        learner.synchronize()
        samples.append(seconds(step))
    return {**figures, "step_s": samples}


def main() -> None:
    """Read a case as JSON, measure it, write the record as the last line."""
    case = Case(**json.load(sys.stdin))
    figures = measure(case)
    print(json.dumps({**figures, "environment": environment()}), flush=True)


if __name__ == "__main__":
    main()
