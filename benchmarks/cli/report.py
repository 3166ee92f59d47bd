"""`python -m benchmarks report`: the comparison as a page, as Markdown and as figures."""

from pathlib import Path

import click

from benchmarks.cli.options import data_option, results_option
from benchmarks.store.files import check_writable, write_text


@click.command(short_help="Write the comparison of all records.")
@results_option
@data_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory to write to.  [default: RESULTS/report]",
)
@click.option(
    "--readme",
    "readme_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Also fill the tables of this file, between its lines <!-- NAME --> and <!-- end of NAME -->.",
)
def command(results: Path, out: Path | None, readme_path: Path | None) -> None:
    """Write index.html (one file, no network needed), report.md and the figures as .svg and .png."""
    from benchmarks.show import page as report  # here, as `--help` is not to wait for pandas and Matplotlib
    from benchmarks.show import readme

    out = results / "report" if out is None else out
    if readme_path is not None:
        check_writable(readme_path)
    try:
        page = report.build(results, out)
    except report.NothingToReport as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(page))
    click.echo(str(page.with_name("report.md")))
    if readme_path is not None:
        try:
            filled = readme.fill(readme_path.read_text(encoding="utf-8"), results)
        except readme.NotFilled as error:
            raise click.ClickException(f"{readme_path}: {error}") from error
        write_text(readme_path, filled)
        click.echo(str(readme_path))
    figures = sorted(out.glob("*.svg"))
    if figures:
        click.echo(f"{len(figures)} figures, as .svg and .png beside them")
