"""A problem is a network, the task that drives it, and the objective; those published have names."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from benchmarks.define import plugins
from implementations import EvidenceAccumulation, Network, Objective, Parameters, Task
from implementations.tasks import MEASURES, TASKS, Recipe
from implementations.training import initial_parameters


@dataclass(frozen=True)
class Problem:
    """A task, a network with as many inputs and outputs, and an objective that fits the task.

    Raises:
        InvalidArgument: (a ValueError) where steps of the network and of the trials do not last as long.
    """

    network: Network
    task: Task
    objective: Objective

    def __post_init__(self) -> None:
        self.task.check_fits(self.network)

    @classmethod
    def of(cls, task: Task, network: Network | None = None) -> Self:
        """A task with the network and the objective that were published for it."""
        return cls(task.network if network is None else network, task, task.objective)

    @property
    def name(self) -> str:
        """The task's."""
        return self.task.name

    @property
    def recipe(self) -> Recipe:
        """The task's."""
        return self.task.recipe

    @property
    def readout_std(self) -> float | None:
        """Of initial W_out and feedback, as `Parameters.draw` takes it."""
        return self.network.n_rec**-0.5 if self.task.scaled_readout else None

    def initial_parameters(self, seed: int) -> Parameters:
        """The weights that a run with this seed starts from."""
        return initial_parameters(self.network, seed, self.readout_std)

    def with_task(self, task: Task) -> Self:
        """The same with other trials of its task."""
        return replace(self, task=task, objective=replace(self.objective, window=task.window))

    def sized(self, *, n_steps: int | None = None, n_rec: int | None = None) -> Self:
        """The same with longer or shorter trials, or another number of recurrent neurons.

        The network keeps its share of adaptive neurons, half of them or none.

        Raises:
            InvalidArgument: (a ValueError) for a size that is not what it may be.
        """
        found = self if n_steps is None else self.with_task(self.task.of_length(n_steps))
        if n_rec is None:
            return found
        n_regular = n_rec // 2 if found.network.n_adaptive else n_rec
        return replace(
            found, network=replace(found.network, n_regular=n_regular, n_adaptive=n_rec - n_regular)
        )


PROBLEMS = {name: Problem.of(task()) for name, task in TASKS.items()}
"""Name of the task -> the problem as published, those of plug-ins last."""

TASK_NAME = EvidenceAccumulation.name
"""Of the task that the suite began with, and the default."""


def _of_plugins() -> Iterator[tuple[str, Problem]]:
    for task in plugins.classes(Task):
        if task.measure.column not in {measure.column for measure in MEASURES}:
            columns = " or ".join(measure.column for measure in MEASURES)
            raise plugins.PluginError(
                f"the task {task.name!r} has a measure {task.measure.column!r}; it may be {columns},"
                " as implementations.tasks has them"
            )
        yield task.name, Problem.of(task())


# Last, as plug-ins import what is above
plugins.extend(PROBLEMS, _of_plugins, "task")

DEFAULT = next((task.name for task in plugins.classes(Task) if task.given), TASK_NAME)
"""The task that commands take where none is named: somebody's own data, where they are given."""
