"""What every call into JAX is wrapped in: precision for this call alone, and a count of compiled programs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

_COMPILED = "/jax/core/compile/backend_compile_duration"

_inside = threading.local()
_count = 0


@contextmanager
def scope(dtype: np.dtype) -> Iterator[None]:
    """64 bits where `dtype` has them, and products in full precision; the user's settings stay as they are.

    JAX keeps these settings per thread, for the length of a `with`. Full precision matters on GPUs, which
    otherwise round float32 products to 10 bits of mantissa: other spikes.
    """
    outside, _inside.scope = getattr(_inside, "scope", False), True
    try:
        with jax.enable_x64(dtype == np.float64), jax.default_matmul_precision("highest"):
            yield
    finally:
        _inside.scope = outside


def compilations() -> int:
    """Programs that were compiled, or loaded from JAX's cache on disk, within a scope."""
    return _count


def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
    global _count
    if event == _COMPILED and getattr(_inside, "scope", False):
        _count += 1


jax.monitoring.register_event_duration_secs_listener(_listen)
