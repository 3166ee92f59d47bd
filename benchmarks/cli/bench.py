"""`python -m benchmarks bench`: run the ASV suite on commits, and make its site."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.run import asv_command
from benchmarks.run.asv_branches import NoBranch
from benchmarks.run.checkout import GitFailed, uncommitted, unusable
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
    if reason := unusable():
        raise click.ClickException(f"bench measures commits, and {reason}")
    try:
        if installed and (changes := uncommitted()):
            raise click.UsageError(
                f"--installed would take these changes for part of HEAD: {', '.join(changes)}"
            )
        with TemporaryDirectory(prefix="eprop-bench-") as folder:
            config = asv_command.config_for(Path(folder), commits=commits)
            status, published = _run_and_publish(
                commits, installed, asv_command.QUICK if quick else patterns, config
            )
    except GitFailed as problem:
        raise click.ClickException(f"bench measures commits, and git says: {problem}") from None
    except NoBranch as problem:
        raise click.UsageError(str(problem)) from None
    except asv_command.InUse as problem:
        raise click.ClickException(str(problem)) from None
    except Interrupted as stop:
        click.echo("interrupted; benchmarks of the commits before stay in results/asv", err=True)
        raise SystemExit(stop.exit_code) from None
    if published == 0:
        click.echo("site: .asv/html; `.venv/bin/asv preview` shows it")
    raise SystemExit(status or published)


def _run_and_publish(
    commits: str, installed: bool, patterns: tuple[str, ...], config: Path
) -> tuple[int, int]:
    """ASV's exit statuses for both."""
    arguments = ["run", "--record-samples", "--show-stderr", "--machine", asv_command.register_machine()]
    arguments += ["--python=same", "--set-commit-hash", "HEAD"] if installed else [commits]
    for pattern in patterns:
        arguments += ["--bench", pattern]
    with asv_command.alone():
        return asv_command.run(arguments, config), asv_command.run(["publish", "--no-pull"], config)
