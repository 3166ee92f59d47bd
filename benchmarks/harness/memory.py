"""The memory meters: how far the resident memory of this process, and what it holds on a device, rise."""

import ctypes
import gc
import sys
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


def device_peak_growth_bytes(work: Callable[[], object]) -> int:
    """How far what the frameworks' allocators hold on GPUs rises above its present level while `work` runs.

    Bytes, of all frameworks that are loaded. What a driver or a compiled program takes is not in it.
    """
    meters = [meter() for framework, meter in _DEVICE_METERS.items() if framework in sys.modules]
    before = sum(meter.reset() for meter in meters)
    work()
    return max(sum(meter.peak() for meter in meters) - before, 0)


class _TorchMeter:
    def reset(self) -> int:
        """Forget the peak; returns the bytes in use."""
        import torch

        if not torch.cuda.is_initialized():
            return 0
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()

    def peak(self) -> int:
        """The most bytes in use since."""
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else 0


class _JaxMeter:
    # XLA's peak can't be reset: what came before has to have been smaller, as a warm-up on a tiny batch is.
    def reset(self) -> int:
        """Bytes in use."""
        return self._total("bytes_in_use")

    def peak(self) -> int:
        """The most bytes in use since the process began."""
        return self._total("peak_bytes_in_use")

    def _total(self, name: str) -> int:
        import jax

        stats = (device.memory_stats() for device in jax.local_devices() if device.platform != "cpu")
        return sum(of.get(name, 0) for of in stats if of)


# Framework, of which several backends may make use -> its allocator's meter.
_DEVICE_METERS = {"torch": _TorchMeter, "jax": _JaxMeter}


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")
