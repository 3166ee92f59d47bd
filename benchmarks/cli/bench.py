"""`python -m benchmarks bench`: run the ASV suite on commits, and make its site."""

import click

from benchmarks.run import asv_command
from benchmarks.run.checkout import uncommitted
from benchmarks.run.interruption import Interrupted


@click.command("bench", context_settings={"max_content_width": 100})
@click.argument("commits", metavar="RANGE", default="HEAD^!")
@click.option(
    "--installed",
    is_flag=True,
    help="Measure HEAD with what is installed here, instead of an environment that ASV makes.",
)
@click.option("--quick", is_flag=True, help="What `check` compares, which takes minutes.")
@click.option(
    "--bench",
    "patterns",
    metavar="PATTERN",
    multiple=True,
    help="Regular expression for a benchmark and its parameters; may be given several times.",
)
def command(commits: str, installed: bool, quick: bool, patterns: tuple[str, ...]) -> None:
    """Run the ASV suite, and make its site.

    RANGE is one of git, `HEAD^!` (the last commit) by default, or NEW: all that ASV has not measured yet.
    Every commit is installed in an environment of ASV's own, with the versions that it names in
    constraints.txt.
    """
    if quick and patterns:
        raise click.UsageError("--quick stands for patterns of its own: give it or --bench")
    if installed and commits != "HEAD^!":
        raise click.UsageError("--installed measures what is installed here, which is HEAD: give it or RANGE")
    if installed and (changes := uncommitted()):
        raise click.UsageError(f"--installed would take these changes for part of HEAD: {', '.join(changes)}")
    arguments = ["run", "--record-samples", "--show-stderr", "--machine", asv_command.register_machine()]
    arguments += ["--python=same", "--set-commit-hash", "HEAD"] if installed else [commits]
    for pattern in asv_command.QUICK if quick else patterns:
        arguments += ["--bench", pattern]
    try:
        with asv_command.alone():
            status = asv_command.run(arguments)
            published = asv_command.run(["publish", "--no-pull"])
    except asv_command.InUse as problem:
        raise click.ClickException(str(problem)) from None
    except Interrupted as stop:
        click.echo("interrupted; benchmarks of the commits before stay in results/asv", err=True)
        raise SystemExit(stop.exit_code) from None
    if published == 0:
        click.echo("site: .asv/html; `.venv/bin/asv preview` shows it")
    raise SystemExit(status or published)
