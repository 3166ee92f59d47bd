"""A device as a framework drives it: whether there can be one, its own clock, inputs that outgrow its cache.

A figure that a framework has no way to measure is None, with a reason: never a guess.
"""

import ctypes
import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

NO_EVENTS = {
    "jax": "JAX has no device events; its profiler would change what is timed",
}
"""Framework -> why it has no clock on the device."""

DEFAULT_L2_BYTES = 50 * 2**20
"""The L2 cache of an H100; that of an A100 is smaller."""

_MOST_SETS = 16


@cache
def no_driver() -> str | None:
    """Why there is no CUDA device for certain, without importing a framework; None where there may be one."""
    if sys.platform != "linux":
        return None
    try:
        ctypes.CDLL("libcuda.so.1")  # which every framework loads by this name
    except OSError:
        return "there is no CUDA driver on this machine (libcuda.so.1 can't be loaded)"
    return None


class Clock(Protocol):
    """Times what lies between two marks in a device's own queue of work."""

    def start(self) -> None:
        """Mark the begin."""
        ...

    def stop(self) -> None:
        """Mark the end; does not wait."""
        ...

    def seconds(self) -> float:
        """Between the marks, once the device is through with both."""
        ...


class _EventClock:
    """A pair of a framework's events.

    Args:
        begin, end: the events.
        elapsed_ms: of both, the milliseconds between them.
    """

    def __init__(self, begin: Any, end: Any, elapsed_ms: Callable[[Any, Any], Any]) -> None:
        self._begin, self._end, self._elapsed_ms = begin, end, elapsed_ms

    def start(self) -> None:
        self._begin.record()

    def stop(self) -> None:
        self._end.record()

    def seconds(self) -> float:
        self._end.synchronize()
        return self._elapsed_ms(self._begin, self._end) / 1e3


def _torch_clock() -> Clock:
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    return _EventClock(begin, end, lambda begin, end: begin.elapsed_time(end))


def _numba_clock() -> Clock:
    from numba import cuda

    return _EventClock(cuda.event(timing=True), cuda.event(timing=True), cuda.event_elapsed_time)


_CLOCKS: dict[str, Callable[[], Clock]] = {"torch": _torch_clock, "numba": _numba_clock}


def clock(device: str, packages: Sequence[str]) -> tuple[Clock | None, str | None]:
    """The device's clock for a backend, and why there is none.

    Args:
        device: as of a learner; a CPU has no other clock than the wall's.
        packages: what the backend is made of (`registry.packages`).
    """
    if device == "cpu":
        return None, "work on the CPU is timed by the wall clock alone"
    for package in packages:
        if package in _CLOCKS:
            return _CLOCKS[package](), None
    reasons = [NO_EVENTS[package] for package in packages if package in NO_EVENTS]
    return None, reasons[0] if reasons else f"{' and '.join(packages)} have no device events"


def input_sets(device: str, batch_bytes: int) -> int:
    """How many different batches a case is timed on, in turns.

    On a card, so many that together they are larger than its L2 cache, and a step finds none of its input
    there from the last time that it saw it; at least 2, and at most 16, as each is drawn and loaded first.
    On the CPU one, as ever: there a batch of the published size is larger than what a core keeps.
    """
    if device == "cpu":
        return 1
    return min(max(math.ceil((l2_bytes() + 1) / max(batch_bytes, 1)) + 1, 2), _MOST_SETS)


def l2_bytes() -> int:
    """Of the first card, where torch is loaded and knows; that of an H100 elsewhere."""
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_available():
            return int(torch.cuda.get_device_properties(0).L2_cache_size)
    except (AttributeError, RuntimeError):
        pass  # an old torch does not say
    return DEFAULT_L2_BYTES
