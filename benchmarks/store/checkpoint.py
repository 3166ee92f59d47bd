"""A checkpoint: arrays in one .npz file, replaced as a whole or not at all."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.store import files


class UnreadableCheckpoint(Exception):
    """There is no checkpoint, or it is damaged; the text says which."""


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays; whatever ends the process meanwhile, `path` is the old checkpoint or the new one.

    Raises:
        CannotWrite: it stays the old one.
    """
    with files.replaced(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint.

    Raises:
        UnreadableCheckpoint: there is none, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise UnreadableCheckpoint(f"there is no checkpoint {path}") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        raise UnreadableCheckpoint(f"the checkpoint {path} is damaged") from None


def delete(path: Path) -> None:
    """Delete a checkpoint, if there is one, and what a killed process left of one.

    Raises:
        CannotWrite: it can't be deleted.
    """
    files.delete(path)
