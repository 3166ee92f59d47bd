"""`System`: all that measuring, training and drawing have to know of what computes a training step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Recordable, Trained
from implementations import checks, registry
from implementations.tasks import Raster


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


@dataclass(frozen=True)
class PublishedLog:
    """A log of a training that was published with a system.

    Attributes:
        path: of a CSV file, whose columns `store.published` names.
        source: where it is from, as a sentence without its full stop.
        rule: that was trained.
    """

    path: Path
    source: str
    rule: str


class System(ABC):
    """What a case needs of a system; a case is of it where `case.system` is its name.

    The one named "benchmark" is the network of README.md on its backends. Every other one is something that
    somebody has built elsewhere, measured as it is: one file beside this one, or a plug-in. Its figures stand
    beside those of the backends, and are no members of their comparison.
    """

    name: ClassVar[str]
    """As records and options have it."""

    title: ClassVar[str]
    """For people; "" for the system whose backends are compared."""

    environment: ClassVar[str] = ""
    """Of its own that it runs in, "" for that of the suite."""

    installed_by: ClassVar[str]
    """The command that installs what it needs."""

    same: ClassVar[str]
    """What is equal to the network of README.md, in one sentence."""

    differs: ClassVar[str]
    """What is not, in one sentence."""

    backends: tuple[str, ...]
    rules: tuple[str, ...]
    modes: tuple[str, ...]

    one_size: ClassVar[bool] = False
    """Whether it can compute its own size alone, so that nothing of it scales."""

    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Command ("train", "raster") -> names of the parameters of its command line that apply. A command that
    is not here does not know the system. Of no meaning for "benchmark", to which all apply."""

    default_rules: ClassVar[tuple[str, ...]] = ()
    """What those commands take where no rule is asked for."""

    log: ClassVar[PublishedLog | None] = None
    """That its training runs are shown beside."""

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

    # What `train` and `raster` ask of a system that `options` has them for

    def run(self, rule: str, steps: int, seed: int, device: str) -> Recordable:
        """A training run.

        Raises:
            InvalidArgument: (a ValueError) for an argument that is not what it may be, or cannot run here.
        """
        raise NotImplementedError(f"{self.name} is not trained")

    @property
    def log_line(self) -> Callable[[Any], str] | None:
        """A point -> the line that `train` prints; None where it prints what it does of the backends."""
        return None

    def check_raster(self, train_steps: int, trials: int) -> None:  # noqa: B027 (by default all can be)
        """Fail for numbers of steps or trials that a raster of it can't have.

        Raises:
            InvalidArgument: (a ValueError) that begins with the name of the argument.
        """

    def trials(self, training: Trained) -> tuple[impl.Batch, impl.Activity, impl.Network, Raster]:
        """Trials to look at, what the network makes of them, its sizes, and how they are drawn."""
        raise NotImplementedError(f"{self.name} is not drawn")

    def _other(self, case: Case, problem: Problem, **only: Any) -> str | None:
        """What of a case is not as it has to be: for systems of one size.

        Args:
            case: that is asked for.
            problem: the one that the system has.
            only: field of a case -> its one value.
        """
        lists = {"backend": self.backends, "rule": self.rules, "mode": self.modes}
        for name, allowed in lists.items():
            if getattr(case, name) not in allowed:
                return self._is(name, " or ".join(allowed), getattr(case, name))
        for name, value in only.items():
            if getattr(case, name) != value:
                return self._is(name, value, getattr(case, name))
        if case.problem.name != problem.name:
            return self._is("task", problem.name, case.problem.name)
        for part in ("task", "network", "objective"):
            here, there = getattr(case.problem, part), getattr(problem, part)
            for field in fields(there):
                if getattr(here, field.name) != getattr(there, field.name):
                    return self._is(field.name, getattr(there, field.name), getattr(here, field.name))
        return None

    def _is(self, name: str, there: Any, asked: Any) -> str:
        return f"the {self.name}'s {name} is {there}, not {asked}"


def fail_unless_available(title: str, reason: str | None) -> None:
    """Raise `InvalidArgument` where there is a reason why a system can't run here."""
    if reason is not None:
        raise checks.InvalidArgument(f"system: the {title} can't run here: {reason}")
