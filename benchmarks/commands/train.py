"""`python -m benchmarks train`: training runs, recorded under results/curves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

import implementations as impl
from benchmarks.commands.options import build_problem, naming_options, problem_options, results_option
from benchmarks.harness.curve_file import UnusableFile
from benchmarks.harness.curves import Run, record
from benchmarks.harness.interruption import Interrupted
from benchmarks.harness.progress import display
from implementations.registry import DEVICES, DTYPES
from implementations.rules import MODES, get
from implementations.training import NonFiniteLoss, Plan

ALL = "all"
_INTERRUPTED = 130  # what a shell reports for Ctrl-C


class Names(click.ParamType):
    """Names out of a list, separated by commas, or `all`."""

    def __init__(self, singular: str, allowed: tuple[str, ...]) -> None:
        self.name = singular
        self._allowed = allowed

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What `--help` shows as the value."""
        return "NAMES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names, each of which is allowed."""
        names = tuple(name.strip() for name in str(value).split(","))
        for name in names:
            if name != ALL and name not in self._allowed:
                allowed = ", ".join((*self._allowed, ALL))
                self.fail(f"{name!r} is no {self.name}; it may be {allowed}", param, ctx)
        return names


@click.command("train", context_settings={"max_content_width": 100})
@click.option(
    "--backend",
    "backends",
    type=Names("backend", impl.BACKENDS),
    multiple=True,
    default=(ALL,),
    help=f"Backends, separated by commas: {', '.join(impl.BACKENDS)}, or all (default), what can run here.",
)
@click.option(
    "--rule",
    "rules",
    type=Names("rule", impl.RULES),
    multiple=True,
    default=(ALL,),
    help=f"Rules, separated by commas: {', '.join(impl.RULES)}, or all (default), what can run here.",
)
@click.option(
    "--mode", type=click.Choice(MODES), default=MODES[0], show_default=True, help="Form of the rule."
)
@click.option("--seeds", type=int, metavar="N", help="Run the seeds 0 to N-1.")
@click.option("--seed", type=int, metavar="K", help="Run this seed alone. [default: 0]")
@click.option("--steps", type=int, default=Plan.steps, show_default=True, help="Training steps.")
@click.option("--batch", type=int, default=Plan.batch, show_default=True, help="Trials per step.")
@click.option(
    "--learning-rate", type=float, default=impl.Adam.learning_rate, show_default=True, help="Of Adam."
)
@click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True, help="Precision.")
@click.option(
    "--device", type=click.Choice(DEVICES), default=DEVICES[0], show_default=True, help="Where to run."
)
@click.option("--threads", type=int, help="CPU threads. [default: all that the process may use]")
@click.option(
    "--evaluate-every", type=int, default=Plan.evaluate_every, show_default=True, help="Steps between points."
)
@click.option(
    "--test-trials", type=int, default=Plan.test_trials, show_default=True, help="Fresh trials per point."
)
@click.option(
    "--stop-early/--no-stop-early",
    default=Plan.stop_early,
    show_default=True,
    help="End where the published stopping criterion is met.",
)
@problem_options
@results_option
def command(
    backends: tuple[tuple[str, ...], ...],
    rules: tuple[tuple[str, ...], ...],
    seeds: int | None,
    seed: int | None,
    results: Path,
    **values: Any,
) -> None:
    """Train, and record how well the network does as it learns.

    Each backend, rule and seed is a run with a file of its own under RESULTS/curves. What is recorded is
    never measured again: a run that was interrupted goes on where it was, a longer one goes on from the end.
    """
    with naming_options():
        wanted_seeds = _seeds(seeds, seed)
        plans = [_plan(values, number) for number in wanted_seeds]
        problem = build_problem(values)
        optimizer = impl.Adam(learning_rate=values["learning_rate"])
        mode, device = values["mode"], values["device"]
        pairs = _pairs(_chosen(backends), _chosen(rules), device, mode)
        runs = [
            Run(backend, rule, mode, values["dtype"], device, values["threads"], problem, optimizer, plan)
            for plan in plans
            for backend, rule in pairs
        ]
        for run in runs[: len(pairs)]:  # one seed of each: raises where an argument doesn't fit a backend
            run.learner()
    failed = 0
    for run in runs:
        try:
            record(run, results, display)
        except (UnusableFile, NonFiniteLoss, OSError) as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
        except Interrupted as stop:
            click.echo(str(stop), err=True)
            raise SystemExit(stop.exit_code) from None
        except KeyboardInterrupt:
            click.echo(f"{run.title}: interrupted before training; the same command goes on", err=True)
            raise SystemExit(_INTERRUPTED) from None
    if failed:
        click.echo(f"{failed} of {len(runs)} runs failed", err=True)
        raise SystemExit(1)


def _seeds(seeds: int | None, seed: int | None) -> range:
    if seeds is not None and seed is not None:
        raise click.BadOptionUsage(
            "seed", "--seeds runs the seeds 0 to N-1 and --seed one alone: give one of them"
        )
    if seeds is None:
        first = 0 if seed is None else seed
        return range(first, first + 1)
    if seeds < 1:
        raise click.BadParameter(f"{seeds} is not what it may be, any integer >= 1", param_hint="'--seeds'")
    return range(seeds)


def _plan(values: dict[str, Any], seed: int) -> Plan:
    names = ("steps", "batch", "evaluate_every", "test_trials", "stop_early")
    return Plan(seed=seed, **{name: values[name] for name in names})


def _chosen(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The names of all uses of an option, each once, or `all` alone."""
    names = tuple(dict.fromkeys(name for group in groups for name in group))
    return (ALL,) if ALL in names else names


def _pairs(
    backends: tuple[str, ...], rules: tuple[str, ...], device: str, mode: str
) -> list[tuple[str, str]]:
    """Backends with rules that can run here.

    What was asked for by name and can't run is an error. What `all` stands for and can't run is left out,
    with a line that says why.
    """
    pairs = []
    left_out: list[str] = []
    for backend in impl.BACKENDS if backends == (ALL,) else backends:
        reason = impl.unavailable(backend, device)
        if reason is not None:
            if backends != (ALL,):
                raise click.BadParameter(
                    f"{backend!r} with --device {device} can't run here: {reason}", param_hint="'--backend'"
                )
            left_out.append(f"leaving out {backend}: {reason}")
            continue
        for rule in impl.RULES if rules == (ALL,) else rules:
            if mode not in get(rule).modes:
                reason = f"it has no mode {mode}, only {' and '.join(get(rule).modes)}"
            else:
                reason = impl.unavailable(backend, device, rule, mode)
            if reason is None:
                pairs.append((backend, rule))
            elif rules == (ALL,) or backends == (ALL,):
                left_out.append(f"leaving out {rule} on {backend}: {reason}")
            else:
                raise click.BadParameter(f"{rule!r} can't run here: {reason}", param_hint="'--rule'")
    if not pairs:
        raise click.UsageError(
            "nothing of what --backend and --rule ask for can run here: " + "; ".join(left_out)
        )
    for line in left_out:
        click.echo(line)
    return pairs
