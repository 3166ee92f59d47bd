"""Knobs: the settings that sweeps turn and comparisons read, and the runs that come of turning them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from benchmarks.run.train import Run
from implementations import checks


@dataclass(frozen=True)
class Knob:
    """One setting. `part` is the part of a `Run` that holds it; values are of the type `kind`."""

    name: str
    part: str
    kind: type[int] | type[float]
    text: str

    @property
    def option(self) -> str:
        """Of the command line."""
        return "--" + self.name.replace("_", "-")


KNOBS = {
    knob.name: knob
    for knob in (
        Knob("learning_rate", "optimizer", float, "Of Adam."),
        Knob("rate_cost", "objective", float, "Weight of the firing-rate regularisation."),
        Knob("tau_adaptation_ms", "network", float, "Time constant of the threshold adaptation."),
        Knob("batch", "plan", int, "Trials per step."),
        Knob("n_cues", "task", int, "Cues per trial; odd."),
        Knob("delay_ms", "task", int, "Time from the last cue to the end of the trial."),
    )
}

Values = Mapping[str, Sequence[Any]]

PRESETS: Mapping[str, Values] = {
    # By factors of 2 to 4 around the published recipe of 0.005, 1, 2000 and 64.
    "knobs": {
        "learning_rate": (0.001, 0.0025, 0.005, 0.01, 0.02),
        "rate_cost": (0.1, 1.0, 10.0),
        "tau_adaptation_ms": (500.0, 1000.0, 2000.0, 4000.0),
        "batch": (32, 64, 128),
    },
    # From a task of one cue to one of more than published; delays up to twice the adaptation's half-life.
    "difficulty": {
        "n_cues": (1, 3, 5, 7, 9, 11),
        "delay_ms": (300, 600, 1200, 1800, 2400),
    },
}


def turned(run: Run, name: str, value: Any) -> Run:
    """`run` with one knob at a value.

    Raises:
        InvalidArgument: (a ValueError) for a value that is not what it may be, or a knob that the task of
            this run does not have.
    """
    part = KNOBS[name].part
    if part in ("optimizer", "plan"):
        return replace(run, **{part: replace(getattr(run, part), **{name: value})})
    holder = getattr(run.problem, part)
    if not hasattr(holder, name):
        checks.fail(name, value, f"left out: the task {run.problem.name!r} has no such setting")
    return replace(run, problem=replace(run.problem, **{part: replace(holder, **{name: value})}))


def one_at_a_time(base: Sequence[Run], values: Values) -> list[Run]:
    """The runs of `base`, and each of them with one knob at one value, for all knobs and values."""
    settings = [(name, value) for name, listed in values.items() for value in listed]
    return unique([*base, *(turned(run, name, value) for name, value in settings for run in base)])


def grid(base: Sequence[Run], values: Values) -> list[Run]:
    """Each run of `base` with every combination of the values; knobs without values stay as they are."""
    found = []
    for combination in product(*values.values()):
        for run in base:
            for name, value in zip(values, combination, strict=True):
                run = turned(run, name, value)
            found.append(run)
    return unique(found)


def unique(runs: Iterable[Run]) -> list[Run]:
    """Each run once, where it came first: a knob's value may be that of the recipe."""
    return list({run.name: run for run in runs}.values())
