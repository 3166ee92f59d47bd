"""`python -m benchmarks train`: training runs, recorded under results/curves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import implementations as impl
from benchmarks.cli import choices
from benchmarks.cli.choices import backend_option, chosen, mode_option, rule_option, system_option
from benchmarks.cli.options import (
    build_problem,
    judging_options,
    machine_options,
    naming_options,
    problem_options,
    recipe_options,
    results_option,
    with_recipe,
)
from benchmarks.cli.recording import exit_if_failed, record_all
from benchmarks.define.problem import NOTEBOOK, SYSTEM
from benchmarks.run.notebook import Log, NotebookRun
from benchmarks.run.progress import Display, display
from benchmarks.run.train import Recordable, Run
from implementations import notebook
from implementations.training import Plan


@click.command("train", context_settings={"max_content_width": 100})
@system_option
@backend_option
@rule_option
@mode_option
@click.option("--seeds", type=int, metavar="N", help="Run the seeds 0 to N-1.")
@click.option("--seed", type=int, metavar="K", help="Run this seed alone. [default: 0]")
@recipe_options("steps", "batch", "learning_rate")
@machine_options
@recipe_options("evaluate_every")
@judging_options
@problem_options
@results_option
def command(system: str, seeds: int | None, seed: int | None, results: Path, **values: Any) -> None:
    """Train, and record how well the network does as it learns.

    Each backend, rule and seed is a run with a file of its own under RESULTS/curves. What is recorded is
    never measured again: a run that was interrupted goes on where it was, a longer one goes on from the end.

    `--system notebook` trains the BrainPy notebook that the suite started from, by bptt unless --rule says
    otherwise; of the options below only --backend, --rule, --seeds, --seed, --steps, --device and --results
    apply to it.
    """
    trained = _SYSTEMS[system]
    values = with_recipe(values)
    with naming_options():
        runs = trained.runs(values, _seeds(seeds, seed))
    exit_if_failed(record_all(runs, results, trained.show), runs)


def _benchmark_runs(values: Mapping[str, Any], seeds: range) -> list[Recordable]:
    plans = [_plan(values, seed) for seed in seeds]
    problem = build_problem(values)
    optimizer = impl.Adam(learning_rate=values["learning_rate"])
    mode, device = values["mode"], values["device"]
    pairs = choices.pairs(chosen(values["backends"]), chosen(values["rules"]), device, mode)
    runs = [
        Run(backend, rule, mode, values["dtype"], device, values["threads"], problem, optimizer, plan)
        for plan in plans
        for backend, rule in pairs
    ]
    for run in runs[: len(pairs)]:  # one seed of each: raises where an argument doesn't fit a backend
        run.learner()
    return list(runs)


def _notebook_runs(values: Mapping[str, Any], seeds: range) -> list[Recordable]:
    choices.refuse_other_options(
        NOTEBOOK, ("backends", "rules", "seeds", "seed", "steps", "device", "results")
    )
    choices.of_system(NOTEBOOK, "backend", chosen(values["backends"]), ())
    rules = choices.of_system(NOTEBOOK, "rule", chosen(values["rules"]), (notebook.PUBLISHED_RULE,))
    reason = notebook.unavailable(values["device"])
    if reason is not None:
        raise click.UsageError(f"the notebook can't run here: {reason}")
    return [NotebookRun(rule, values["steps"], seed, values["device"]) for seed in seeds for rule in rules]


@dataclass(frozen=True)
class _Trained:
    """How a system is trained: options and seeds -> runs, and a run's title and steps -> its display."""

    runs: Callable[[Mapping[str, Any], range], list[Recordable]]
    show: Callable[[str, int], Display]


_SYSTEMS = {SYSTEM: _Trained(_benchmark_runs, display), NOTEBOOK: _Trained(_notebook_runs, Log)}


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


def _plan(values: Mapping[str, Any], seed: int) -> Plan:
    names = ("steps", "batch", "evaluate_every", "test_trials", "stop_early")
    return Plan(seed=seed, **{name: values[name] for name in names})
