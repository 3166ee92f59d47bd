"""The systems that are measured: each builds learners, and draws the trials that they are measured on.

`Case.system` names one; what measuring has to know of a system is said here and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

import implementations as impl
from benchmarks.define.problem import NOTEBOOK, SYSTEM, TASK_NAME
from implementations import notebook, registry
from implementations.notebook.settings import N_BATCH, SETTINGS
from implementations.rules import MODES

if TYPE_CHECKING:
    from benchmarks.define.cases import Case

_SEED = 0


class Measurable(Protocol):
    """What is measured of a learner; `implementations.interface.Learner` says what each method does."""

    @property
    def engine(self) -> str:
        """Which of its ways to compute it took."""
        ...

    def load(self, batch: impl.Batch) -> Any:
        """Bring a batch to the device."""
        ...

    def step(self, loaded: Any) -> impl.Metrics:
        """One training step."""
        ...

    def evaluate(self, loaded: Any) -> impl.Metrics:
        """One forward pass."""
        ...

    def simulate(self, loaded: Any) -> impl.Activity:
        """Spikes and readout."""
        ...

    def synchronize(self) -> None:
        """Wait until all is done."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that training changes."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state."""
        ...


class System(ABC):
    """What a case needs of a system; a case is of it where `case.system` is its name."""

    backends: tuple[str, ...]
    rules: tuple[str, ...]
    modes: tuple[str, ...]

    @abstractmethod
    def unavailable(self, case: Case) -> str | None:
        """Why a case can't run here, or is none that the system has; None where it can."""

    @abstractmethod
    def module(self, case: Case) -> str:
        """The module whose import brings all code of the case: what `import_s` measures."""

    def packages(self, case: Case) -> tuple[str, ...]:
        """What the case computes with, the framework first: it decides whose device clock there is."""
        return registry.packages(case.backend)

    @abstractmethod
    def learner(self, case: Case) -> Measurable:
        """A learner for the case, with fresh weights."""

    @abstractmethod
    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        """The trials of a step; the same ones for every case of the same size. `number`: others."""


class _Benchmark(System):
    """The network of README.md, on every backend."""

    backends = impl.BACKENDS
    rules = impl.RULES
    modes = MODES

    def unavailable(self, case: Case) -> str | None:
        return impl.unavailable(case.backend, case.device, case.rule, case.mode)

    def module(self, case: Case) -> str:
        return f"implementations.{case.backend}.learner"

    def learner(self, case: Case) -> Measurable:
        problem = case.problem
        return impl.learner(
            case.backend,
            case.rule,
            impl.Parameters.draw(problem.network, _SEED, problem.readout_std),
            network=problem.network,
            objective=problem.objective,
            mode=case.mode,
            dtype=case.dtype,
            device=case.device,
            threads=case.threads,
        )

    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        return case.problem.task.batch(case.batch, _SEED + number)


class _Notebook(System):
    """The BrainPy notebook as it is: its size, its precision, and all cores, as BrainPy takes them."""

    backends = ("brainpy",)
    rules = tuple(notebook.RULES)
    modes = ("adjoint",)
    _FIXED: ClassVar = {
        "dtype": "float32",
        "task": TASK_NAME,
        "threads": None,
        "batch": N_BATCH,
        "delay_ms": SETTINGS["task"]["delay_ms"],
        "n_regular": SETTINGS["network"]["n_regular"],
        "n_adaptive": SETTINGS["network"]["n_adaptive"],
    }

    def unavailable(self, case: Case) -> str | None:
        for name, allowed in (("backend", self.backends), ("rule", self.rules), ("mode", self.modes)):
            if getattr(case, name) not in allowed:
                return f"the notebook's {name} is {' or '.join(allowed)}, not {getattr(case, name)}"
        for name, value in self._FIXED.items():
            if getattr(case, name) != value:
                return f"the notebook's {name} is {value}, not {getattr(case, name)}"
        return notebook.unavailable(case.device)

    def module(self, case: Case) -> str:
        return "implementations.notebook.learner"

    def learner(self, case: Case) -> Measurable:
        from implementations.notebook.learner import NotebookLearner  # imports BrainPy

        return NotebookLearner(case.rule, _SEED, case.device)

    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        from implementations.notebook import data  # imports BrainPy

        data.seed_trials(np.random.SeedSequence(_SEED + number))
        return impl.Batch(*data.draw(case.batch, case.problem.network.n_in, case.delay_ms))


SYSTEMS: dict[str, System] = {SYSTEM: _Benchmark(), NOTEBOOK: _Notebook()}
