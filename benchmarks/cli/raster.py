"""`python -m benchmarks raster`: what a network does in a trial, before or after training."""

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import implementations as impl
from benchmarks.cli import choices
from benchmarks.cli.choices import RULE_NAMES, OneRule, mode_option, system_option
from benchmarks.cli.options import (
    build_problem,
    machine_options,
    naming_options,
    problem_options,
    recipe_options,
    with_recipe,
)
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import Problem
from benchmarks.define.runs import Trained
from benchmarks.define.systems import SYSTEMS
from benchmarks.run.progress import Display, display
from benchmarks.store.files import check_writable
from implementations import rules
from implementations.training import NonFiniteLoss, Plan, Point, Training, shown_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.show.figures.raster import Trial

_WEIGHTS = ("w_in", "w_rec", "w_out")


@click.command("raster", context_settings={"max_content_width": 100})
@system_option("raster")
@click.option("--backend", type=click.Choice(impl.BACKENDS), default="numba", show_default=True)
@click.option(
    "--rule",
    type=OneRule(),
    default="eprop_symmetric",
    show_default=True,
    help=f"{RULE_NAMES}.",
)
@mode_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights and the trials.")
@click.option(
    "--train-steps", type=int, default=0, show_default=True, help="Train for so many steps before drawing."
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .npz file to start from, of w_in, w_rec, w_out and perhaps feedback; or a run's checkpoint.",
)
@click.option("--trials", type=int, default=1, show_default=True, help="Trials to draw, side by side.")
@recipe_options("batch", "learning_rate")
@machine_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("results/report/raster.png"),
    show_default=True,
    help="File to write, .png or .svg.",
)
@problem_options
def command(system: str, out: Path, **values: Any) -> None:
    """Draw what a network does in one trial.

    Inputs, recurrent spikes of regular and adaptive neurons, and the readout over time: with its answer, or
    beside its target, as the task has it. The same seed draws the
    same trials for every backend and rule; none of which is trained on, but for those of a frozen task.

    `--system notebook` draws the BrainPy notebook, by bptt unless --rule says otherwise; of the options below
    only --backend, --rule, --seed, --train-steps, --trials, --device and --out apply to it. Its "regular"
    neurons adapt too.
    """
    from benchmarks.show.figures import raster  # here, as `--help` is not to wait for Matplotlib

    if out.suffix not in (".png", ".svg"):
        raise click.BadParameter(f"{out.name!r} ends in neither .png nor .svg", param_hint="'--out'")
    for name, least in (("train_steps", 0), ("trials", 1)):
        value = values[name]
        if value < least:
            raise click.BadParameter(
                f"{value} is not what it may be, any integer >= {least}",
                param_hint="--" + name.replace("_", "-"),
            )
    check_writable(out)
    values = with_recipe(values)
    raster.save(_of_backends(**values) if system == SYSTEM else _as_it_is(system, **values), out)
    click.echo(str(out))


def _of_backends(
    backend: str, rule: str, seed: int, train_steps: int, trials: int, **values: Any
) -> "Figure":
    from benchmarks.show.figures import raster

    with naming_options():
        problem = build_problem(values)
        parameters = problem.initial_parameters(seed)
        if values["weights"] is not None:
            parameters = _read(values["weights"], parameters)
        learner = impl.learner(
            backend,
            rule,
            parameters,
            network=problem.network,
            objective=problem.objective,
            mode=values["mode"],
            optimizer=impl.Adam(learning_rate=values["learning_rate"]),
            dtype=values["dtype"],
            device=values["device"],
            threads=values["threads"],
        )
        # One evaluation, at the end: the curves of a training are what `train` is for.
        plan = Plan(train_steps, values["batch"], seed, evaluate_every=train_steps) if train_steps else None
    name = f"{rules.get(rule).title} on {backend}"
    if plan is not None:
        _train(Training(learner, problem.task, plan, name), name, plan.steps, display)
    drawn = _trials(learner, problem, trials, seed)
    state = _state(train_steps, values["weights"] is not None)
    return raster.draw(drawn, problem.network, problem.task.raster, f"{name}, {state}, seed {seed}")


def _as_it_is(
    name: str, rule: str, seed: int, train_steps: int, trials: int, device: str, **values: Any
) -> "Figure":
    """Of a system that is what it is."""
    from benchmarks.show.figures import raster

    system = SYSTEMS[name]
    choices.refuse_other_options(name, "raster")
    choices.of_system(name, "backend", (values["backend"],))
    (rule,) = choices.of_system(name, "rule", (rule,))
    with naming_options():
        system.check_raster(train_steps, trials)
        run = system.run(rule, train_steps, seed, device)
    training = run.training()
    if train_steps:
        _train(training, run.title, train_steps, partial(display, line=system.log_line))
    batch, activity, network, shown = system.trials(training)
    title = f"{rules.get(rule).title}, {system.title}, {_state(train_steps, False)}, seed {seed}"
    return raster.draw(_drawn(batch, activity, trials), network, shown, title)


def _train(training: Trained, title: str, steps: int, show: Callable[[str, int], Display]) -> None:
    try:
        with show(title, steps) as shown:
            training.warm_up()
            shown.start(0)
            for event in training.events():
                shown.point(event) if isinstance(event, Point) else shown.step(event)
    except NonFiniteLoss as error:
        raise click.ClickException(str(error)) from error


def _trials(learner: impl.Learner, problem: Problem, count: int, seed: int) -> "list[Trial]":
    batch = shown_trials(problem.task, count, seed)
    return _drawn(batch, learner.simulate(learner.load(batch)), count)


def _drawn(batch: impl.Batch, activity: impl.Activity, count: int) -> "list[Trial]":
    """The first `count` trials of a batch, with what a network made of them."""
    from benchmarks.show.figures.raster import Trial

    return [
        Trial(
            *(batch.spikes[i], activity.spikes[i], activity.readout[i], batch.targets[i]),
            mask=None if batch.mask is None else batch.mask[i],
        )
        for i in range(count)
    ]


def _read(path: Path, fresh: impl.Parameters) -> impl.Parameters:
    """The weights in a file; a feedback that it lacks is that of `fresh`, as a trial does not use it."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name.removeprefix("learner."): arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise click.BadParameter(f"{path} is no .npz file of arrays", param_hint="'--weights'") from error
    missing = [name for name in _WEIGHTS if name not in found]
    if missing:
        raise click.BadParameter(f"{path} lacks {', '.join(missing)}", param_hint="'--weights'")
    feedback = found.get("feedback", fresh.feedback)
    return impl.Parameters(found["w_in"], found["w_rec"], found["w_out"], feedback)


def _state(steps: int, read: bool) -> str:
    if steps:
        return f"after {steps} {'more ' if read else ''}training steps"
    return "weights from a file" if read else "untrained"
