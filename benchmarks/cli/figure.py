"""`python -m benchmarks figure`: the published comparison of the rules, trained, tested and drawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import implementations as impl
from benchmarks.cli import choices
from benchmarks.cli.all_tasks import train as train_all_tasks
from benchmarks.cli.choices import ALL, Rules, chosen, exit_if_broken, given
from benchmarks.cli.on_cluster import cluster_options
from benchmarks.cli.options import (
    alignment_option,
    build_optimizer,
    build_problem,
    naming_options,
    optimizer_options,
    problem_options,
    recipe_options,
    results_option,
    with_recipe,
)
from benchmarks.cli.recording import exit_if_failed, record_all
from benchmarks.define import comparison
from benchmarks.define.reasons import Broken, listed, unavailable
from benchmarks.define.runs import Run
from benchmarks.run import available
from benchmarks.run.progress import display
from benchmarks.show.commands import SWEEP, with_words
from benchmarks.store.files import check_writable
from implementations import checks
from implementations.registry import DEVICES
from implementations.rules import ladder as on_ladder
from implementations.training import NonFiniteLoss

_FASTEST = "fastest"


@click.command("figure", context_settings={"max_content_width": 100})
@click.option(
    "--backend",
    type=click.Choice((_FASTEST, *impl.BACKENDS)),
    default=_FASTEST,
    show_default=True,
    help="What trains. fastest: torch where its C++ operators can be built, else numba.",
)
@click.option(
    "--rule",
    "rules",
    type=Rules(),
    multiple=True,
    default=(",".join(comparison.RULES),),
    show_default=True,
    help="Rules, separated by commas, or all.",
)
@click.option(
    "--seeds", type=int, default=comparison.SEEDS, show_default=True, help="Run the seeds 0 to N-1."
)
@click.option(
    "--tuned",
    is_flag=True,
    help="Train each rule at the setting that a recorded sweep found best, and at the published one, on seeds"
    " that no sweep has: 100 to 100+N-1.",
)
@click.option(
    "--ladder",
    is_flag=True,
    help="Train the rungs between e-prop and BPTT, and the floor below them, and compare their gradients with"
    f" BPTT's, every {comparison.ALIGNMENT_EVERY} steps unless --alignment says otherwise. [rules:"
    f" {','.join(on_ladder())}]",
)
@click.option(
    "--all-tasks",
    is_flag=True,
    help="Train the rules on every task, each by its recipe, at once on a Dask cluster as `sweep` does.",
)
@alignment_option
@recipe_options("steps", "batch", "learning_rate", "evaluate_every")
@optimizer_options
@click.option("--device", type=click.Choice(DEVICES), default=DEVICES[0], show_default=True)
@click.option("--threads", type=int, help="CPU threads. [default: all that the process may use]")
@problem_options
@cluster_options
@results_option
def command(
    backend: str,
    rules: Any,
    seeds: int,
    tuned: bool,
    ladder: bool,
    all_tasks: bool,
    results: Path,
    **values: Any,
) -> None:
    """Train every rule on the same seeds, then write the report with their comparison.

    Runs go on to --steps whether or not they meet the stopping criterion, and are then judged on fresh
    trials, so that final figures compare. They are ordinary training runs under RESULTS/curves: what is
    recorded is never trained twice, and the same command goes on where it was interrupted.

    With --all-tasks these options apply: --backend, --rule, --seeds, --steps, --device, --threads (of a run,
    1 by default), --results, and those of a cluster, --scheduler to --dry-run, which only apply there.
    """
    from benchmarks.judge.hyperparameters import FRESH  # here, as `--help` is not to wait for pandas

    asked = {"--tuned": tuned, "--ladder": ladder, "--all-tasks": all_tasks}
    which = [option for option, wanted in asked.items() if wanted]
    if len(which) > 1:
        count = "two" if len(which) == 2 else "three"
        raise click.UsageError(f"{listed(which)} are {count} comparisons: give one of them")
    for name in ("scheduler", "workers", "alone", "patience_s", "dry_run"):
        if given(name) and not all_tasks:
            raise click.BadParameter(
                "only applies with --all-tasks; `sweep` has it for one task",
                param_hint="'--" + name.replace("_", "-") + "'",
            )
    if seeds < 1:
        raise click.BadParameter(f"{seeds} is not what it may be, any integer >= 1", param_hint="'--seeds'")
    broken: list[str] = []
    if backend == _FASTEST:
        try:
            backend, reason = available.fastest(values["device"])
        except RuntimeError as error:
            raise click.UsageError(str(error)) from error
        if isinstance(reason, Broken):
            click.echo(f"leaving out torch: {reason}")
            broken.append("torch")
    names = _rules(rules, ladder)
    if all_tasks:
        if train_all_tasks(backend, names, seeds, results, **values):
            _report(results)
        return exit_if_broken(broken)
    values = with_recipe(values)
    for rule in names:
        reason = unavailable(backend, values["device"], rule)
        if reason is not None:
            raise click.BadParameter(f"{rule!r} can't run on {backend}: {reason}", param_hint="'--rule'")
    with naming_options():
        every = values["alignment_every"]
        if every is None:
            every = comparison.ALIGNMENT_EVERY if ladder else 0
        else:
            checks.integer("alignment_every", every, 1)
        planned = comparison.of(
            build_problem(values),
            backend,
            names,
            range(FRESH, FRESH + seeds) if tuned else range(seeds),
            steps=values["steps"],
            device=values["device"],
            threads=values["threads"],
            optimizer=build_optimizer(values),
            batch=values["batch"],
            evaluate_every=values["evaluate_every"],
            alignment_every=every,
        )
        if tuned:
            planned = _tuned(planned, results)
        if ladder and not given("steps"):
            planned = _as_long(planned, results)
        choices.without_broken(planned, len(names), (backend,))
    check_writable(results / "report" / "index.html")
    failed = record_all(planned, results, display)
    if ladder:
        _by_hops(planned[0], results)
    _report(results)
    exit_if_failed(failed, planned)
    exit_if_broken(broken)


def _report(results: Path) -> None:
    from benchmarks.show import page as report

    try:
        page = report.build(results, results / "report")
    except report.NothingToReport as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(page))


def _rules(groups: Any, ladder: bool) -> tuple[str, ...]:
    """Those that are asked for; with `ladder` all are on it, and the rungs of the table the default."""
    names = chosen(groups)
    if not ladder:
        return impl.RULES if names == (ALL,) else names
    if names == (ALL,) or not given("rules"):
        return on_ladder()
    for rule in set(names) - set(on_ladder(names)):
        raise click.BadParameter(f"{rule!r} is no rung of the ladder", param_hint="'--rule'")
    return names


def _as_long(runs: list[Run], results: Path) -> list[Run]:
    """The runs, as long as the longest of them that is recorded: only equally long ones compare."""
    import pandas as pd

    from benchmarks.store import records

    names = {f"curves/{run.name}.jsonl" for run in runs}
    recorded = records.read(results).runs
    longest = recorded.loc[recorded["file"].isin(names), "last_step"].max()
    steps = runs[0].plan.steps
    if pd.isna(longest) or longest <= steps:
        return runs
    click.echo(f"{longest} steps instead of {steps}, as runs of this comparison are recorded that long")
    return [replace(run, plan=replace(run.plan, steps=int(longest))) for run in runs]


def _by_hops(run: Run, results: Path) -> None:
    """The table of gradients with the reset kept and cut, unless it is recorded or trials can't be drawn."""
    from benchmarks.run import ladder as by_hops  # which reads records

    if run.problem.task.frozen or by_hops.recorded(run.problem, run.backend, results):
        return
    try:
        for record in by_hops.measure(run.problem, run.backend, results, run.device, run.threads):
            words = (
                f"{record['hops']} hops, reset {record['reset']}, after {record['train_steps']} steps of BPTT"
            )
            click.echo(f"{words}: cosine {record['cosine']:.3f}, length {record['norm_ratio']:.3g}")
    except NonFiniteLoss as error:
        raise click.ClickException(str(error)) from error


def _tuned(published: list[Run], results: Path) -> list[Run]:
    """Each run, and beside it the same at the tuned setting of its rule."""
    from benchmarks.judge import learning, tuning
    from benchmarks.store import records

    found = records.read(results)
    rows = learning.judged(found)
    rows = rows[(rows["task"] == published[0].problem.name) & rows["backend"].eq(published[0].backend)]
    best = tuning.tuned(found, rows) if len(rows) else rows
    values = {row["rule"]: row["values"] for row in best.to_dict("records")} if len(best) else {}
    missing = sorted({run.rule for run in published} - set(values))
    if missing:
        task, backend = published[0].problem.name, published[0].backend
        options = ("--preset", "knobs", "--task", task, "--backend", backend, "--rule", ",".join(missing))
        raise click.UsageError(
            f"no sweep with two even seeds' settings is recorded under {results} for {', '.join(missing)} on"
            f" {backend}: {with_words(SWEEP, *options, '--results', results)} makes one"
        )
    both = [each for run in published for each in (run, comparison.at(run, values[run.rule]))]
    return list({run.name: run for run in both}.values())
