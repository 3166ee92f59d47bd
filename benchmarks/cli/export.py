"""`python -m benchmarks export`: all records as tables for other programs."""

from pathlib import Path
from typing import Literal

import click

from benchmarks.cli.options import results_option

_FORMATS = ("csv", "parquet")


@click.command("export", short_help="Write all records as CSV or Parquet.")
@results_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory to write to.  [default: RESULTS/tables]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help="Kind of file.",
)
def command(results: Path, out: Path | None, form: Literal["csv", "parquet"]) -> None:
    """Write one file per table: runs, points, criteria, finals, measurements, samples, parity, conformance,
    fallbacks, libraries, library_parity, environments and problems.

    Units stand in the names of columns: _s seconds, _bytes, _hz. results/README.md says what tables hold.
    """
    from benchmarks.store import export, records  # here, as `--help` is not to wait for pandas

    found = records.read(results)
    if found.empty:
        raise click.ClickException(f"{results} has no readable record in curves/, timings/, parity/ or asv/")
    for path, rows in export.write(found, results / "tables" if out is None else out, form):
        click.echo(f"{path}: {rows} rows")
    for file in found.unreadable:
        click.echo(f"{file.file}: {file.what}", err=True)
