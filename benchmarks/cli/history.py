"""`python -m benchmarks history`: has something become worse by steps too small to be seen one by one?"""

from pathlib import Path

import click

from benchmarks.cli.gates import Gate
from benchmarks.cli.options import results_option


@click.command("history", cls=Gate, context_settings={"max_content_width": 100})
@click.option(
    "--factor",
    type=click.FloatRange(min=1.0, min_open=True),
    default=1.1,
    show_default=True,
    help="A case is worse where its latest level is above its best one by more than this.",
)
@results_option
def command(factor: float, results: Path) -> None:
    """Look for what has become worse over the commits that ASV has measured: `make bench`, week by week.

    Levels are found by asv's own step detection, on the machine that measured last; times are first freed of
    how fast it was at each commit. Exit status: 0 nothing has become worse; 1 something has, as the table
    says; 3 there are too few commits.
    """
    from benchmarks.judge import history as judge  # here, as `--help` is not to wait for pandas
    from benchmarks.show import history as show
    from benchmarks.store.asv_files import over_commits

    verdicts = judge.judge(over_commits(results / "asv"), factor)
    for line in show.lines(verdicts):
        click.echo(line)
    click.echo(show.headline(verdicts, judge.LEAST_COMMITS))
    raise SystemExit(judge.exit_status(verdicts))
