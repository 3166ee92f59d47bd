"""`Task`: all that training, measuring and drawing ask of a task; each is one file that answers."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from implementations import checks
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import tracked
from implementations.tasks.measure import Measure
from implementations.tasks.raster import Raster
from implementations.types import Batch


@dataclass(frozen=True)
class Recipe:
    """How a network is trained on a task unless told otherwise.

    Attributes:
        batch: trials per step.
        learning_rate: of Adam.
        steps: training steps.
        evaluate_every: steps between points.
    """

    batch: int = 64
    learning_rate: float = 0.005
    steps: int = 400
    evaluate_every: int = 10


@dataclass(frozen=True)
class Quick:
    """A training of seconds, so easy that what learns can't be taken for what doesn't: what ASV tracks.

    Attributes:
        task, network, objective: what is learned.
        recipe: how, with `recipe.steps` in all.
        counted_from: the error is the mean over the points from this step on.
        seeds: of as many trainings, a sample each.
        rules: that are trained; by default those whose cost ASV follows.
    """

    task: "Task"
    network: Network
    objective: Objective
    recipe: Recipe
    counted_from: int
    seeds: tuple[int, ...] = (0, 1)
    rules: tuple[str, ...] = field(default_factory=tracked)


@dataclass(frozen=True)
class Reference:
    """A figure that those of trained networks are held against.

    Attributes:
        who: what reaches it.
        figure: of the task's measure; `spread` its standard deviation, NaN where none was told.
        source: where it is from, and what was other than here.
    """

    who: str
    figure: float
    source: str
    spread: float = float("nan")


SPLITS = ("train", "validation", "test")
"""What trials are for: to learn from, to choose a network by, and to judge the one that was chosen."""


def of_split(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """(size,) indices of `count` trials: each once before any comes again."""
    rounds = [rng.permutation(count) for _ in range(-(-size // count))]
    return np.concatenate(rounds)[:size]


def option(default: Any, text: str, heading: str = "") -> Any:
    """A field of a task that is an option of the command line.

    Args:
        default: as published.
        text: what `--help` says of it.
        heading: what axes and tables call it; by default its name.
    """
    return dataclasses.field(default=default, metadata={"help": text, "heading": heading})


class Task(ABC):
    """A frozen dataclass that draws trials, and says what network solves them and how that is judged.

    Its fields are settings of the trials, their defaults those that were published; `option` makes one an
    option of commands.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    name: ClassVar[str]
    """As records and options name the task."""

    measure: ClassVar[Measure]
    """What is quoted of a network on this task, and when the task counts as learned."""

    network: ClassVar[Network]
    """As published."""

    recipe: ClassVar[Recipe] = Recipe()
    """As published."""

    frozen: ClassVar[bool] = False
    """Whether a run has one batch, drawn once and seen at every step, rather than fresh ones."""

    given: ClassVar[bool] = False
    """Whether its trials are somebody's own, so that nothing is known of it before they are given."""

    scaled_readout: ClassVar[bool] = False
    """Whether initial W_out and feedback are N(0, 1)/sqrt(n_rec), not those of evidence accumulation."""

    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Fields that make the task harder -> values worth a sweep, the published one among them."""

    dt_ms: ClassVar[float] = 1.0
    """Duration of a step."""

    n_in: int
    """Number of inputs."""

    @property
    @abstractmethod
    def n_out(self) -> int:
        """Number of outputs."""

    @property
    @abstractmethod
    def window(self) -> int:
        """Steps at the end of a trial in which the loss counts."""

    @property
    @abstractmethod
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""

    @property
    @abstractmethod
    def objective(self) -> Objective:
        """As published, for trials like these."""

    @abstractmethod
    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """`size` trials; the same seed gives the same ones."""

    def trials(self, size: int, seed: int | np.random.SeedSequence, split: str) -> Batch:
        """`size` trials of one of `SPLITS`: those of `batch`, where trials are drawn anew each time."""
        checks.choice("split", split, SPLITS)
        return self.batch(size, seed)

    @property
    @abstractmethod
    def raster(self) -> Raster:
        """What is drawn of a trial."""

    def check_fits(self, network: Network) -> None:
        """Fail unless a step of the network lasts as long as one of the trials."""
        if network.dt_ms != self.dt_ms:
            checks.fail(
                "network.dt_ms", network.dt_ms, f"{self.dt_ms}, the step in ms of {self.name}'s trials"
            )

    def of_length(self, n_steps: int) -> Self:
        """The same task with trials of so many steps.

        Raises:
            InvalidArgument: (a ValueError) where there are no such trials.
        """
        if n_steps != self.n_steps:
            checks.fail("n_steps", n_steps, f"{self.n_steps}, as {self.name} has trials of one length")
        return self

    def shortest(self) -> Self:
        """The same task with trials as short as they can be: enough to warm up what computes them."""
        return self

    @classmethod
    def references(cls) -> tuple[Reference, ...]:
        """What others published, and what simpler means reach."""
        return ()

    @classmethod
    def quick(cls) -> Quick | None:
        """What ASV tracks of the task; None where there is no such training."""
        return None
