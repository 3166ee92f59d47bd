"""How this backend compiles: options, the cache on disk, and a count of compiled programs."""

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from implementations import private_folder

# Everything that lets LLVM vectorise and fuse, but NaN and infinity stay what they are: a diverged
# network has to show.
_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

_kernels: list[Any] = []


def inlined(function: Callable) -> Any:
    """Part of a kernel, inlined before LLVM sees it.

    Only then does LLVM know that arrays don't overlap and leaves out the run-time checks, which cost as
    much as the 7 vectors of a neuron loop.
    """
    return numba.njit(fastmath=_FASTMATH, error_model="numpy", inline="always")(function)


def called(function: Callable) -> Any:
    """Part of a kernel that is not hot: compiled by itself, which keeps the kernel quick to compile."""
    return numba.njit(fastmath=_FASTMATH, error_model="numpy")(function)


def kernel(function: Callable) -> Any:
    """An entry point: parallel over samples, compiled once and cached on disk."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        # a function of Python, whose lines a measure of coverage sees; words of bits wrap around
        return np.errstate(over="ignore")(function)
    configured = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    folder = _cache_folder(configured)
    numba.config.CACHE_DIR = configured if folder is None else str(folder)  # type: ignore[attr-defined]
    options = {"fastmath": _FASTMATH, "error_model": "numpy", "parallel": True, "cache": folder is not None}
    try:
        compiled = numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = configured  # type: ignore[attr-defined]
    _kernels.append(compiled)
    return compiled


def compilations() -> int:
    """Number of kernels compiled, or loaded from the cache, for some combination of types."""
    return sum(len(kernel.signatures) for kernel in _kernels)


@cache
def _cache_folder(configured: str) -> Path | None:
    """A folder named after the content of this backend's sources; None, with a warning, where there is none.

    Numba's own check looks at the file of the kernel alone, and would run a stale kernel after a change
    in a file that it inlines.
    """
    here = Path(__file__).parent
    sources = sorted(here.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    for root in filter(None, (configured, here / "__pycache__")):
        folder = Path(root) / "eprop-bench-numba" / digest
        try:
            if not folder.is_dir():
                shutil.rmtree(folder.parent, ignore_errors=True)  # kernels of other versions of the sources
                folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    try:
        return private_folder.in_temporary_files("eprop-bench-numba") / digest
    except private_folder.NotPrivate as reason:
        warnings.warn(
            f"each process compiles the numba backend anew: {reason} (NUMBA_CACHE_DIR names another folder)",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
