"""What cards say of themselves, by NVML or nvidia-smi: names and limits, and clocks while they work.

Whatever needs a card is here or in `device`, behind functions that take none of it for granted; tests put
fakes there. What a card does not say is None, with a reason: never a guess.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

_TIMEOUT_S = 20.0

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
    text, reason = nvidia_smi("--query-gpu=" + ",".join(names), "--format=csv,noheader,nounits")
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


def nvidia_smi(*options: str) -> tuple[str | None, str | None]:
    """What it prints, or None and why."""
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
    text, _ = nvidia_smi()
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
