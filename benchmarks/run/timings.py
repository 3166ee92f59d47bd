"""Cases measured in turns, each in a fresh process; every record is on disk before it is yielded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.define.cases import Case
from benchmarks.define.gpu_plan import FALLBACKS, Item
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import peers, process
from benchmarks.run.available import unavailable
from benchmarks.run.environment import environment
from benchmarks.run.measure import measure
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures

TIMINGS, LIBRARIES = "timings", "libraries"
"""Folders of records: of the suite's own systems, and of runs with libraries among them, at other sizes."""


def measure_all(
    cases: Sequence[Case], rounds: int, results: Path, folder: str = TIMINGS
) -> Iterator[dict[str, Any]]:
    """Measure all cases, `rounds` times over, each time in the opposite order; yields each record.

    Interleaving lets what else the machine does fall on all cases alike. Memory repeats to a percent, so
    memory cases are measured in the first round only. Records go to timings/RUN.jsonl, or another folder.
    """
    file = RunFile(results / folder)
    fits: dict[Case, int] = {}
    for number in range(rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            if number > 0 and (case.memory or unavailable(case) is not None):
                continue
            yield file.append({**_named(case, number), **in_fresh_process(case, fits)})


def count(cases: Sequence[Case], rounds: int) -> int:
    """How many records `measure_all` yields."""
    return sum(1 if case.memory or unavailable(case) is not None else rounds for case in cases)


class PlanFiles:
    """Where `measure_plan` writes, however often it is called: timings/ and fallback/, a file in each.

    Records of backends that were told to use their own loop are apart, so that no table mixes the two.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._files: dict[str, RunFile] = {}

    def append(self, item: Item, record: dict[str, Any]) -> dict[str, Any]:
        """Write a record of an item, and return it as it is written."""
        name = "fallback" if item.fallback else "timings"
        if name not in self._files:
            self._files[name] = RunFile(self._results / name)
        return self._files[name].append(record)


def measure_plan(
    wanted: Iterable[Item], files: PlanFiles, limit_s: float, left_s: Callable[[], float], failures: Failures
) -> Iterator[tuple[Item, dict[str, Any] | None]]:
    """Measure what `gpu-check` plans; yields each with its record, None for what there was no time left for.

    A process that takes longer than `limit_s` is stopped, and has failed; one that is at work when no time is
    left has not, and is left out.
    """
    for item in wanted:
        switches = FALLBACKS[item.case.backend] if item.fallback else {}
        outcomes = process.run_each(measure, [item.case], limit_s=limit_s, left_s=left_s, switches=switches)
        outcome = next(outcomes, None)
        outcomes.close()
        if outcome is None:
            yield item, None
            continue
        printed = outcome.pop("printed", None)
        if outcome["status"] == "failed":
            failures.keep([item.name], outcome["reason"], printed)
        named = {**_named(item.case, 0), **outcome, "switches": dict(switches)}
        yield item, files.append(item, {**named, "environment": environment()})


def in_fresh_process(case: Case, fits: dict[Case, int] | None = None) -> dict[str, Any]:
    """What was measured, or why nothing was: "unavailable" if it can't run here, "failed" on any error.

    Args:
        case: what is measured.
        fits: of `peers.measure`, from one case to the next.
    """
    if unavailable(case) is not None:
        outcome: dict[str, Any] = {"status": "unavailable", "reason": unavailable(case)}
    elif SYSTEMS[case.system].environment:
        outcome = peers.measure(case, {} if fits is None else fits)
    else:
        (outcome,) = process.run(measure, [case])
    return {**outcome, "environment": environment()}


def _named(case: Case, number: int) -> dict[str, Any]:
    return {"kind": "measurement", "round": number, **case.record()}
