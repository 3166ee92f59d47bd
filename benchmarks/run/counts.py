"""Counts of training steps: a process for each backend, first as it is and then under valgrind.

The first compiles, for the second to find, and asks XLA of its programs and the learner of its compilations.
The second counts instructions and allocations: those of the steps `COUNTED` alone, so that start-up, and what
a backend does in its first steps, fall out.
"""

import gc
import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.define.cases import Case
from benchmarks.define.counts import COLUMNS, COUNTED, SWITCHES
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import caches, callgrind, cores, xla_programs
from benchmarks.run.available import unavailable
from benchmarks.run.process import Process

TIMEOUT_S = 1200.0
"""That the cases of a backend may take."""

_COMPILING = 2  # steps: what the first returns may need more
_PACKAGES = (
    *("numpy", "numba", "llvmlite", "threadpoolctl", "torch", "jax", "jaxlib", "optax"),
    *("brainpy", "brainstate", "brainunit", "brainevent"),
)


def versions() -> dict[str, str]:
    """Of all that the counts depend on."""
    found = {"python": platform.python_version(), "libc": " ".join(platform.libc_ver())}
    found["valgrind"] = callgrind.version()
    compiler = shutil.which("c++")
    if compiler is not None:
        printed = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True).stdout
        found["c++"] = printed.strip()
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def count_all(cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """The counts of cases, a backend on each core at a time; yields rows as `count` does, as they come."""
    by_backend: dict[str, list[Case]] = {}
    for case in cases:
        by_backend.setdefault(case.backend, []).append(case)
    # those that take longest, which trace under valgrind as well, are the last in the registry
    yield from cores.on_each(reversed(by_backend.values()), count)


def count(cases: Sequence[Case], implementations_in: Path | None = None) -> Iterator[dict[str, Any]]:
    """The counts of cases that are all of one backend, on this thread's core.

    Args:
        cases: at least one.
        implementations_in: another folder that has the package `implementations`; this one's by default.

    Yields:
        backend, rule, mode; status "ok", "unavailable" or "failed" with the reason; and if ok, `COLUMNS`.
    """
    with TemporaryDirectory(prefix="eprop-bench-counts-") as folder:
        compiled, dumped = Path(folder) / "compiled", Path(folder) / "dumped"
        for path in (compiled, dumped):
            path.mkdir()
        # what the first process compiles is for the one under valgrind to find
        switches = {**SWITCHES, **caches.inside(compiled), **caches.EVERY_PROGRAM}

        def outcomes(
            function: Callable[[Any], dict[str, Any]], of: Sequence[Any], under: Sequence[str] = ()
        ) -> list[dict[str, Any]]:
            process = Process(function, of, switches, under=under, implementations_in=implementations_in)
            return list(process.outcomes(TIMEOUT_S))

        asked = dict(zip(cases, outcomes(compile_and_ask, cases), strict=True))
        working = [case for case in cases if asked[case]["status"] == "ok"]
        counted: dict[Case, dict[str, Any]] = {}
        if working:
            items = [(function, case) for function in (ready, count_steps) for case in working]
            for (_, case), outcome in zip(
                items, outcomes(_call, items, callgrind.under(dumped)), strict=True
            ):
                if counted.get(case, outcome)["status"] == "ok":
                    counted[case] = outcome
        for case in cases:
            found = {**asked[case], **counted.get(case, {})}
            if found["status"] == "ok":
                none, *steps = (callgrind.read(dumped, number) for number in found["dumps"])
                # more of them have what happens now and then: a buffer that grows, a thread that is woken
                least = min(counted.instructions for counted in steps)
                found["instructions"] = least - none.instructions
                # one more, where a thread first comes to what it keeps for itself
                found["allocations"] = (
                    int(median(counted.allocations for counted in steps)) - none.allocations
                )
            yield _row(case, found)


def compile_and_ask(case: Case) -> dict[str, Any]:
    """In a process of its own: what XLA says of the programs of a step; how often it compiles once warm."""
    reason = unavailable(case)
    if reason is not None:
        return {"status": "unavailable", "reason": reason}
    xla_programs.drop()  # those of the case before, some of which this one would share
    learner, step = _learner(case)
    for _ in range(_COMPILING):
        step()
    programs = xla_programs.held()
    compilations = learner.compilations()
    for _ in range(COUNTED):
        step()
    return {"compilations": learner.compilations() - compilations, **xla_programs.figures(programs)}


_steps: dict[Case, Callable[[], None]] = {}


def ready(case: Case) -> dict[str, Any]:
    """In a process under valgrind, before anything is counted: a learner that has done its first step.

    All are made before the first is counted, as valgrind forgets what it knows of the program where counting
    begins or ends, and to trace and to load programs is then as slow as the first time.
    """
    _, _steps[case] = _learner(case)
    _steps[case]()  # the second would find what it needs, as the process before has compiled it
    return {}


def count_steps(case: Case) -> dict[str, Any]:
    """In the same process: write down what no steps execute and each of `COUNTED` does; which files."""
    step = _steps[case]
    gc.collect()
    gc.disable()  # its rounds over all objects come when they come
    callgrind.start()
    # with that of no steps, what it takes to count falls out
    return {"dumps": [_counted(step, steps) for steps in (0, *[1] * COUNTED)]}


def _call(item: tuple[Callable[[Case], dict[str, Any]], Case]) -> dict[str, Any]:
    function, case = item
    return function(case)


def _counted(step: Callable[[], None], steps: int) -> int:
    callgrind.forget()
    for _ in range(steps):
        step()
    return callgrind.dump()


def _learner(case: Case) -> tuple[Any, Callable[[], None]]:
    """Built, with a batch loaded; and a step of it, up to its end."""
    system = SYSTEMS[case.system]
    learner = system.learner(case)
    loaded = learner.load(system.batch(case))
    learner.synchronize()

    def step() -> None:
        learner.step(loaded)
        learner.synchronize()

    return learner, step


def _row(case: Case, found: Mapping[str, Any]) -> dict[str, Any]:
    named = {"backend": case.backend, "rule": case.rule, "mode": case.mode}
    row = {**named, "status": found["status"], "reason": found["reason"]}
    if found["status"] == "ok":
        row |= {column.name: found.get(column.name) for column in COLUMNS}
    return row
