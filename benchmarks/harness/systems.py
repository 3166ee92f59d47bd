"""The systems that are measured: each builds learners, and draws the trials that they are measured on.

`Case.system` names one; what is particular to a system is said here and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import implementations as impl
from benchmarks.harness.problem import SYSTEM

if TYPE_CHECKING:
    from benchmarks.harness.cases import Case

_SEED = 0


class System(ABC):
    """What a case needs of a system; a case is of it where `case.system` is its name."""

    backends: tuple[str, ...]
    rules: tuple[str, ...]

    @abstractmethod
    def unavailable(self, case: Case) -> str | None:
        """Why a case can't run here, or is none that the system has; None where it can."""

    @abstractmethod
    def module(self, case: Case) -> str:
        """The module whose import brings all code of the case: what `import_s` measures."""

    @abstractmethod
    def learner(self, case: Case) -> impl.Learner:
        """A learner for the case, with fresh weights."""

    @abstractmethod
    def batch(self, case: Case) -> impl.Batch:
        """The trials of a step; the same ones for every case of the same size."""


class _Benchmark(System):
    """The network of README.md, on every backend."""

    backends = impl.BACKENDS
    rules = impl.RULES

    def unavailable(self, case: Case) -> str | None:
        return impl.unavailable(case.backend, case.device, case.rule, case.mode)

    def module(self, case: Case) -> str:
        return f"implementations.{case.backend}.learner"

    def learner(self, case: Case) -> impl.Learner:
        problem = case.problem
        return impl.learner(
            case.backend,
            case.rule,
            impl.Parameters.draw(problem.network, _SEED),
            network=problem.network,
            objective=problem.objective,
            mode=case.mode,
            dtype=case.dtype,
            device=case.device,
            threads=case.threads,
        )

    def batch(self, case: Case) -> impl.Batch:
        return case.problem.task.batch(case.batch, _SEED)


SYSTEMS: dict[str, System] = {SYSTEM: _Benchmark()}
