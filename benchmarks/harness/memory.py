"""The memory meter: how far the resident memory of this process rises above where it was."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def unavailable() -> str | None:
    """Why memory can't be measured here; None where it can."""
    if not (_STATUS.exists() and _CLEAR.exists()):
        return "peak memory is read from /proc/self, which only Linux has"
    return None


def resident_bytes() -> int:
    """Resident memory, after what Python and the C library hold without need was given back."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc; others give memory back by themselves
        libc.malloc_trim(0)
    return _field("VmRSS")


def peak_growth_bytes(work: Callable[[], object]) -> int:
    """How far resident memory rises above its present level while `work` runs, in bytes.

    The high-water mark of ru_maxrss won't do: a child inherits its parent's, and it can't be reset.
    """
    before = resident_bytes()
    _CLEAR.write_text("5")  # sets VmHWM to VmRSS
    work()
    return max(_field("VmHWM") - before, 0)


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")
