"""What is measured: one `Case` each, and the sizes with why they were chosen."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import implementations as impl
from benchmarks.define.problem import PROBLEMS, SYSTEM, TASK_NAME, Problem
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import memory
from implementations import checks, rules

BATCH = 128
"""Trials per step: what the BrainPy notebook that this suite started from uses."""

MEMORY_BATCH = 32
"""Trials per step of the cases that scale the trial: the longest then costs as much as one at BATCH."""

MEMORY_DELAYS_MS = (1200, 3450, 7950)
"""Delays that make trials of 2250 (the published length), 4500 and 9000 steps."""

SCALED_NEURONS = (50, 100, 200, 400)
"""Recurrent neurons, half of them adaptive, at MEMORY_BATCH: from half the published size, where a step of a
time loop costs mostly its overhead, to four times, where it costs its products with the weights."""

SCALED_BATCHES = (8, 32, 128, 512)
"""Trials per step, at the published size: from fewer than a processor has lanes to more than caches hold."""


@dataclass(frozen=True)
class Case:
    """One combination to measure, in a process of its own.

    Attributes:
        memory: measure the peak memory of a step, after a warm-up on a tiny batch. Otherwise measure
            import and first step, as they come in a fresh process.
        delay_ms, n_regular, n_adaptive: of evidence accumulation; another task has its published sizes.
        system: whose network and step, one of `systems.SYSTEMS`.
        task: one of `problem.PROBLEMS`.
        min_samples, seconds: warm steps are timed until there are so many samples and so many seconds.
    """

    backend: str
    rule: str
    mode: str
    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    batch: int = BATCH
    delay_ms: int = impl.EvidenceAccumulation.delay_ms
    n_regular: int = impl.Network.n_regular
    n_adaptive: int = impl.Network.n_adaptive
    memory: bool = False
    system: str = SYSTEM
    task: str = TASK_NAME
    min_samples: int = 3
    seconds: float = 0.5

    def __post_init__(self) -> None:
        checks.choice("system", self.system, SYSTEMS)
        checks.choice("task", self.task, PROBLEMS)
        checks.integer("batch", self.batch, 1)
        checks.integer("min_samples", self.min_samples, 1)
        checks.number("seconds", self.seconds, minimum=0.0)
        if self.threads is not None:
            checks.integer("threads", self.threads, 1)

    @property
    def problem(self) -> Problem:
        """Network, task and objective of the case; a bad size is an InvalidArgument."""
        if self.task != TASK_NAME:
            return PROBLEMS[self.task]
        task = impl.EvidenceAccumulation(delay_ms=self.delay_ms)
        network = impl.Network(n_regular=self.n_regular, n_adaptive=self.n_adaptive)
        return Problem(network, task, impl.Objective(window=task.recall_ms))

    @property
    def unavailable(self) -> str | None:
        """Why the case can't run here; None where it can."""
        reason = SYSTEMS[self.system].unavailable(self)
        return memory.unavailable() if reason is None and self.memory else reason

    def record(self) -> dict[str, Any]:
        """The fields that name the case in a record."""
        problem = self.problem
        return {
            "system": self.system,
            "backend": self.backend,
            "rule": self.rule,
            "mode": self.mode,
            "dtype": self.dtype,
            "device": self.device,
            "threads": self.threads,
            "batch": self.batch,
            "n_steps": problem.task.n_steps,
            "n_rec": problem.network.n_rec,
        }


def step_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Time, and peak memory, of each (backend, rule) in each of its `modes`, at the published size."""
    timed = [Case(backend, rule, mode, **common) for backend, rule, mode in _in_modes(pairs, modes)]
    return timed + [dataclasses.replace(case, memory=True) for case in timed]


def length_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Peak memory of each (backend, rule) in each of its `modes` against the length of the trial."""
    sized = {**common, "batch": MEMORY_BATCH, "min_samples": 1, "seconds": 0.0, "memory": True}
    return [
        Case(backend, rule, mode, delay_ms=delay_ms, **sized)
        for backend, rule, mode in _in_modes(pairs, modes)
        for delay_ms in MEMORY_DELAYS_MS
    ]


def scaling_cases(pairs: Iterable[tuple[str, str]], modes: Iterable[str], **common: Any) -> list[Case]:
    """Time, and peak memory, of each (backend, rule) in each of its `modes` against neurons and batch."""
    sizes = [
        {"n_regular": n_rec // 2, "n_adaptive": n_rec - n_rec // 2, "batch": MEMORY_BATCH}
        for n_rec in SCALED_NEURONS
    ]
    sizes += [{"batch": batch} for batch in SCALED_BATCHES]
    timed = [
        Case(backend, rule, mode, **{**common, **size})
        for backend, rule, mode in _in_modes(pairs, modes)
        for size in sizes
    ]
    timed = list(dict.fromkeys(timed))  # the two lines of sizes meet in one
    return timed + [dataclasses.replace(case, memory=True) for case in timed]


def _in_modes(pairs: Iterable[tuple[str, str]], modes: Iterable[str]) -> list[tuple[str, str, str]]:
    wanted = set(modes)
    return [
        (backend, rule, mode) for backend, rule in pairs for mode in rules.get(rule).modes if mode in wanted
    ]
