"""`python -m benchmarks COMMAND`: the table below has them all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from benchmarks.cli import shareable
from benchmarks.cli.output import one_line
from benchmarks.store import command_line

# Name -> what it does. Each is a module of benchmarks/cli with a click command named `command`, imported
# only when it is called, so that `--help` does not wait for pandas and matplotlib.
_COMMANDS = {
    "list": "Show which backend, device and rule can run here, and why others can't.",
    "train": "Train, and record how well the network does as it learns.",
    "figure": "Train all rules on the same seeds, and compare how well they learn.",
    "sweep": "Train many networks at once, on this machine or a Dask cluster.",
    "raster": "Draw what a network does in one trial.",
    "measure": "Measure the time and memory of training steps.",
    "devices": "Measure what several devices bring that share out the trials of a step.",
    "parity": "Hold what every backend computes against the published numbers.",
    "gpu-check": "Check and measure all backends on a card, within minutes.",
    "kernels": "Compile the kernels for cards where there is none, and say what each takes.",
    "report": "Compare all that was recorded, as a page of figures and tables.",
    "bench": "Run the ASV suite on commits, and make its site.",
    "check": "Fail where one commit costs more or learns worse than another.",
    "counts": "Fail where a training step executes more than is committed as expected.",
    "history": "Fail where what ASV has stored got slower over the commits.",
    "gate-power": "Measure which slowdowns these three find, and how often they are wrong.",
    "export": "Write all records as CSV or Parquet.",
}
# Those whose exit status judges a commit
_GATES = ("check", "counts", "history")
_WORDS = "benchmarks.words"


class _Commands(click.Group):
    """A group that knows its commands by name only, until one is asked for."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **options: Any
    ) -> click.Context:
        words = list(args)
        with _as_it_judges(words), one_line():
            context = super().make_context(info_name, args, parent, **options)
        context.meta[_WORDS] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        with _as_it_judges(ctx.meta[_WORDS]):
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            with one_line():
                return super().invoke(ctx)
        except Exception as error:
            if type(error).__name__ == "PluginError":  # by its name, as nothing is imported for `--help`
                raise click.ClickException(str(error)) from error
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _use(_data(args))  # wherever it stands, before a command is imported
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return import_module(f"benchmarks.cli.{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            command_line.set_current(shareable.shareable(name, command, rest))
            ctx.call_on_close(lambda: command_line.set_current(None))
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@contextmanager
def _as_it_judges(words: list[str]) -> Iterator[None]:
    """Whatever fails before one of `_GATES` is reached, a plug-in or an import, is no verdict either."""
    if next((word for word in words if word in _COMMANDS), None) not in _GATES:
        yield
        return
    from benchmarks.cli.gates import no_verdict

    with no_verdict():
        yield


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--plugin",
    "_plugins",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=lambda _context, _parameter, paths: _use(paths),
    help="A Python file with tasks, systems, rules, metrics or figures of your own; may be given twice.",
)
def main() -> None:
    """Learning rules for recurrent spiking networks, compared across backends."""


def _data(args: list[str]) -> tuple[Path, ...]:
    """The files that `--data` names; whether they are there, the command's own option says."""
    named = [after for before, after in pairwise(args) if before == "--data"]
    named += [arg.removeprefix("--data=") for arg in args if arg.startswith("--data=")]
    return tuple(path for path in map(Path, named) if path.is_file())


def _use(paths: tuple[Path, ...]) -> None:
    """Load plug-ins before a command is imported, whose options list what there is."""
    if not paths:
        return
    from benchmarks.define import plugins  # imports implementations, for which `--help` is not to wait

    try:
        plugins.use(paths)
    except plugins.PluginError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    # Commands draw into files. A notebook asks its own commands for a backend that may not even be there, and
    # then nothing can import Matplotlib, some frameworks included.
    os.environ["MPLBACKEND"] = "agg"
    main(prog_name="python -m benchmarks")
