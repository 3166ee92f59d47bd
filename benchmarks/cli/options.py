"""Options that several commands share, and what is built from them.

@click.command
@problem_options
@results_option
def command(results: Path, **values: Any) -> None:
    with naming_options():
        problem = build_problem(values)
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

import implementations as impl
from benchmarks.cli.choices import given
from benchmarks.define import plugins
from benchmarks.define.hyperparameters import HYPERPARAMETERS
from benchmarks.define.problem import DEFAULT, PROBLEMS, Problem
from implementations.registry import DEVICES, DTYPES
from implementations.training import Plan

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Field of the dataclass -> help. Defaults and types are those of the problems; of their fields, tasks say it.
# Left out: Network.dt_ms, as tasks count in steps of 1 ms, and Network.n_out, which is the task's.
_NETWORK = {
    "n_in": "Inputs",
    "n_regular": "Recurrent neurons without threshold adaptation.",
    "n_adaptive": "Recurrent neurons with threshold adaptation.",
    "tau_membrane_ms": "Time constant of the membrane.",
    "tau_adaptation_ms": "Time constant of the threshold adaptation.",
    "tau_readout_ms": "Time constant of the readout.",
    "threshold": "Spike threshold.",
    "dampening": "Height of the pseudo-derivative.",
    "refractory_steps": "A neuron is silent for this many steps less one after a spike.",
}
_OBJECTIVE = {
    "rate_target_hz": "Firing rate that the regularisation aims at.",
    "rate_cost": "Weight of the firing-rate regularisation.",
}
_RECIPE = {
    "steps": "Training steps.",
    "batch": "Trials per step.",
    "learning_rate": "Of Adam.",
    "evaluate_every": "Steps between points.",
}


def _said_by_tasks() -> dict[str, dict[str, str]]:
    """Field -> task -> what it says of it."""
    found: dict[str, dict[str, str]] = {}
    for name, problem in PROBLEMS.items():
        for field in dataclasses.fields(problem.task):  # pyright: ignore[reportArgumentType]
            if field.name != "n_in" and field.name in {*_NETWORK, *_OBJECTIVE, *_RECIPE}:
                raise plugins.PluginError(
                    f"the task {name!r} has a field {field.name!r}, which is an option of the network, the"
                    " objective or the recipe: rename it"
                )
            if "help" in field.metadata:
                found.setdefault(field.name, {})[name] = field.metadata["help"]
    return found


_SAID = _said_by_tasks()
_NETWORK["n_in"] += "".join(f"; for {task} {text}" for task, text in _SAID.pop("n_in", {}).items()) + "."
# Tasks that share a name of a field share the option, with what the first one says.
_TASK = {name: next(iter(texts.values())) for name, texts in _SAID.items()}
_ONLY_FRESH = ("test_trials", "final_trials")  # options of how many fresh trials a network is judged on


def data_option(command: _Command) -> _Command:
    """Add `--data FILE`. What it does is done before: `benchmarks.__main__` reads it where it stands."""
    return click.option(
        "--data",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        expose_value=False,
        help="Trials of your own, an .npz file as implementations.Recorded says: a task, and the default.",
    )(command)


def problem_options(command: _Command) -> _Command:
    """Add `--task` and the options of network, task and objective; `build_problem` takes their values."""
    options = [
        click.option(
            "--task",
            type=click.Choice(tuple(PROBLEMS)),
            default=DEFAULT,
            show_default=True,
            help="What is learned; defaults below that differ are said for each.",
        ),
        data_option,
        *(_option(name, text, "network") for name, text in _NETWORK.items()),
        *(_option(name, text, "task") for name, text in _TASK.items()),
        *(_option(name, text, "objective") for name, text in _OBJECTIVE.items()),
    ]
    for option in reversed(options):  # click shows the option that was added last first
        command = option(command)
    return command


def recipe_options(*names: str) -> Callable[[_Command], _Command]:
    """Add options of the task's recipe by their names; `with_recipe` fills in what is not given."""

    def add(command: _Command) -> _Command:
        for name in reversed(names):
            command = _option(name, _RECIPE[name], "recipe")(command)
        return command

    return add


def optimizer_options(command: _Command) -> _Command:
    """Add what people train with beside the recipe; `build_optimizer` takes the values."""
    rows = [row for row in HYPERPARAMETERS.values() if row.part == "optimizer" and row.name not in _RECIPE]
    for row in reversed(rows):
        off = getattr(impl.Adam(), row.name)
        command = click.option(
            row.option, row.name, type=row.kind, default=off, show_default=True, help=row.text
        )(command)
    return command


def build_optimizer(values: Mapping[str, Any]) -> impl.Adam:
    """Adam with the learning rate and the values of `optimizer_options`.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be.
    """
    names = [row.name for row in HYPERPARAMETERS.values() if row.part == "optimizer"]
    return impl.Adam(**{name: values[name] for name in names})


