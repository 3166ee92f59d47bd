"""A folder for compiled code in the one for temporary files, to which everybody can write: this user's alone.

Code is loaded from there. Whoever makes a folder of that name first would choose which.
"""

import os
import stat
import tempfile
from pathlib import Path


class NotPrivate(OSError):
    """The folder is somebody else's, or can't be made; the text names it and says why."""


def in_temporary_files(name: str) -> Path:
    """NAME-USER, made if missing.

    Raises:
        NotPrivate: it is not what this user alone can write to, and nothing is to be loaded from it.
    """
    user = os.getuid() if hasattr(os, "getuid") else None  # elsewhere temporary files are a user's own
    try:
        folder = Path(tempfile.gettempdir()) / (name if user is None else f"{name}-{user}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NotPrivate(f"there is no folder for temporary files: {error.strerror or error}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise NotPrivate(f"{folder} is no folder")
    if user is not None and found.st_uid != user:
        raise NotPrivate(f"{folder} belongs to somebody else")
    if user is not None and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotPrivate(f"others can write to {folder}")
    return folder
