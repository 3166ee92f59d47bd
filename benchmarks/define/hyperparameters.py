"""Hyperparameters: the settings that sweeps vary and comparisons read, and the runs that come of it.

Those of training and network are rows here; those that make a task harder are said by the task.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from benchmarks.define import plugins
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.runs import Run
from implementations import checks


@dataclass(frozen=True)
class Hyperparameter:
    """One setting.

    Attributes:
        part: the part of a `Run` that holds it.
        kind: type of its values.
        text: for `--help`.
        heading: for axes and tables.
        values: that are worth a sweep, the published one among them.
    """

    name: str
    part: str
    kind: type[int] | type[float]
    text: str
    heading: str
    values: tuple[Any, ...]

    @property
    def option(self) -> str:
        """Of the command line."""
        return "--" + self.name.replace("_", "-")


# By factors of 2 to 4 around the published recipe of 0.005, 1, 2000 and 64.
_TRAINING = (
    Hyperparameter(
        "learning_rate", "optimizer", float, "Of Adam.", "learning rate", (0.001, 0.0025, 0.005, 0.01, 0.02)
    ),
    Hyperparameter(
        "rate_cost", "objective", float, "Weight of the firing-rate regularisation.", "rate cost",
        (0.1, 1.0, 10.0),
    ),
    Hyperparameter(
        "tau_adaptation_ms", "network", float, "Time constant of the threshold adaptation.",
        "adaptation time constant (ms)", (500.0, 1000.0, 2000.0, 4000.0),
    ),
    Hyperparameter("batch", "plan", int, "Trials per step.", "trials per step", (32, 64, 128)),
)  # fmt: skip

# What people train with beside that, off in the published recipes; from off to what cuts deep.
_OPTIMIZER = (
    Hyperparameter(
        "clip_norm", "optimizer", float, "Longest gradient, 0 for any.", "longest gradient",
        (0.0, 0.1, 0.3, 1.0, 3.0),
    ),
    Hyperparameter(
        "weight_decay", "optimizer", float, "Of Adam, beside its step.", "weight decay",
        (0.0, 0.001, 0.01, 0.1),
    ),
    Hyperparameter(
        "warm_up_steps", "optimizer", int, "Steps in which the learning rate grows.", "warm-up (steps)",
        (0, 20, 100),
    ),
    Hyperparameter(
        "cosine_steps", "optimizer", int, "Steps in which it falls along a cosine, 0 for none.",
        "cosine (steps)", (0, 400, 800),
    ),
    Hyperparameter(
        "halve_every", "optimizer", int, "Steps after which it is halved, 0 for never.",
        "halved every (steps)", (0, 100, 200),
    ),
)  # fmt: skip


def _of_tasks() -> dict[str, Hyperparameter]:
    """Of each task the fields that make it harder; tasks that share a name share the option."""
    found: dict[str, Hyperparameter] = {}
    for problem in PROBLEMS.values():
        by_name = {field.name: field for field in fields(problem.task)}  # pyright: ignore[reportArgumentType]
        for name, values in problem.task.difficulty.items():
            if name in {row.name for row in (*_TRAINING, *_OPTIMIZER)}:
                raise plugins.PluginError(
                    f"the task {problem.name!r} has {name!r} in `difficulty`, which is a hyperparameter of"
                    " training: rename the field"
                )
            said = by_name[name].metadata
            heading = said.get("heading") or name.replace("_", " ")
            row = Hyperparameter(name, "task", type(values[0]), said.get("help", ""), heading, values)
            found.setdefault(name, row)
    return found


HYPERPARAMETERS = {row.name: row for row in (*_TRAINING, *_OPTIMIZER)} | _of_tasks()
"""Name -> hyperparameter."""

Values = Mapping[str, Sequence[Any]]

PRESETS: Mapping[str, Values] = {
    "knobs": {row.name: row.values for row in _TRAINING},
    "difficulty": {row.name: row.values for row in HYPERPARAMETERS.values() if row.part == "task"},
    "optimizer": {row.name: row.values for row in _OPTIMIZER},
}
"""Name -> hyperparameters and their values: those of training and network, those of the tasks, and what the
published recipes do without."""


def preset(name: str, task: str) -> Values:
    """A preset as far as it is about a task; all of it where the task has nothing of it, for the error."""
    own = PROBLEMS[task].task.difficulty
    values = {**PRESETS[name], **{n: at for n, at in own.items() if n in PRESETS[name]}}
    return {n: at for n, at in values.items() if HYPERPARAMETERS[n].part != "task" or n in own} or values


def turned(run: Run, name: str, value: Any) -> Run:
    """`run` with one hyperparameter at a value.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be, or a hyperparameter that the
            task of this run does not have.
    """
    part = HYPERPARAMETERS[name].part
    if part in ("optimizer", "plan"):
        return replace(run, **{part: replace(getattr(run, part), **{name: value})})
    holder = getattr(run.problem, part)
    if not hasattr(holder, name):
        checks.fail(name, value, f"left out: the task {run.problem.name!r} has no such setting")
    return replace(run, problem=replace(run.problem, **{part: replace(holder, **{name: value})}))


def one_at_a_time(base: Sequence[Run], values: Values) -> list[Run]:
    """The runs of `base`, and each of them with one hyperparameter at one value, for all of them."""
    settings = [(name, value) for name, listed in values.items() for value in listed]
    return unique([*base, *(turned(run, name, value) for name, value in settings for run in base)])


def grid(base: Sequence[Run], values: Values) -> list[Run]:
    """Each run of `base` with every combination of the values; what has no values stays as it is."""
    found = []
    for combination in product(*values.values()):
        for run in base:
            for name, value in zip(values, combination, strict=True):
                run = turned(run, name, value)
            found.append(run)
    return unique(found)


def unique(runs: Iterable[Run]) -> list[Run]:
    """Each run once, where it came first: a value may be that of the recipe."""
    return list({run.name: run for run in runs}.values())