def with_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with those of the task's recipe where none was given."""
    recipe = dataclasses.asdict(PROBLEMS[values["task"]].recipe)
    return {name: recipe.get(name) if value is None else value for name, value in values.items()}


def build_problem(values: Mapping[str, Any]) -> Problem:
    """The task's problem, changed by the values of `problem_options` that were given; other keys are ignored.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be.
        BadParameter: (of click) an option was given that the task doesn't have.
    """
    problem = PROBLEMS[values["task"]]
    task_fields = {field.name for field in dataclasses.fields(problem.task)}
    for name in _TASK:
        if values[name] is not None and name not in task_fields:
            _refuse(name, problem.name, "which has no such thing")
    for name in _ONLY_FRESH:
        if problem.task.frozen and name in values and given(name):
            _refuse(name, problem.name, "whose trials are frozen: it is judged on those that it has")
    changed = _given(values, ("n_in", *_TASK))
    if problem.task.given and changed:
        _refuse(next(iter(changed)), problem.name, "whose trials are those of the file")
    task = dataclasses.replace(problem.task, **changed) if changed else problem.task  # pyright: ignore
    network = dataclasses.replace(problem.network, n_out=task.n_out, **_given(values, _NETWORK))
    objective = dataclasses.replace(problem.objective, window=task.window, **_given(values, _OBJECTIVE))
    return Problem(network, task, objective)


def _given(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if values[name] is not None}


def _refuse(name: str, task: str, reason: str) -> NoReturn:
    context = click.get_current_context()
    parameter = next((p for p in context.command.params if p.name == name), None)
    raise click.BadParameter(f"does not apply to --task {task}, {reason}: leave it out", context, parameter)


def results_option(command: _Command) -> _Command:
    """Add `--results DIR`, a `pathlib.Path` named `results`."""
    return click.option(
        "--results",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("results"),
        show_default=True,
        help="Directory of all that is measured.",
    )(command)


def machine_options(command: _Command) -> _Command:
    """Add `--dtype`, `--device` and `--threads`: where, and in which precision, a learner computes."""
    for option in (
        click.option("--threads", type=int, help="CPU threads. [default: all that the process may use]"),
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default=DEVICES[0],
            show_default=True,
            help="Where to run.",
        ),
        click.option(
            "--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Precision."
        ),
    ):
        command = option(command)
    return command


def judging_options(command: _Command) -> _Command:
    """Add `--test-trials` and `--stop-early`: on what a network is judged, and whether that ends a run."""
    for option in (
        click.option(
            "--stop-early/--no-stop-early",
            default=Plan.stop_early,
            show_default=True,
            help="End where the stopping criterion is met: the published one, or the task's own.",
        ),
        click.option(
            "--test-trials",
            type=int,
            default=Plan.test_trials,
            show_default=True,
            help="Fresh trials per point.",
        ),
    ):
        command = option(command)
    return command


def alignment_option(command: _Command) -> _Command:
    """Add `--alignment EVERY`, named `alignment_every` as in `Plan`; None where it is not given."""
    return click.option(
        "--alignment",
        "alignment_every",
        type=int,
        metavar="EVERY",
        help="Compare the rule's gradient with BPTT's at the same weights: at first, every EVERY steps and at"
        " the end.",
    )(command)


@contextmanager
def naming_options() -> Iterator[None]:
    """Turn an `InvalidArgument` into click's error (exit status 2) that names the option.

    The text of an `InvalidArgument` begins with the name of the argument; where the running command has an
    option of this name, the error points at it.
    """
    try:
        yield
    except impl.InvalidArgument as error:
        context = click.get_current_context()
        argument = str(error).split(maxsplit=1)[0]
        parameter = next((p for p in context.command.params if p.name == argument), None)
        raise click.BadParameter(str(error), context, parameter) from error


def _option(name: str, text: str, part: str) -> Callable[[_Command], _Command]:
    """An option without a default, which the task has: its help says what each task takes."""
    defaults = {
        task: getattr(getattr(problem, part), name)
        for task, problem in PROBLEMS.items()
        if name in {field.name for field in dataclasses.fields(getattr(problem, part))}
    }
    return click.option(
        "--" + name.replace("_", "-"),
        name,
        type=type(next(iter(defaults.values()))),
        help=f"{text} [default: {_told(defaults)}]",
    )


def _told(defaults: Mapping[str, Any]) -> str:
    if len(set(defaults.values())) == 1:
        return f"{next(iter(defaults.values()))}"
    tasks: dict[Any, list[str]] = {}
    for task, value in defaults.items():
        tasks.setdefault(value, []).append(task)
    return "; ".join(f"{value:.6g} for {', '.join(names)}" for value, names in tasks.items())
