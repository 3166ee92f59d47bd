"""Options that several commands share, and what is built from them.

@click.command
@problem_options
@results_option
def command(results: Path, **values: Any) -> None:
    with naming_options():
        problem = build_problem(values)
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

import implementations as impl
from benchmarks.harness.problem import Problem
from implementations.registry import DEVICES, DTYPES

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Field of the dataclass -> help. Defaults and types are those of the dataclass.
# Left out: Network.dt_ms, as the task counts in steps of 1 ms, and Network.n_out, as it has two answers.
_NETWORK = {
    "n_in": "Inputs; a multiple of 4.",
    "n_regular": "Recurrent neurons without threshold adaptation.",
    "n_adaptive": "Recurrent neurons with threshold adaptation.",
    "tau_membrane_ms": "Time constant of the membrane.",
    "tau_adaptation_ms": "Time constant of the threshold adaptation.",
    "tau_readout_ms": "Time constant of the readout.",
    "threshold": "Spike threshold.",
    "dampening": "Height of the pseudo-derivative.",
    "refractory_steps": "A neuron is silent for this many steps less one after a spike.",
}
_TASK = {
    "n_cues": "Cues per trial; odd.",
    "cue_ms": "Duration of a cue.",
    "interval_ms": "Time from one cue to the next.",
    "delay_ms": "Time from the last cue to the end of the trial.",
    "recall_ms": "The end of the delay, in which the answer counts: also the window of the loss.",
    "cue_rate_hz": "Rate of the inputs of a cue.",
    "noise_rate_hz": "Rate of the noise inputs.",
    "p_unfavoured": "Probability of a cue on the side that is not favoured.",
}
_OBJECTIVE = {
    "rate_target_hz": "Firing rate that the regularisation aims at.",
    "rate_cost": "Weight of the firing-rate regularisation.",
}


def problem_options(command: _Command) -> _Command:
    """Add the options of network, task and objective; `build_problem` takes their values."""
    groups = ((impl.Network, _NETWORK), (impl.EvidenceAccumulation, _TASK), (impl.Objective, _OBJECTIVE))
    options = [option for kind, helps in groups for option in _options(kind, helps)]
    for option in reversed(options):  # click shows the option that was added last first
        command = option(command)
    return command


def build_problem(values: Mapping[str, Any]) -> Problem:
    """Network, task and objective from the values of `problem_options`; other keys are ignored.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be.
    """
    task = impl.EvidenceAccumulation(n_in=values["n_in"], **{name: values[name] for name in _TASK})
    network = impl.Network(**{name: values[name] for name in _NETWORK})
    objective = impl.Objective(window=task.recall_ms, **{name: values[name] for name in _OBJECTIVE})
    return Problem(network, task, objective)


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


def _options(kind: type, helps: Mapping[str, str]) -> list[Callable[[_Command], _Command]]:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    return [
        click.option(
            "--" + name.replace("_", "-"),
            name,
            type=type(defaults[name]),
            default=defaults[name],
            show_default=True,
            help=text,
        )
        for name, text in helps.items()
    ]
