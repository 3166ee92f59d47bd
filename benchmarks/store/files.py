"""Files written as a whole or not at all; what can't be written is one sentence with its path and reason."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from implementations import files

_LEAST_BYTES = 4096  # that a disk must take before work begins whose result goes there


class CannotWrite(Exception):
    """A file can't be written; the text names it and says why. No OSError, which a lost connection is too."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, an error of the system is one of writing `path`: it becomes a `CannotWrite`."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{path} can't be written: {error.strerror or error}") from error


def check_writable(path: Path) -> None:
    """Fail, before the work whose result `path` is to hold, where it is known that it can't be written.

    Changes nothing: folders that are missing are not made yet.

    Raises:
        CannotWrite: something is in the way, the folder is read-only, or the disk full.
    """
    with writing(path):
        if path.is_dir():
            raise CannotWrite(f"{path} can't be written: it is a folder")
        nearest = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
        if not nearest.is_dir():
            raise CannotWrite(f"{path} can't be written: {nearest} is no folder")
        with TemporaryFile(dir=nearest, buffering=0) as file:
            write(file.fileno(), bytes(_LEAST_BYTES))


def write(descriptor: int, content: bytes) -> None:
    """All of it: the system may take a part alone, as when a disk fills up, and says why at the next try."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives the name of a file to write, which takes the place of `path` when all is written.

    As `implementations.files` does it; folders are made if missing.
    What is no file of a disk, as a terminal, is written as it is.

    Raises:
        CannotWrite: the disk is full, or anything else that the system says; nothing is left behind.
    """
    with writing(path):
        if path.exists() and not path.is_file():
            yield path
            return
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        with files.replaced(path) as temporary:
            yield temporary


def write_text(path: Path, text: str) -> None:
    """Write a file of text, in UTF-8, as a whole.

    Raises:
        CannotWrite: see `replaced`.
    """
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def delete(path: Path) -> None:
    """Delete a file, if there is one, and what killed processes left of others that were to replace it.

    Raises:
        CannotWrite: it can't be deleted.
    """
    with writing(path):
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            for found in os.listdir(path.parent):
                if found.startswith(files.hidden(path)):
                    path.with_name(found).unlink(missing_ok=True)
