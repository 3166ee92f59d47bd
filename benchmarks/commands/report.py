"""`python -m benchmarks report`: the comparison as a page, as Markdown and as figures."""

from pathlib import Path

import click

from benchmarks.harness import report


@click.command(short_help="Write the comparison of all records.")
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Directory that holds the records, curves/ and timings/.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory to write to.  [default: RESULTS/report]",
)
def command(results: Path, out: Path | None) -> None:
    """Write index.html (one file, no network needed), report.md and the figures as .svg and .png."""
    out = results / "report" if out is None else out
    try:
        page = report.build(results, out)
    except report.NothingToReport as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(page))
    click.echo(str(page.with_name("report.md")))
    figures = sorted(out.glob("*.svg"))
    if figures:
        click.echo(f"{len(figures)} figures, as .svg and .png beside them")
