"""Benchmarks of ASV timed on both sides of a comparison in turns: long-lived processes, a sample at a time.

All sides of a case run on one core and never at once, and on each core that there is, another case. A pair is
a fresh process of each side; cases of a backend share it, as its import takes longer than many a case.
"""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, product
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median
from threading import Thread
from typing import Any

from benchmarks.define.pairing import BLOCKS, LEAST_S, MOST_BLOCKS, SECONDS, TimedCase
from benchmarks.run import cores
from benchmarks.run.checkout import ROOT, without_git_variables
from benchmarks.run.sides import Side

TIMEOUT_S = 900.0
"""For one answer: to prepare a case may be to compile it."""

_MEMORY = "bytes"
"""The unit of what has a process of its own."""

_TRIES = 2  # a case that failed in so many pairs is not begun again
_MAIN = """
import sys

sys.path[:0] = sys.argv[1:3]
from benchmarks.run import asv_worker

asv_worker.answer(sys.argv[1])
"""


class Ended(Exception):
    """A process is no more; the text says how it ended."""


class Worker:
    """A process of a side, on the core of the thread that starts it.

    Args:
        side: whose.
        log: what it prints, and its tracebacks, are added there.
        programs: as `Side.variables` takes it.
    """

    def __init__(self, side: Side, log: Path, programs: bool = True) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [str(side.python), "-P", "-c", _MAIN, str(side.folder), str(ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={**without_git_variables(), **side.variables(programs)},
                start_new_session=True,  # so that it can be stopped together with those that it starts
            )
        self._answers: SimpleQueue[bytes | None] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._answers.put(line)
        self._answers.put(None)

    def ask(self, what: str, timeout_s: float = TIMEOUT_S, **arguments: Any) -> dict[str, Any]:
        """Its answer: status, reason and what `asv_worker.Asked` returns.

        Raises:
            Ended: it has, or was, as it took longer than `timeout_s`.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=timeout_s)
        except BrokenPipeError:
            line = None
        except Empty:
            self.stop()
            raise Ended(f"took longer than {timeout_s:g} s") from None
        if line is None:
            code = self._process.wait()
            raise Ended(f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}")
        return json.loads(line)

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]


def measure(
    cases: Sequence[TimedCase],
    arms: Mapping[str, Side],
    pairs: range,
    log: Path,
    left_s: Callable[[], float],
) -> Iterator[dict[str, Any]]:
    """Each case in each pair; yields a record as soon as there is one.

    Args:
        cases: those that are judged by times in turns.
        arms: name -> side. The first two are the pair; a side may be there twice.
        pairs: numbers of the pairs.
        log: what processes print.
        left_s: seconds that may still be used: none are begun when they are over.

    Yields:
        The fields that name the case; pair; states, arm -> status and reason; and where both of the pair are
        ok: order, the arm of each sample, and wall_s, own_s and taken of each as `asv_worker.Asked.sample`
            has them.
    """
    failed: Counter[TimedCase] = Counter()
    calls_s: dict[TimedCase, float] = {}

    def one(item: tuple[int, list[TimedCase]]) -> Iterator[dict[str, Any]]:
        number, group = item
        pair = _Pair(arms, number, log, calls_s)
        try:
            for case in group:
                if failed[case] >= _TRIES or left_s() <= 0.0:
                    continue
                record = pair.measure(case)
                if "order" not in record:
                    every = {state["status"] for state in record["states"].values()}
                    failed[case] += _TRIES if "failed" not in every else 1
                yield record
        finally:
            pair.stop()

    yield from cores.on_each(product(pairs, _groups(cases, _in_pairs)), one, left_s)


def track(cases: Sequence[TimedCase], arms: Mapping[str, Side], log: Path) -> Iterator[dict[str, Any]]:
    """What benchmarks return that measure by themselves, once on each arm.

    Cases of a backend share a process, but those that measure memory, whose peak is a process's.

    Yields:
        The fields that name the case; arm, status, reason and, if ok, samples.
    """

    def one(item: tuple[list[TimedCase], str]) -> Iterator[dict[str, Any]]:
        group, arm = item
        worker: Worker | None = None
        try:
            for case in group:
                found: dict[str, Any] = {"status": "failed"}
                for _ in range(_TRIES):
                    worker = worker or Worker(arms[arm], log, programs=case.unit != _MEMORY)
                    found = _asked(worker, case)
                    if found["status"] != "failed":
                        break
                    worker.stop()  # whatever that left behind
                    worker = None
                yield {"kind": "tracked", **case.named(), "arm": arm, **found}
        finally:
            if worker is not None:
                worker.stop()

    def shared(case: TimedCase) -> str:
        return case.selector if case.unit == _MEMORY else case.backend or case.benchmark

    yield from cores.on_each(product(_groups(cases, shared), arms), one)


class _Pair:
    """Processes of all arms, begun when they are needed.

    Args:
        arms, log: as `measure` takes them.
        number: of the pair.
        calls_s: seconds of a call of each case that an earlier pair has timed; this one adds its own.
    """

    def __init__(
        self, arms: Mapping[str, Side], number: int, log: Path, calls_s: dict[TimedCase, float]
    ) -> None:
        self._arms, self._number, self._log, self._calls_s = arms, number, log, calls_s
        self._workers: dict[str, Worker] = {}

    def measure(self, case: TimedCase) -> dict[str, Any]:
        record = {"kind": "pair", **case.named(), "pair": self._number}
        measured = self._in_turns(case) if case.kind == "time" else self._once_each(case)
        return {**record, **measured}

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()

    def _in_turns(self, case: TimedCase) -> dict[str, Any]:
        states: dict[str, dict[str, Any]] = {}
        calls_s: list[float] = []
        for arm in _rotated(list(self._arms), self._number):
            states[arm] = self._ask(arm, "prepare", benchmark=case.benchmark, texts=case.texts)
            if states[arm]["status"] == "ok":
                settled = self._ask(arm, "settle", least_s=LEAST_S, call_s=self._calls_s.get(case))
                states[arm] = {name: settled[name] for name in ("status", "reason")}
                calls_s += [settled["value"]] if settled["status"] == "ok" else []
        able = [arm for arm in self._arms if states[arm]["status"] == "ok"]
        if able[:2] != list(self._arms)[:2]:
            return {"states": states}
        per_sample_s = max(self._calls_s.setdefault(case, median(calls_s)), LEAST_S)
        blocks = min(max(BLOCKS, round(SECONDS / (2.0 * per_sample_s))), MOST_BLOCKS)
        order: list[str] = []
        samples: list[dict[str, Any]] = []
        for number in range(blocks):
            turn = _rotated(able, number)
            for arm in (*turn, *reversed(turn)):
                found = self._ask(arm, "sample")
                if found["status"] != "ok":
                    states[arm] = {name: found[name] for name in ("status", "reason")}
                    return {"states": states}
                order.append(arm)
                samples.append(found)
        columns = {name: [sample[name] for sample in samples] for name in ("wall_s", "own_s", "taken")}
        return {"states": states, "order": order, **columns}

    def _once_each(self, case: TimedCase) -> dict[str, Any]:
        """Of what can be timed but once in a process: each sample in one of its own."""
        self.stop()
        turn = _rotated(list(self._arms), self._number)
        states: dict[str, dict[str, Any]] = {}
        order: list[str] = []
        wall_s: list[float] = []
        for arm in (*turn, *reversed(turn)):
            found = _once(case, self._arms[arm], self._log)
            states[arm] = {name: found[name] for name in ("status", "reason")}
            if found["status"] != "ok":
                return {"states": {**dict.fromkeys(self._arms, states[arm]), **states}}
            order.append(arm)
            wall_s.append(sum(found["samples"]) / len(found["samples"]))
        return {
            "states": states,
            "order": order,
            "wall_s": wall_s,
            "own_s": wall_s,
            "taken": [0] * len(order),
        }

    def _ask(self, arm: str, what: str, **arguments: Any) -> dict[str, Any]:
        try:
            if arm not in self._workers:
                self._workers[arm] = Worker(self._arms[arm], self._log)
            return self._workers[arm].ask(what, **arguments)
        except Ended as end:
            self._workers.pop(arm).stop()
            return {"status": "failed", "reason": f"its process {end}"}


def _once(case: TimedCase, side: Side, log: Path) -> dict[str, Any]:
    worker = Worker(side, log, programs=False)
    try:
        return _asked(worker, case)
    finally:
        worker.stop()


def _asked(worker: Worker, case: TimedCase) -> dict[str, Any]:
    """What a benchmark returns that measures by itself."""
    try:
        found = worker.ask("prepare", benchmark=case.benchmark, texts=case.texts)
        if found["status"] == "ok":
            found = worker.ask("statement" if case.kind == "timeraw" else "track")
        return found
    except Ended as end:
        return {"status": "failed", "reason": f"its process {end}"}


def _in_pairs(case: TimedCase) -> str:
    """Equal for cases timed in the same processes: those of a backend, but for what can be timed once."""
    return case.backend or case.benchmark if case.kind == "time" else case.selector


def _groups(cases: Sequence[TimedCase], shared: Callable[[TimedCase], str]) -> list[list[TimedCase]]:
    """Cases that share processes, as `shared` is equal for them."""
    return [list(group) for _, group in groupby(sorted(cases, key=shared), shared)]


def _rotated(arms: Sequence[str], by: int) -> list[str]:
    """Each is first, and follows each other, as often as any."""
    start = by % len(arms)
    return [*arms[start:], *arms[:start]]
