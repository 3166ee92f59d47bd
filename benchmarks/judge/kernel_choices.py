"""Choices about kernels beside their defaults: what share of their time each takes, and how much is noise."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.define.kernel_choices import Variant

_GAIN = 0.97
"""Faster is what takes less than this share of the defaults' time, and gains more than their drift."""

Timed = Sequence[tuple[Variant, Mapping[str, Any]]]


@dataclass(frozen=True)
class Choice:
    """One change, timed.

    Attributes:
        step_ms: the median; None where it failed, and `reason` says why.
        share: of the time of the defaults before and after it; None where there is none of these.
        drift: by which the defaults themselves differ, as a share of their time.
        deviation: largest of its gradients from the defaults', and spikes that differ.
    """

    name: str
    change: Mapping[str, int]
    step_ms: float | None
    share: float | None
    drift: float | None
    deviation: float | None
    spikes: int | None
    reason: str | None

    @property
    def faster(self) -> bool:
        """Whether it gains more than noise."""
        return self.share is not None and self.share < min(_GAIN, 1.0 - (self.drift or 0.0))


def choices(timed: Timed) -> list[Choice]:
    """One for each variant that came to anything, in their order."""
    found = []
    for variant, record in timed:
        defaults = [
            median_ms(other)
            for one, other in timed
            if one.case == variant.case and not one.change and other["status"] == "ok"
        ]
        usual = statistics.mean(defaults) if defaults else None
        ok = record["status"] == "ok"
        step_ms = median_ms(record) if ok else None
        gradients = [record[name] for name in ("w_in", "w_rec", "w_out")] if ok else []
        found.append(
            Choice(
                variant.name,
                variant.change,
                step_ms,
                None if step_ms is None or usual is None else step_ms / usual,
                None if usual is None else (max(defaults) - min(defaults)) / usual,
                max(gradients, default=None),
                record["spikes"] if ok else None,
                record["reason"],
            )
        )
    return found


def median_ms(record: Mapping[str, Any]) -> float:
    """Of the device's own clock, where there is one."""
    return 1e3 * statistics.median(record.get("event_s") or record["step_s"])
