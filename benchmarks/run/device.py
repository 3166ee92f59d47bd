"""The seam to a card: its own clock, its allocator, and what it says of itself.

Whatever needs a card is in here, behind functions that take none of it for granted; tests put fakes there.
A figure that a framework has no way to measure is None, with a reason: never a guess.
"""

import ctypes
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

# JAX would else take three quarters of a card when it first looks for one: its peak would say nothing, and a
# command that asks which backends can run would leave no room for the processes that it starts.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

_TIMEOUT_S = 20.0
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


# Column of a record -> field of nvidia-smi, and what its number is multiplied by.
_FIXED = {
    "name": ("name", None),
    "driver": ("driver_version", None),
    "memory_bytes": ("memory.total", 2.0**20),
    "power_limit_w": ("power.limit", 1.0),
    "sm_max_mhz": ("clocks.max.sm", 1.0),
    "memory_max_mhz": ("clocks.max.memory", 1.0),
    "ecc": ("ecc.mode.current", None),
    "mig": ("mig.mode.current", None),
}
_MOVING = {
    "sm_mhz": ("clocks.sm", 1.0),
    "memory_mhz": ("clocks.mem", 1.0),
    "temperature_c": ("temperature.gpu", 1.0),
    "power_w": ("power.draw", 1.0),
    "throttle": ("clocks_throttle_reasons.active", None),
}


@cache
def cards() -> tuple[list[dict[str, Any]], str | None]:
    """What does not change of every card, or why nothing is known.

    Each has name, driver, cuda (the newest version that the driver takes), memory_bytes, power_limit_w,
    sm_max_mhz, memory_max_mhz, ecc, mig; what a card does not say is None.
    """
    found, reason = _ask(_FIXED)
    version = _cuda_version() if found else None
    return [{**card, "cuda": version} for card in found], reason


def moving() -> dict[str, Any] | None:
    """What changes while the first card works: clocks in MHz, temperature, power, why it is held back.

    None where there is no card to ask.
    """
    found, _ = _ask(_MOVING)
    return found[0] if found else None


def _ask(fields: dict[str, tuple[str, float | None]]) -> tuple[list[dict[str, Any]], str | None]:
    if find_spec("pynvml") is not None:
        found = _by_library(fields)
        if found:
            return found, None
    names = [name for name, _ in fields.values()]
    text, reason = _nvidia_smi("--query-gpu=" + ",".join(names), "--format=csv,noheader,nounits")
    if text is None:
        return [], reason
    cards = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(fields):
            found = zip(fields.items(), values, strict=True)
            cards.append({key: _value(value, scale) for (key, (_, scale)), value in found})
    return cards, None if cards else "nvidia-smi names no card"


def _value(text: str, scale: float | None) -> Any:
    """A number where one is meant; None for what the card does not have, "[N/A]"."""
    if not text or text.startswith("[") or text == "N/A":
        return None
    if scale is None:
        return text
    try:
        return float(text) * scale
    except ValueError:
        return None


def _nvidia_smi(*options: str) -> tuple[str | None, str | None]:
    if shutil.which("nvidia-smi") is None:
        return None, "neither nvidia-ml-py nor nvidia-smi is installed here"
    try:
        done = subprocess.run(
            ["nvidia-smi", *options], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired:
        return None, f"nvidia-smi did not answer within {_TIMEOUT_S:g} s"
    except (OSError, subprocess.CalledProcessError) as error:
        return None, f"nvidia-smi failed: {error}"
    return done.stdout, None


def _cuda_version() -> str | None:
    text, _ = _nvidia_smi()
    _, found, rest = (text or "").partition("CUDA Version:")
    return rest.split()[0] if found and rest.split() else None


def _by_library(fields: dict[str, tuple[str, float | None]]) -> list[dict[str, Any]]:
    """The same through NVML, which needs no process; an empty list where it finds no card or driver."""
    import pynvml as nvml  # pyright: ignore[reportMissingImports]

    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return [{key: _nvml(nvml, handle, key) for key in fields} for handle in handles]
    finally:
        nvml.nvmlShutdown()


def _nvml(nvml: Any, handle: Any, key: str) -> Any:
    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    def mode(value: Any) -> str:
        return "Enabled" if value[0] else "Disabled"

    readers: dict[str, Callable[[], Any]] = {
        "name": lambda: text(nvml.nvmlDeviceGetName(handle)),
        "driver": lambda: text(nvml.nvmlSystemGetDriverVersion()),
        "memory_bytes": lambda: float(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
        "sm_max_mhz": lambda: float(nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory_max_mhz": lambda: float(nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "ecc": lambda: mode(nvml.nvmlDeviceGetEccMode(handle)),
        "mig": lambda: mode(nvml.nvmlDeviceGetMigMode(handle)),
        "sm_mhz": lambda: float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory_mhz": lambda: float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "temperature_c": lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
        "throttle": lambda: f"0x{nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle):016x}",
    }
    try:
        return readers[key]()
    except nvml.NVMLError:  # not supported by this card
        return None
