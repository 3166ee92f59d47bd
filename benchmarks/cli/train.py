"""`python -m benchmarks train`: training runs, recorded under results/curves."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.cli import choices
from benchmarks.cli.choices import (
    backend_option,
    chosen,
    exit_if_broken,
    mode_option,
    rule_option,
    system_option,
)
from benchmarks.cli.options import (
    alignment_option,
    build_optimizer,
    build_problem,
    judging_options,
    machine_options,
    naming_options,
    optimizer_options,
    problem_options,
    recipe_options,
    results_option,
    with_recipe,
)
from benchmarks.cli.recording import exit_if_failed, record_all
from benchmarks.define.names import SYSTEM
from benchmarks.define.runs import Recordable, Run
from benchmarks.define.systems import SYSTEMS
from benchmarks.run.progress import display
from implementations import checks
from implementations.training import Plan


@click.command("train", context_settings={"max_content_width": 100})
@system_option("train")
@backend_option
@rule_option
@mode_option
@click.option("--seeds", type=int, metavar="N", help="Run the seeds 0 to N-1.")
@click.option("--seed", type=int, metavar="K", help="Run this seed alone. [default: 0]")
@recipe_options("steps", "batch", "learning_rate")
@optimizer_options
@machine_options
@recipe_options("evaluate_every")
@judging_options
@alignment_option
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
    values = with_recipe(values)
    with naming_options():
        wanted = _seeds(seeds, seed)
        runs, broken = _runs(values, wanted) if system == SYSTEM else (_runs_of(system, values, wanted), ())
    exit_if_failed(record_all(runs, results, partial(display, line=SYSTEMS[system].log_line)), runs)
    exit_if_broken(broken)


def _runs(values: Mapping[str, Any], seeds: range) -> tuple[list[Run], tuple[str, ...]]:
    """Those of the backends, and the backends that are left out because they are broken."""
    plans = [_plan(values, seed) for seed in seeds]
    problem = build_problem(values)
    optimizer = build_optimizer(values)
    mode, device = values["mode"], values["device"]
    backends = chosen(values["backends"])
    pairs, broken = choices.pairs(backends, chosen(values["rules"]), device, mode)
    runs = [
        Run(backend, rule, mode, values["dtype"], device, values["threads"], problem, optimizer, plan)
        for plan in plans
        for backend, rule in pairs
    ]
    able, broken_too = choices.without_broken(runs, len(pairs), backends)
    if not able:
        raise click.ClickException("no backend can run here: see above")
    return able, (*broken, *broken_too)


def _runs_of(system: str, values: Mapping[str, Any], seeds: range) -> list[Recordable]:
    """Of a system that is what it is."""
    choices.refuse_other_options(system, "train")
    choices.of_system(system, "backend", chosen(values["backends"]))
    rules = choices.of_system(system, "rule", chosen(values["rules"]))
    run = SYSTEMS[system].run
    return [run(rule, values["steps"], seed, values["device"]) for seed in seeds for rule in rules]


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
    plan = Plan(seed=seed, **{name: values[name] for name in names})
    every = values["alignment_every"]
    if every is None:
        return plan
    return replace(plan, alignment_every=checks.integer("alignment_every", every, 1))
