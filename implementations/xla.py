"""What every call into JAX is wrapped in: settings for this call alone, and a count of compiled programs.

For backends that compute with JAX; nothing else imports this, as it imports JAX.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.monitoring
import numpy as np

_COMPILED = "/jax/core/compile/backend_compile_duration"
_MAPPINGS = Path("/proc/self/maps")
_MOST_MAPPINGS = Path("/proc/sys/vm/max_map_count")


def make_room() -> None:
    """Drops JAX's compiled programs once they hold half of the mappings that Linux gives a process.

    A program maps its code, and the programs of one setting take some 250 mappings of the usual 65530; one
    more than those, and LLVM ends the process with a segmentation fault. A program that is asked for again is
    compiled again. Called before a learner is made, so that no learner in a process of few settings pays.
    """
    try:
        most = int(_MOST_MAPPINGS.read_text())
        with _MAPPINGS.open("rb") as mappings:
            held = sum(1 for _ in mappings)
    except OSError:
        return  # not Linux, which has no such limit
    if held > most // 2:
        jax.clear_caches()


class Calls:
    """The calls of one backend.

    Attributes:
        compilations: programs that were compiled, or loaded from JAX's cache on disk, within a scope.
    """

    def __init__(self) -> None:
        self.compilations = 0
        self._thread = threading.local()
        jax.monitoring.register_event_duration_secs_listener(self._note)

    @contextmanager
    def scope(self, dtype: np.dtype) -> Iterator[None]:
        """64 bits where `dtype` has them, products in full precision; the user's settings stay as they are.

        JAX keeps these settings per thread, for the length of a `with`. Full precision matters on GPUs, which
        otherwise round float32 products to 10 bits of mantissa: other spikes. The others are what JAX begins
        with, whatever the user has: stricter ones refuse what is meant here, as an accuracy that is NaN.
        """
        outside = getattr(self._thread, "inside", False)
        self._thread.inside = True
        try:
            with (
                jax.enable_x64(dtype == np.float64),
                jax.default_matmul_precision("highest"),
                jax.numpy_rank_promotion("allow"),
                jax.numpy_dtype_promotion("standard"),
                jax.debug_nans(False),
                jax.debug_infs(False),
            ):
                yield
        finally:
            self._thread.inside = outside

    def _note(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        """JAX calls this at each of its events that take time."""
        if event == _COMPILED and getattr(self._thread, "inside", False):
            self.compilations += 1
