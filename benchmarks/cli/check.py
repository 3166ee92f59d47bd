"""`python -m benchmarks check BASE HEAD`: does HEAD cost more, learn worse or fail where BASE did not?"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.cli.options import naming_options, results_option
from benchmarks.judge import gate as judge
from benchmarks.judge.gate import BROKEN, NOTHING_COMPARED, REGRESSIONS, Thresholds
from benchmarks.run import asv_command, commit_pair
from benchmarks.run.asv_command import QUICK, InUse
from benchmarks.run.checkout import GitFailed
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted
from benchmarks.show import gate as show
from benchmarks.show.gate import Comparison
from implementations import checks

_WIDTH = 160


class _Misuse(click.UsageError):
    """Exit status 2 has a meaning here: wrong use is one of the ways that nothing is compared."""

    exit_code = NOTHING_COMPARED


class _Gate(click.Command):
    """A command whose errors of use are `_Misuse`."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _as_misuse():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _as_misuse():
            return super().invoke(ctx)


@contextmanager
def _as_misuse() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        raise _Misuse(error.format_message(), error.ctx) from None


@click.command("check", cls=_Gate, context_settings={"max_content_width": 100})
@click.argument("base")
@click.argument("head", default="HEAD")
@click.option(
    "--bench",
    "patterns",
    metavar="PATTERN",
    multiple=True,
    help="Regular expression for a benchmark and its parameters, as `asv run` prints them; may be given "
    "several times. [default: time, memory and accuracy of each code path on the CPU, at the published size]",
)
@click.option(
    "--factor",
    type=float,
    default=Thresholds.factor,
    show_default=True,
    help="A time is slower when it grows by more than this.",
)
@click.option(
    "--memory-factor",
    type=float,
    default=Thresholds.memory_factor,
    show_default=True,
    help="The same of memory.",
)
@click.option(
    "--error",
    type=float,
    default=Thresholds.error,
    show_default=True,
    help="Learning is worse when the test error, between 0 and 1, grows by more than this.",
)
@click.option(
    "--rounds",
    type=int,
    default=commit_pair.ROUNDS,
    show_default=True,
    help="Interleaved processes per timed case and commit.",
)
@click.option("--samples", type=int, help="Samples per process. [default: 4 to 8, as many as a second holds]")
@click.option(
    "--confirm/--no-confirm",
    default=True,
    show_default=True,
    help="Measure a second time what seems worse, and fail only if it does again.",
)
@click.option(
    "--summary",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the Markdown summary here.",
)
@results_option
def command(
    base: str,
    head: str,
    patterns: tuple[str, ...],
    factor: float,
    memory_factor: float,
    error: float,
    confirm: bool,
    summary: Path | None,
    results: Path,
    **common: Any,
) -> None:
    """Compare two commits: time, memory, and whether the rules still learn.

    Both are installed and measured in turns by `asv continuous`, with the benchmarks of this checkout. Exit
    status: 0 HEAD is no worse than BASE; 1 it is slower, takes more memory or learns worse; 2 something that
    worked with BASE fails; 3 nothing could be compared. What is measured stays in RESULTS/checks, with the
    summary for a pull request; where $GITHUB_STEP_SUMMARY is set, that is added there too.
    """
    with naming_options():
        thresholds = Thresholds(factor=factor, memory_factor=memory_factor, error=error)
        plan = commit_pair.Plan(base, head, patterns or QUICK, **common)
        if plan.least_samples < thresholds.samples:
            checks.fail("samples", plan.least_samples, f"at least {thresholds.samples} in all rounds")
    try:
        commits = commit_pair.prepare(plan)
        folder = commit_pair.new_folder(results, commits)
        found = _compare(plan, commits, thresholds, confirm, folder)
    except (commit_pair.CannotCompare, GitFailed, InUse) as problem:
        click.echo(f"Error: {problem}", err=True)
        raise SystemExit(NOTHING_COMPARED) from None
    _show(found)
    if found.status in (BROKEN, NOTHING_COMPARED):
        click.echo(f"errors and reasons, as ASV printed them: {folder / 'asv.log'}")
    _write(show.markdown(found), folder / "summary.md", summary)
    raise SystemExit(found.status)


def _compare(
    plan: commit_pair.Plan, commits: tuple[str, str], thresholds: Thresholds, confirm: bool, folder: Path
) -> Comparison:
    """Measure, judge, and measure a second time what seems worse.

    ASV's results go to FOLDER/asv and, of the second measurement, FOLDER/confirmation.
    """
    with asv_command.alone(), _saying_where_rounds_are(folder):
        machine = asv_command.register_machine()
        pair = (plan, commits, machine)
        base, head = commit_pair.measure(*pair, plan.patterns, thresholds.factor, folder / "asv")
        verdicts = judge.judge(base, head, thresholds)
        worse = verdicts[verdicts["verdict"].isin(REGRESSIONS)]
        if confirm and len(worse):
            cases = head.merge(worse[["benchmark", "case"]])
            patterns = [f"^{re.escape(selector)}$" for selector in cases["selector"]]
            again = commit_pair.measure(*pair, patterns, thresholds.factor, folder / "confirmation")
            verdicts = judge.confirmed(verdicts, judge.judge(*again, thresholds))
    here = environment()
    return Comparison(
        base=plan.base,
        base_commit=commits[0],
        head=plan.head,
        head_commit=commits[1],
        machine=f"{here['processor']}, {here['cores']} cores",
        rounds=plan.rounds,
        thresholds=thresholds,
        verdicts=verdicts,
        unconfirmed=len(worse) - int(verdicts["verdict"].isin(REGRESSIONS).sum()),
    )


@contextmanager
def _saying_where_rounds_are(folder: Path) -> Iterator[None]:
    try:
        yield
    except Interrupted as stop:
        click.echo(f"interrupted; the rounds that were measured are in {folder}", err=True)
        raise SystemExit(stop.exit_code) from None


def _show(found: Comparison) -> None:
    # Into a file or a pipe, a table as wide as it needs, not of rich's 80 columns
    console = Console(width=None if Console().is_terminal else _WIDTH, highlight=False)
    console.print()
    if len(found.verdicts):
        console.print(show.table(found))
    for line in show.footnotes(found):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    console.print(show.headline(found), style="bold", markup=False)


def _write(text: str, path: Path, also: Path | None) -> None:
    path.write_text(text, encoding="utf-8")
    if also is not None:
        also.parent.mkdir(parents=True, exist_ok=True)
        also.write_text(text, encoding="utf-8")
    github = os.environ.get("GITHUB_STEP_SUMMARY")
    if github:
        with Path(github).open("a", encoding="utf-8") as file:
            file.write(text)
