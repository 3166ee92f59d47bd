"""What a command prints on: a console for tables, and one line where a file or output can't be written."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from benchmarks.store.files import CannotWrite

if TYPE_CHECKING:
    from rich.console import Console

_OF_OUTPUT = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class Unwritten(click.ClickException):
    """A file or the output could not be written: an error of one line."""

    def show(self, file: Any = None) -> None:
        """On standard error, if somebody listens there."""
        with suppress(OSError):
            super().show(file)


@contextmanager
def one_line(kind: type[Unwritten] = Unwritten) -> Iterator[None]:
    """Inside, what can't be written ends the command with one line, and the exit status of this kind."""
    try:
        yield
    except CannotWrite as error:
        raise kind(str(error)) from error
    except OSError as error:
        if error.filename is not None:
            raise kind(f"{error.filename}: {error.strerror}") from error
        if error.errno not in _OF_OUTPUT:
            raise
        _discard_output()
        raise kind(f"standard output can't be written: {error.strerror}") from error


def _discard_output() -> None:
    """Python writes out at its end what is left of the output, and would fail again."""
    with suppress(OSError, ValueError, AttributeError):  # where it is no file of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def console(width: int | None = None) -> "Console":
    """Prints tables.

    Args:
        width: into a file or a pipe, where none is given 80 columns as rich has them; a terminal has its own.
    """
    from rich.console import Console  # here, as `--help` is not to wait for it

    class Raising(Console):
        """Leaves a closed pipe to `one_line`, as every other output does."""

        def on_broken_pipe(self) -> None:
            raise

    found = Raising(highlight=False)
    return found if found.is_terminal or width is None else Raising(width=width, highlight=False)
