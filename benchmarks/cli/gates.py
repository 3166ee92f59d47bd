"""What commands share whose exit status judges a commit: that of a crash must not be taken for a verdict."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from benchmarks.cli.output import Unwritten, one_line
from benchmarks.define.gate import NOTHING_COMPARED
from benchmarks.run.interruption import CTRL_C, Interrupted, at_once


class _Misuse(click.UsageError):
    """Exit status 2 has a meaning here: wrong use is one of the ways that nothing is compared."""

    exit_code = NOTHING_COMPARED


class _NoVerdict(Unwritten):
    exit_code = NOTHING_COMPARED


class Gate(click.Command):
    """A command whose errors of use are `_Misuse`; what can't be written is no verdict, nor is a crash."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """As in click."""
        with no_verdict():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """As in click; SIGTERM, which limits of time send, ends it as Ctrl-C does."""
        with no_verdict(), at_once():
            return super().invoke(ctx)


@contextmanager
def no_verdict() -> Iterator[None]:
    """Inside, whatever goes wrong ends the command with the exit status of nothing compared, or of Ctrl-C."""
    try:
        with one_line(_NoVerdict):
            yield
    except click.UsageError as error:
        raise _Misuse(error.format_message(), error.ctx) from None
    except click.ClickException as error:
        if error.exit_code == NOTHING_COMPARED:
            raise
        raise _NoVerdict(error.format_message()) from error
    except (click.Abort, KeyboardInterrupt, Interrupted) as stop:
        click.echo("interrupted", err=True)
        raise SystemExit(stop.exit_code if isinstance(stop, Interrupted) else CTRL_C) from None
    except click.exceptions.Exit:  # of --help
        raise
    except Exception:
        traceback.print_exc()
        raise SystemExit(NOTHING_COMPARED) from None
