"""The memory meters: how far the resident memory of this process, and what it holds on a device, rise."""

import ctypes
import gc
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

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


def peak_growth_bytes(work: Callable[[], object], before: int | None = None) -> int:
    """How far resident memory rises above a level while `work` runs, in bytes.

    `before` is the level; the present one where it is None. The high-water mark of ru_maxrss won't do: a
    child inherits its parent's, and it can't be reset.
    """
    now = resident_bytes()
    before = now if before is None else before
    _CLEAR.write_text("5")  # sets VmHWM to VmRSS
    work()
    return max(_field("VmHWM") - before, 0)


class DevicePeak:
    """How far what the frameworks' allocators hold on GPUs rises above its level when this is made.

    Bytes, of all frameworks that are loaded. What a driver or a compiled program takes is not in it.
    """

    def __init__(self) -> None:
        self._meters = [meter() for framework, meter in _DEVICE_METERS.items() if framework in sys.modules]
        self._before = sum(meter.reset() for meter in self._meters)

    def growth(self, work: Callable[[], object]) -> int:
        """While `work` runs; called a second time, what earlier work keeps is in it."""
        for meter in self._meters:
            meter.reset()
        with ExitStack() as stack:
            for meter in self._meters:
                stack.enter_context(meter.holding())
            work()
            return max(sum(meter.peak() for meter in self._meters) - self._before, 0)


def device_peak_growth_bytes(work: Callable[[], object]) -> int:
    """The same above the present level, while `work` runs."""
    return DevicePeak().growth(work)


class _Meter:
    def reset(self) -> int:
        """Forget the peak; returns the bytes in use."""
        raise NotImplementedError

    def peak(self) -> int:
        """The most bytes in use since."""
        raise NotImplementedError

    def holding(self) -> AbstractContextManager[Any]:
        """Inside, work is metered."""
        return nullcontext()


class _TorchMeter(_Meter):
    # What a CUDA graph works in is of a pool of its own, which counts as free once the graph is recorded,
    # though nobody else can have it. Where one is recorded while this meters, the peak is an upper bound.
    def reset(self) -> int:
        """Forget the peak; returns the bytes in use."""
        import torch

        if not torch.cuda.is_initialized():
            return 0
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() + self._of_graphs()

    def peak(self) -> int:
        """The most bytes in use since."""
        import torch

        if not torch.cuda.is_initialized():
            return 0
        return torch.cuda.max_memory_allocated() + self._of_graphs()

    def _of_graphs(self) -> int:
        import torch

        segments = torch.cuda.memory_snapshot()
        own = (segment for segment in segments if tuple(segment["segment_pool_id"]) != (0, 0))
        return sum(segment["total_size"] - segment["allocated_size"] for segment in own)


class _JaxMeter(_Meter):
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


class _NumbaMeter(_Meter):
    # Its allocator keeps no count. While releases are deferred, what the driver lends only grows: an upper
    # bound of the peak, and the peak itself where kernels keep their buffers. It lends 2 MiB at a time.
    def reset(self) -> int:
        """Bytes of the card in use, by this process and others; its difference is what counts."""
        cuda = sys.modules.get("numba.cuda")
        if cuda is None or not cuda.is_available():
            return 0
        free, total = cuda.current_context().get_memory_info()
        return int(total - free) if math.isfinite(total) else 0  # the simulator has no end

    def peak(self) -> int:
        """Bytes in use."""
        return self.reset()

    def holding(self) -> AbstractContextManager[Any]:
        """Nothing is released inside."""
        cuda = sys.modules.get("numba.cuda")
        return nullcontext() if cuda is None or not cuda.is_available() else cuda.defer_cleanup()


# Framework, of which several backends may make use -> its allocator's meter.
_DEVICE_METERS = {
    "torch": _TorchMeter,
    "jax": _JaxMeter,
    "numba.cuda": _NumbaMeter,
}


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")
