"""Files replaced as a whole: whatever ends the process meanwhile, one is what it was, or the new one."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives the name of a file to write, which takes the place of `path` when all is written.

    A link stays one, and a file that was there leaves its permissions.

    Raises:
        OSError: it can't be written; nothing is left behind.
    """
    target = path.resolve()
    temporary = target.with_name(f"{hidden(target)}{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink()


def hidden(path: Path) -> str:
    """How the names of files begin that are to replace this one: short, whatever its name is."""
    return f".tmp-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}-"
