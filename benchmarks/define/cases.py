"""What is measured: one `Case` each, and the sizes with why they were chosen."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import implementations as impl
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS, TASK_NAME, Problem
from implementations import checks, rules

BATCH = 128
"""Trials per step: what the BrainPy notebook that this suite started from uses."""

MEMORY_BATCH = 32
"""Trials per step of the cases that scale the trial: the longest then costs as much as one at BATCH."""

SCALED_STEPS = (2250, 4500, 9000)
"""Lengths of trials: the published one, twice and four times."""

SCALED_NEURONS = (50, 100, 200, 400)
"""Recurrent neurons, half of them adaptive, at MEMORY_BATCH: from half the published size, where a step of a
time loop costs mostly its overhead, to four times, where it costs its products with the weights."""

SCALED_BATCHES = (8, 32, 128, 512)
"""Trials per step, at the published size: from fewer than a processor has lanes to more than caches hold."""

LIBRARY_BATCHES = (16, 128)
"""Trials per step beside libraries: few, where what a time loop costs per step shows, and `BATCH`."""

LIBRARY_THREADS = (1, None)
"""CPU threads beside libraries: of one, how much is computed shows; of all, what a user waits for."""

LIBRARY_PATIENCE_S = 20.0
"""Of samples: where a step takes as long as this, one in each process has to do."""

TRAINING_STEPS = 10
"""Of a library's training that is held against ours: enough for its optimizer to show, and too few for
rounding to have grown."""

LONGEST_STEP_S = 120.0
"""A step of a library that takes longer is measured on fewer trials instead, and shown as that."""


@dataclass(frozen=True)
class Case:
    """One combination whose training step is measured, in a process of its own. Plain data.

    Attributes:
        problem: what is learned.
        memory: measure the peak memory of a step, after a warm-up on a tiny batch. Otherwise measure
            import and first step, as they come in a fresh process.
        system: whose network and step, one of `systems.SYSTEMS`.
        min_samples, seconds: warm steps are timed until there are so many samples and so many seconds.
        patience_s: after so many seconds of samples no other is begun, however few there are.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    backend: str
    rule: str
    mode: str
    problem: Problem = PROBLEMS[TASK_NAME]
    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    batch: int = BATCH
    memory: bool = False
    system: str = SYSTEM
    min_samples: int = 3
    seconds: float = 0.5
    patience_s: float = float("inf")

    def __post_init__(self) -> None:
        checks.instance("problem", self.problem, Problem)
        checks.integer("batch", self.batch, 1)
        checks.integer("min_samples", self.min_samples, 1)
        checks.number("seconds", self.seconds, minimum=0.0)
        if self.threads is not None:
            checks.integer("threads", self.threads, 1)

    def tiny(self) -> "Case":
        """The same on as little work as there can be: what warms a backend up."""
        problem = self.problem.with_task(self.problem.task.shortest())
        return dataclasses.replace(self, problem=problem, batch=2)

    def sized(self, *, n_steps: int | None = None, n_rec: int | None = None) -> "Case":
        """The same at another length of trials, or with another number of recurrent neurons."""
        return dataclasses.replace(self, problem=self.problem.sized(n_steps=n_steps, n_rec=n_rec))

    def record(self) -> dict[str, Any]:
        """The fields that name the case in a record."""
        return {
            "system": self.system,
            "backend": self.backend,
            "rule": self.rule,
            "mode": self.mode,
            "dtype": self.dtype,
            "device": self.device,
            "threads": self.threads,
            "batch": self.batch,
            "n_steps": self.problem.task.n_steps,
            "n_rec": self.problem.network.n_rec,
        }


def step_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Time, and peak memory, of each (backend, rule) in each of its `modes`, at the given size."""
    timed = [Case(backend, rule, mode, **common) for backend, rule, mode in _in_modes(pairs, modes)]
    return timed + [dataclasses.replace(case, memory=True) for case in timed]


def library_cases(
    pairs: Iterable[tuple[str, str]],
    modes: Iterable[str],
    batches: Iterable[int],
    threads: Iterable[int | None],
    **common: Any,
) -> list[Case]:
    """Time of each (backend, rule) in each of its `modes` at each size; memory with the last of `threads`."""
    pairs, modes, threads = list(pairs), list(modes), list(threads)
    timed = [
        Case(backend, rule, mode, batch=batch, threads=count, **common)
        for batch in batches
        for count in threads
        for backend, rule, mode in _in_modes(pairs, modes)
    ]
    metered = [dataclasses.replace(case, memory=True) for case in timed if case.threads == threads[-1]]
    return timed + metered


def length_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Peak memory of each (backend, rule) in each of its `modes` against the length of the trial."""
    once = {**common, "batch": MEMORY_BATCH, "min_samples": 1, "seconds": 0.0, "memory": True}
    return [
        Case(backend, rule, mode, **once).sized(n_steps=n_steps)
        for backend, rule, mode in _in_modes(pairs, modes)
        for n_steps in SCALED_STEPS
    ]


def scaling_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Time, and peak memory, of each (backend, rule) in each of its `modes` against neurons and batch."""
    timed = []
    for backend, rule, mode in _in_modes(pairs, modes):
        plain = Case(backend, rule, mode, **common)
        few = dataclasses.replace(plain, batch=MEMORY_BATCH)
        timed += [few.sized(n_rec=n_rec) for n_rec in SCALED_NEURONS]
        timed += [dataclasses.replace(plain, batch=batch) for batch in SCALED_BATCHES]
    timed = list(dict.fromkeys(timed))  # the two lines of sizes meet in one
    return timed + [dataclasses.replace(case, memory=True) for case in timed]


def delayed(delay_ms: int) -> Problem:
    """The default problem with another delay before the answer, in ms: what commands that measure offer.

    Raises:
        InvalidArgument: (a ValueError) for a delay that is not what it may be.
    """
    return PROBLEMS[TASK_NAME].with_task(impl.EvidenceAccumulation(delay_ms=delay_ms))


def _in_modes(pairs: Iterable[tuple[str, str]], modes: Iterable[str]) -> list[tuple[str, str, str]]:
    wanted = set(modes)
    return [
        (backend, rule, mode) for backend, rule in pairs for mode in rules.get(rule).modes if mode in wanted
    ]
