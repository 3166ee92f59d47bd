"""`python -m benchmarks check BASE HEAD`: does HEAD cost more, learn worse or fail where BASE did not?"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.options import naming_options, results_option
from benchmarks.cli.output import Unwritten, console, one_line
from benchmarks.define.gate import BROKEN, NOTHING_COMPARED, ROUNDS, Thresholds
from benchmarks.run.checkout import GitFailed
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted
from benchmarks.store.append import append
from benchmarks.store.files import check_writable, write_text
from implementations import checks

if TYPE_CHECKING:
    from benchmarks.run.commit_pair import Plan
    from benchmarks.show.gate import Comparison

_WIDTH = 160
_GITHUB = "GITHUB_STEP_SUMMARY"


class _Misuse(click.UsageError):
    """Exit status 2 has a meaning here: wrong use is one of the ways that nothing is compared."""

    exit_code = NOTHING_COMPARED


class _NoVerdict(Unwritten):
    exit_code = NOTHING_COMPARED


class _Gate(click.Command):
    """A command whose errors of use are `_Misuse`; what can't be written is no verdict, either."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with one_line(_NoVerdict), _as_misuse():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line(_NoVerdict), _as_misuse():
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
    default=ROUNDS,
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
    from benchmarks.run import asv_command, commit_pair  # here, as `--help` is not to wait for ASV and pandas
    from benchmarks.show import gate as show

    with naming_options():
        thresholds = Thresholds(factor=factor, memory_factor=memory_factor, error=error)
        plan = commit_pair.Plan(base, head, patterns or asv_command.QUICK, **common)
        if plan.least_samples < thresholds.samples:
            checks.fail("samples", plan.least_samples, f"at least {thresholds.samples} in all rounds")
    for written in filter(None, (results / "checks" / "summary.md", summary, os.environ.get(_GITHUB))):
        check_writable(Path(written))
    try:
        commits = commit_pair.prepare(plan)
        folder = commit_pair.new_folder(results, commits)
        found = _compare(plan, commits, thresholds, confirm, folder)
    except (commit_pair.CannotCompare, GitFailed, asv_command.InUse) as problem:
        click.echo(f"Error: {problem}", err=True)
        raise SystemExit(NOTHING_COMPARED) from None
    _show(found)
    if found.status in (BROKEN, NOTHING_COMPARED):
        click.echo(f"errors and reasons, as ASV printed them: {folder / 'asv.log'}")
    _write(show.markdown(found), folder / "summary.md", summary)
    raise SystemExit(found.status)


def _compare(
    plan: "Plan", commits: tuple[str, str], thresholds: Thresholds, confirm: bool, folder: Path
) -> "Comparison":
    """Measure, judge, and measure a second time what seems worse.

    ASV's results go to FOLDER/asv and, of the second measurement, FOLDER/confirmation.
    """
    from benchmarks.judge import gate as judge
    from benchmarks.run import asv_command, commit_pair
    from benchmarks.show.gate import Comparison

    with asv_command.alone(), _saying_where_rounds_are(folder):
        machine = asv_command.register_machine()
        pair = (plan, commits, machine)
        base, head = commit_pair.measure(*pair, plan.patterns, thresholds.factor, folder / "asv")
        verdicts = judge.judge(base, head, thresholds)
        worse = verdicts[verdicts["verdict"].isin(judge.REGRESSIONS)]
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
        unconfirmed=len(worse) - int(verdicts["verdict"].isin(judge.REGRESSIONS).sum()),
    )


@contextmanager
def _saying_where_rounds_are(folder: Path) -> Iterator[None]:
    try:
        yield
    except Interrupted as stop:
        click.echo(f"interrupted; the rounds that were measured are in {folder}", err=True)
        raise SystemExit(stop.exit_code) from None


def _show(found: "Comparison") -> None:
    from benchmarks.show import gate as show

    out = console(_WIDTH)
    out.print()
    if len(found.verdicts):
        out.print(show.table(found))
    for line in show.footnotes(found):
        out.print(line, markup=False, soft_wrap=True)
    out.print()
    out.print(show.headline(found), style="bold", markup=False)


def _write(text: str, path: Path, also: Path | None) -> None:
    for whole in filter(None, (path, also)):
        write_text(whole, text)
    github = os.environ.get(_GITHUB)
    if github:
        append(Path(github), text.rstrip())
