"""`Task`: what training asks of a task."""

from dataclasses import Field
from typing import Any, ClassVar, Protocol

import numpy as np

from implementations.tasks.measure import Measure
from implementations.types import Batch


class Task(Protocol):
    """A dataclass that draws trials for a network with `n_in` inputs, and says how that is judged on them."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    name: ClassVar[str]
    """As records and options name the task."""

    measure: ClassVar[Measure]
    """What is quoted of a network on this task, and when the task counts as learned."""

    frozen: ClassVar[bool]
    """Whether a run has one batch, drawn once and seen at every step, rather than fresh ones."""

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        ...

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        ...

    @property
    def window(self) -> int:
        """Steps at the end of a trial in which the loss counts."""
        ...

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        ...

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """`size` trials; the same seed gives the same ones."""
        ...
