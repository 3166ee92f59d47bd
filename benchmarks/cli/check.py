"""`python -m benchmarks check BASE HEAD`: does HEAD cost more, learn worse or fail where BASE did not?"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.gates import Gate
from benchmarks.cli.options import naming_options, results_option
from benchmarks.cli.output import console
from benchmarks.define.gate import BROKEN, NOTHING_COMPARED, Thresholds
from benchmarks.define.pairing import ARMS, Precision, looks
from benchmarks.run.checkout import GitFailed, changed
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted, at_once
from benchmarks.run.process import Budget
from benchmarks.store.append import append
from benchmarks.store.files import check_writable, write_text, writing

if TYPE_CHECKING:
    from benchmarks.run.commit_pair import Plan
    from benchmarks.show.gate import Comparison

_WIDTH = 160
_GITHUB = "GITHUB_STEP_SUMMARY"


@click.command("check", cls=Gate, context_settings={"max_content_width": 100})
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
    default=Precision.factor,
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
    "--pairs",
    type=int,
    default=Precision.looks[-1],
    show_default=True,
    help="Pairs of processes per timed case, at most; with fewer where those tell.",
)
@click.option(
    "--minutes",
    type=float,
    default=Precision.minutes,
    show_default=True,
    help="Time for all that is measured, pairs last; what they have not told by then, can't be.",
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
    pairs: int,
    minutes: float,
    summary: Path | None,
    results: Path,
) -> None:
    """Compare two commits: time, memory, and whether the rules still learn.

    Both are installed, and timed in turns in pairs of processes on one core, with the benchmarks of this
    checkout. So is a second process of BASE, which has to come out as BASE does.

    Exit status: 0 HEAD is no worse than BASE; 1 it is slower, takes more memory or learns worse; 2 something
    that worked with BASE fails; 3 nothing could be compared; 4 nobody can tell, with what would help; 5 what
    can't have changed has: the machine was measured. What is measured stays in RESULTS/checks, with the
    summary for a pull request; where $GITHUB_STEP_SUMMARY is set, that is added there too.
    """
    from benchmarks.run import asv_command, commit_pair  # here, as `--help` is not to wait for ASV and pandas
    from benchmarks.run.sides import NotInstalled
    from benchmarks.show import gate as show

    with naming_options():
        thresholds = Thresholds(memory_factor=memory_factor, error=error)
        precision = Precision(factor=factor, looks=looks(pairs), minutes=minutes)
        plan = commit_pair.Plan(base, head, patterns or asv_command.QUICK)
    for written in filter(None, (results / "checks" / "summary.md", summary, os.environ.get(_GITHUB))):
        check_writable(Path(written))
    try:
        commits = commit_pair.prepare(plan)
        folder = commit_pair.new_folder(results, commits)
        with asv_command.alone(), _saying_where_measurements_are(folder):
            found = _compare(plan, commits, thresholds, precision, folder)
    except (commit_pair.CannotCompare, GitFailed, asv_command.InUse, NotInstalled) as problem:
        click.echo(f"Error: {problem}", err=True)
        raise SystemExit(NOTHING_COMPARED) from None
    _show(found)
    if found.status in (BROKEN, NOTHING_COMPARED):
        click.echo(f"errors and reasons: {folder / 'measured.jsonl'} and {folder / 'printed.log'}")
    _write(show.markdown(found), folder / "summary.md", summary)
    raise SystemExit(found.status)


def _compare(
    plan: "Plan", commits: tuple[str, str], thresholds: Thresholds, precision: Precision, folder: Path
) -> "Comparison":
    """Measure and judge; what is measured goes to FOLDER/measured.jsonl, what processes print to .log."""
    import pandas as pd

    from benchmarks.judge import gate as judge
    from benchmarks.judge import tracked, turns
    from benchmarks.run import commit_pair, pairs, sides
    from benchmarks.show.gate import Comparison

    start = Budget(0.0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    base, head = sides.install(commits, folder / "installed.log")
    cases = commit_pair.selected(plan)
    timed = [case for case in cases if case.in_turns]
    rest = [case for case in cases if not case.in_turns]
    same = commit_pair.untouched(timed, changed(*commits))
    untouched = [case.selector for case in same]
    backends = {case.selector: case.backend for case in timed}
    log, file = folder / "printed.log", folder / "measured.jsonl"
    budget = Budget(60.0 * precision.minutes)
    records: list[dict[str, Any]] = []
    arms: dict[str, sides.Side] = dict(zip(ARMS, (base, head, base), strict=True))
    todo, done = timed, 0
    times = turns.judge(records, precision, backends, untouched)
    figures = []
    for record in pairs.track(rest, {"base": base, "head": head}, log):
        append(file, json.dumps(record))
        figures.append(record)
        click.echo(f"{record['arm']}: {record['selector']}", err=True)
    for look in precision.looks:
        for record in pairs.measure(todo, arms, range(done, look), log, budget.left_s):
            append(file, json.dumps(record))
            records.append(record)
            click.echo(f"pair {record['pair'] + 1}: {record['selector']}", err=True)
        times, done = turns.judge(records, precision, backends, untouched), look
        todo = [case for case in timed if case.selector in times.undecided]
        if not todo or times.moved or budget.left_s() <= 0.0:
            break
    verdicts = [times.rows, tracked.judge(figures, thresholds), turns.missing(timed, records)]
    here = environment()
    return Comparison(
        base=plan.base,
        base_commit=commits[0],
        head=plan.head,
        head_commit=commits[1],
        machine=f"{here['processor']}, {here['cores']} cores",
        thresholds=thresholds,
        precision=precision,
        verdicts=pd.concat([rows for rows in verdicts if len(rows)] or [judge.empty()], ignore_index=True),
        pairs=done,
        untouched=len(same),
        moved=times.moved,
        minutes=-start.left_s() / 60.0,
    )


@contextmanager
def _saying_where_measurements_are(folder: Path) -> Iterator[None]:
    try:
        with at_once():
            yield
    except Interrupted as stop:
        click.echo(f"interrupted; what was measured is in {folder}", err=True)
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
