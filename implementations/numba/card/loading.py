"""Loads what numba-cuda compiles with, also beside a NumPy that is newer than it."""

from importlib import import_module

import numpy as np

# NumPy 2.5 has no `row_stack` any more, by which numba-cuda 0.30 calls `vstack` as it is loaded.
_GONE = {"row_stack": np.vstack}


def load_compiler() -> None:
    """To be called before anything is compiled; NumPy has those names for no longer than this takes."""
    lent = [name for name in _GONE if not hasattr(np, name)]
    for name in lent:
        setattr(np, name, _GONE[name])
    try:
        import_module("numba.cuda.cudaimpl")
    finally:
        for name in lent:
            delattr(np, name)
