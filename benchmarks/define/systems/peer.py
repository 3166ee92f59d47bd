"""`Peer`: a library that people use, on the network of README.md, measured in an environment of its own."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.systems.learners.learner import PeerLearner
from benchmarks.define.systems.system import System
from implementations import rules
from implementations.interface import Setting
from implementations.registry import DTYPES

_SEED = 0  # of the weights, and of the first trials: those that the backends are measured with


class Comparison(NamedTuple):
    """What of a gradient is held against the published numbers.

    Attributes:
        loss: "whole", or "task" without the regularisation of firing rates.
        trials: so many of the published batch, the first ones; None for all of them.
    """

    loss: Literal["whole", "task"] = "whole"
    trials: int | None = None


class Peer(System):
    """A library with our network in it, trained as its own documentation teaches: one file beside this one.

    Its code runs in the environment that peers.toml names, with another Python perhaps, and there with NumPy
    and that library alone: files import it inside `taught`, and nothing else that the suite depends on.
    """

    environment: ClassVar[str]
    """The section of peers.toml that has its packages, and `make peer-ENVIRONMENT` builds."""

    package: ClassVar[str]
    """The distribution whose version is shown."""

    imports: ClassVar[str]
    """The module that users import, which `import_s` measures."""

    licence: ClassVar[str]

    followed: ClassVar[str]
    """What of its own documentation was followed, in one sentence."""

    cannot: ClassVar[str]
    """What it cannot do of all that the backends do, in one sentence."""

    computes: ClassVar[Mapping[str, tuple[str, ...]]]
    """Rule -> its modes."""

    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    """The first is measured where another one is asked for."""

    bound: ClassVar[float] = 1e-12
    """The largest deviation from the published numbers, in float64, with which it is drawn beside others."""

    cost_alone: ClassVar[str] = ""
    """Where its cost alone is shown, why: "its own network"; "" where gradients have to agree."""

    one_size = False

    @property
    def installed_by(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The command that builds its environment."""
        return f"make peer-{self.environment}"

    @property
    def backends(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Itself alone: records name it as its backend, too."""
        return (self.name,)

    @property
    def rules(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those that it computes."""
        return tuple(self.computes)

    @property
    def modes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All that any of its rules has."""
        return tuple(dict.fromkeys(mode for modes in self.computes.values() for mode in modes))

    def comparisons(self, rule: str, mode: str) -> tuple[Comparison, ...]:
        """What of its gradients has to agree with the published ones."""
        return (Comparison(),)

    @abstractmethod
    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """The network with these weights, trained as the library's documentation has it."""

    def unavailable(self, case: Case) -> str | None:
        """Why it has no such case; whether its environment is there is for `run.peers` to say."""
        found = PROBLEMS[TASK_NAME].objective
        for name, asked, allowed in (
            ("rule", case.rule, self.rules),
            ("mode", case.mode, self.computes.get(case.rule, ())),
            ("dtype", case.dtype, self.dtypes),
            ("device", case.device, ("cpu",)),
            ("loss", case.problem.objective.loss, (found.loss,)),
        ):
            if asked not in allowed:
                return self._is(name, " or ".join(allowed), asked)
        return None

    def setting(self, case: Case) -> Setting:
        """What a learner for the case is to do."""
        problem = case.problem
        return Setting(
            rules.get(case.rule),
            case.mode,
            problem.network,
            problem.objective,
            impl.Adam(),
            np.dtype(case.dtype),
            case.device,
            case.threads,
        )

    def parameters(self, case: Case) -> impl.Parameters:
        """The weights that the backends are measured with."""
        return impl.Parameters.draw(case.problem.network, _SEED, case.problem.readout_std)

    def module(self, case: Case) -> str:
        """See `System`."""
        return self.imports

    def packages(self, case: Case) -> tuple[str, ...]:
        """See `System`."""
        return (self.imports.partition(".")[0],)

    def learner(self, case: Case) -> PeerLearner:
        """See `System`."""
        return self.taught(self.setting(case), self.parameters(case))

    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        """See `System`."""
        return case.problem.task.batch(case.batch, _SEED + number)
