"""Cases measured in turns, each in a fresh process; every record is on disk before it is yielded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.define.cases import Case
from benchmarks.define.gpu_plan import FALLBACKS, Item
from benchmarks.run import process
from benchmarks.run.available import unavailable
from benchmarks.run.environment import environment
from benchmarks.run.measure import measure
from benchmarks.run.process import TIMEOUT_S, Budget
from benchmarks.store.append import RunFile


def measure_all(cases: Sequence[Case], rounds: int, results: Path) -> Iterator[dict[str, Any]]:
    """Measure all cases, `rounds` times over, each time in the opposite order; yields each record.

    Interleaving lets what else the machine does fall on all cases alike. Memory repeats to a percent, so
    memory cases are measured in the first round only. Records go to timings/RUN.jsonl.
    """
    file = RunFile(results / "timings")
    for number in range(rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            if number > 0 and (case.memory or unavailable(case) is not None):
                continue
            yield file.append({**_named(case, number), **in_fresh_process(case)})


def count(cases: Sequence[Case], rounds: int) -> int:
    """How many records `measure_all` yields."""
    return sum(1 if case.memory or unavailable(case) is not None else rounds for case in cases)


def measure_plan(
    wanted: Iterable[Item], results: Path, budget: Budget, least_s: float = 10.0
) -> Iterator[tuple[Item, dict[str, Any] | None]]:
    """Measure what `gpu-check` plans; yields each with its record, None for what there was no time left for.

    A process that is not through when the time ends is stopped, and recorded as failed. Records of backends
    that were told to use their own loop are apart (fallback/), so that no table mixes the two.
    """
    files = {True: RunFile(results / "fallback"), False: RunFile(results / "timings")}
    for item in wanted:
        left_s = budget.left_s()
        if left_s < least_s:
            yield item, None
            continue
        switches = FALLBACKS[item.case.backend] if item.fallback else {}
        outcome = in_fresh_process(item.case, timeout_s=left_s, switches=switches)
        record = {**_named(item.case, 0), **outcome, "switches": dict(switches)}
        yield item, files[item.fallback].append(record)


def in_fresh_process(
    case: Case, *, timeout_s: float = TIMEOUT_S, switches: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What was measured, or why nothing was: "unavailable" if it can't run here, "failed" on any error.

    `switches` are environment variables of the process.
    """
    if unavailable(case) is not None:
        outcome: dict[str, Any] = {"status": "unavailable", "reason": unavailable(case)}
    else:
        (outcome,) = process.run(measure, [case], timeout_s=timeout_s, switches=switches)
    return {**outcome, "environment": environment()}


def _named(case: Case, number: int) -> dict[str, Any]:
    return {"kind": "measurement", "round": number, **case.record()}
