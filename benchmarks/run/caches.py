"""Where compilers keep what they compiled, so that it is found again where it helps and not where it matters.

All of these are read when a framework is imported: set them before.
"""

import atexit
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# The folders that kernels are kept in from one process to the next, of whatever compiles here.
_ALWAYS = (
    "NUMBA_CACHE_DIR",
    "TORCH_EXTENSIONS_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
)
# Without a folder, these keep nothing: they are moved where somebody has asked for one.
_IF_SET = ("JAX_COMPILATION_CACHE_DIR",)
_VARIABLES = (*_ALWAYS, *_IF_SET)
_COMPILERS = frozenset(("numba", "torch", "jax"))
_KEPT_COMMITS = 4


def forget() -> None:
    """From now on, this process finds nothing that was compiled before, and leaves nothing behind.

    Raises:
        RuntimeError: a framework is imported already, and has read where its cache is.
    """
    imported = sorted(_COMPILERS.intersection(sys.modules))
    if imported:
        raise RuntimeError(
            f"{' and '.join(imported)} had been imported, and may find what it compiled before"
        )
    folder = TemporaryDirectory(prefix="eprop-bench-cache-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    _use(Path(folder.name))


def per_commit() -> None:
    """Keep what is compiled apart for each commit, where ASV installs one after the other in one place.

    Two commits that are measured in turns would else compile all over again at every turn.
    """
    environment, commit = os.environ.get("ASV_ENV_DIR"), os.environ.get("ASV_COMMIT")
    if not environment or not commit:
        return
    root = Path(environment) / "compiled"
    folder = root / commit
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        by_age = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in by_age[_KEPT_COMMITS:]:
            shutil.rmtree(old, ignore_errors=True)
    _use(folder)


EVERY_PROGRAM = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""Variables with which JAX keeps what it compiles, however soon it has and however small it is."""


def inside(folder: Path) -> dict[str, str]:
    """Variables for another process, which keeps there all that it compiles, and finds it there."""
    return {name: str(folder / name.lower()) for name in _VARIABLES}


def _use(folder: Path) -> None:
    for name in _VARIABLES:
        if name in _ALWAYS or name in os.environ:
            os.environ[name] = str(folder / name.lower())
