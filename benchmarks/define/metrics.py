"""The one table of what is measured: name, unit, which way is better, and how a number is printed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One figure of the comparison.

    Attributes:
        name: as tables head their column, without the unit.
        unit: printed; "" for a number without one.
        better: which way is better, "" where neither is.
        scale: what a recorded figure (seconds, bytes, shares) is multiplied by to give `unit`.
        text: prints a scaled figure.
    """

    name: str
    unit: str
    better: Literal["lower", "higher", ""]
    scale: float
    text: Callable[[float], str]

    @property
    def heading(self) -> str:
        """Name and unit, e.g. "step time (ms)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def title(self) -> str:
        """The name with a capital, unless it begins with no plain word, as nMSE does."""
        return self.name if self.name[1:2].isupper() else self.name[0].upper() + self.name[1:]

    def format(self, value: float | None) -> str:
        """The figure in `unit`, without it; a dash where there is none."""
        if value is None or math.isnan(value):
            return "–"
        return self.text(value * self.scale)

    def quantity(self, value: float) -> str:
        """The figure with its unit, for a sentence."""
        # A no-break space, so that no line ends between a number and its unit.
        return f"{self.format(value)}\u00a0{self.unit}".strip() if self.unit else self.format(value)


def significant(value: float, digits: int = 3) -> str:
    """At least `digits` significant digits, never an exponent: 0.0412, 4.12, 41.2, 412, 41234."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if value == 0.0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    # Rounding may carry into one more digit (9.999 -> 10.0), which then has one decimal less.
    decimals = digits - 1 - math.floor(math.log10(abs(round(value, decimals))))
    return f"{value:,.{max(0, decimals)}f}".replace(",", "\u202f").replace("-", "−")


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if math.isfinite(value) else "∞"


def _two(value: float) -> str:
    return significant(value, 2)


def _one_decimal(value: float) -> str:
    return f"{value:.1f}"


def _times(value: float) -> str:
    return f"×{significant(value, 2)}"


def _exponent(value: float) -> str:
    return "0" if value == 0.0 else f"{value:.1e}" if math.isfinite(value) else "∞"


def _p(value: float) -> str:
    return significant(value, 2) if value >= 0.001 else "< 0.001"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


METRICS = {
    "step_s": Metric("step time", "ms", "lower", 1e3, significant),
    "step_ratio": Metric("times the fastest", "×", "lower", 1.0, _two),
    "speedup": Metric("as fast as the notebook", "", "higher", 1.0, _times),
    "forward_s": Metric("forward pass", "ms", "lower", 1e3, significant),
    "compile_s": Metric("compilation", "s", "lower", 1.0, significant),
    "first_step_s": Metric("first step", "s", "lower", 1.0, significant),
    "import_s": Metric("import", "s", "lower", 1.0, significant),
    "build_s": Metric("build", "s", "lower", 1.0, significant),
    "load_s": Metric("load", "s", "lower", 1.0, significant),
    "peak_bytes": Metric("peak memory of a step", "MiB", "lower", 2.0**-20, significant),
    "batch_bytes": Metric("loaded batch", "MiB", "lower", 2.0**-20, significant),
    "device_peak_bytes": Metric("peak memory on the device", "MiB", "lower", 2.0**-20, significant),
    "floor_s": Metric("floor of a step", "ms", "lower", 1e3, significant),
    "over": Metric("times the floor", "", "lower", 1.0, _times),
    "gain": Metric("as fast as its own loop", "", "higher", 1.0, _times),
    "operations": Metric("operations", "MFLOP", "", 1e-6, significant),
    "moved_bytes": Metric("memory moved", "MiB", "", 2.0**-20, significant),
    "rate": Metric("operations per second", "TFLOP/s", "higher", 1e-12, significant),
    "bytes_per_step": Metric("growth per step of a trial", "KiB", "lower", 2.0**-10, significant),
    "test_accuracy": Metric("test accuracy", "%", "higher", 100.0, _one_decimal),
    "test_error": Metric("test error", "%", "lower", 100.0, _one_decimal),
    "nmse": Metric("normalised squared error", "", "lower", 1.0, significant),
    "train_accuracy": Metric("training accuracy", "%", "higher", 100.0, _one_decimal),
    "log_s": Metric("time between lines of the log", "s", "lower", 1.0, significant),
    "test_loss": Metric("test loss", "", "lower", 1.0, significant),
    "rate_hz": Metric("firing rate", "Hz", "", 1.0, significant),
    "train_s": Metric("training time", "s", "lower", 1.0, significant),
    "step": Metric("training steps", "", "lower", 1.0, _whole),
    "spikes": Metric("differing spikes", "", "lower", 1.0, _whole),
    "deviation": Metric("relative deviation", "", "lower", 1.0, _exponent),
    "p": Metric("p", "", "", 1.0, _p),
    "effect": Metric("rank-biserial correlation", "", "", 1.0, _signed),
    "share": Metric("share", "%", "", 100.0, _whole),
    "criterion_share": Metric("seeds that met it", "%", "higher", 100.0, _whole),
}
