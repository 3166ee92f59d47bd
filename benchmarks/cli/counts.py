"""`python -m benchmarks counts`: does a training step execute what is expected of it?"""

from pathlib import Path

import click

import implementations as impl
from benchmarks.cli.choices import ALL, backend_option, chosen
from benchmarks.cli.gates import Gate
from benchmarks.define import counts as define
from benchmarks.judge import counts as judge
from benchmarks.run import callgrind
from benchmarks.run import counts as run
from benchmarks.run.checkout import ROOT
from benchmarks.show import counts as show
from benchmarks.store import counts as store
from benchmarks.store.files import check_writable


@click.command("counts", cls=Gate, context_settings={"max_content_width": 100})
@backend_option
@click.option("--update", is_flag=True, help="Write what is found as expected, instead of comparing.")
@click.option(
    "--expected",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "results" / "counts.json",
    show_default="results/counts.json",
    help="File of expected counts.",
)
def command(backends: tuple[tuple[str, ...], ...], update: bool, expected: Path) -> None:
    """Compare what a training step executes with what is committed as expected.

    Instructions and allocations under valgrind, on one thread and without AVX-512, of every backend, rule and
    mode; compilations of a warm step; of JAX and BrainPy, what XLA says of their programs. The same on a busy
    machine as on an idle one. They depend on the versions that the file names: others are not compared.

    Exit status: 0 all is as expected; 1 something is more, or fewer; 2 something that is expected fails;
    3 nothing could be compared.
    """
    if reason := callgrind.missing():
        raise click.ClickException(reason)
    names = chosen(backends)
    wanted = impl.BACKENDS if names == (ALL,) else names
    here, before = run.versions(), None
    try:
        before = store.read(expected)
    except store.Unreadable as error:
        if not update:
            raise click.ClickException(f"{error}; `make counts-update` makes one") from None
    others = [] if before is None else judge.other_versions(before.versions, here)
    if others and not update:
        raise click.ClickException(
            f"the expected counts are of other versions: {'; '.join(others)}; "
            "`make counts-update` rewrites them"
        )
    if others and set(wanted) != set(impl.BACKENDS):
        raise click.UsageError(f"other versions ({'; '.join(others)}) change all rows: leave --backend out")
    if update:
        check_writable(expected)
    found = []
    for row in run.count_all(define.cases(wanted)):
        found.append(row)
        click.echo(f"{row['backend']} {row['rule']} {row['mode']}: {_progress(row)}", err=True)
    judged = judge.judge(() if before is None else before.rows, found)
    for line in show.lines(judged):
        click.echo(line)
    if not update:
        click.echo(show.headline(judged))
        raise SystemExit(judge.exit_status(judged))
    if failed := [row for row in found if row["status"] == "failed"]:
        raise click.ClickException(f"{len(failed)} of {len(found)} cases fail: {expected} stays as it was")
    ok = [row for row in found if row["status"] == "ok"]
    if not ok:
        raise click.ClickException(f"nothing could be counted: {expected} stays as it was")
    store.write(expected, store.updated(before, ok, here))
    click.echo(f"{len(ok)} rows written to {expected}")


def _progress(row: dict[str, object]) -> str:
    return (
        f"{row['instructions']:,} instructions"
        if row["status"] == "ok"
        else f"{row['status']}: {row['reason']}"
    )
