"""What a metric is: its column, name, unit, direction; how it is printed, recorded, measured and judged.

`metrics.METRICS` has them all. A plug-in adds one by an instance of `Metric` at its top level,
and imports this module: so this one imports no table that plug-ins extend.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal


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


def whole(value: float) -> str:
    """No decimals: 1 234."""
    return f"{value:,.0f}".replace(",", "\u202f") if math.isfinite(value) else "∞"


def two(value: float) -> str:
    """Two significant digits."""
    return significant(value, 2)


def three(value: float) -> str:
    """Three decimals, of a number that is 1 at most."""
    return f"{value:.3f}".replace("-", "−")


def wide(value: float) -> str:
    """Three significant digits; beyond thousands a power of ten, where a number may be of any size."""
    return significant(value) if value < 1e4 else exponent(value)


def one_decimal(value: float) -> str:
    """One decimal."""
    return f"{value:.1f}".replace("-", "−") if math.isfinite(value) else "∞"


def times(value: float) -> str:
    """A factor: ×1.2."""
    return f"×{significant(value, 2)}"


def exponent(value: float) -> str:
    """Two digits and a power of ten: 1.2e-16."""
    return "0" if value == 0.0 else f"{value:.1e}" if math.isfinite(value) else "∞"


def p(value: float) -> str:
    """A p-value, none below 0.001."""
    return significant(value, 2) if value >= 0.001 else "< 0.001"


def signed(value: float) -> str:
    """Two decimals, with the sign."""
    return f"{value:+.2f}".replace("-", "−")


@dataclass(frozen=True)
class Judged:
    """How the regression gate judges what ASV stored in a unit, and how it prints that.

    Attributes:
        by: "time": ranks of samples and ratios; "memory": a factor, and bytes; "error": an added share.
        asv_unit: the unit, as ASV's benchmarks have it.
        scale, decimals, unit: what it is multiplied by, how many digits follow the point, and what then.
    """

    by: Literal["time", "memory", "error"]
    asv_unit: str
    scale: float
    decimals: int
    unit: str


AS_TIME = Judged("time", "seconds", 1e3, 2, "ms")
AS_MEMORY = Judged("memory", "bytes", 2.0**-20, 1, "MiB")
AS_GROWTH = Judged("memory", "bytes/step", 1.0, 0, "B/step")
AS_ERROR = Judged("error", "wrong/trials", 100.0, 1, "%")
AS_MISSED = Judged("error", "error/variance", 100.0, 1, "%")
AS_TURNED = Judged("error", "1-cosine", 1.0, 3, "")


@dataclass(frozen=True)
class Measured:
    """What a metric's function is given: a case in its own process, after its samples.

    Attributes:
        case: a `cases.Case`; its system may be another than the backends.
        learner: with the weights that the last step left; `implementations.Learner` says what it can do.
        loaded: the batch of the case, as `learner.load` gave it.
        step: takes one more step on it, up to its end.
        step_s: seconds of each sample.
    """

    case: Any
    learner: Any
    loaded: Any
    step: Callable[[], None]
    step_s: Sequence[float]


Place = Literal["cost", "floor", "tracked", "time", "sample", "point", "logged", "final", "alignment"]
"""Where a metric is recorded. Of a measured process: "cost", one figure; "floor", one of a step on a card;
"time", raw samples of which no median is recorded; "sample", other raw samples. "tracked": one figure that
ASV alone records. Of a training run: "point", at each point; "logged", there too, by systems that log it;
"final", of the trained network; "alignment", of its gradient beside BPTT's, now and then."""


@dataclass(frozen=True)
class Metric:
    """One figure of the comparison.

    Attributes:
        column: of tables and records, with the unit recorded in its name (_s, _bytes, _hz).
        name: as tables head their column, without the unit.
        unit: printed; "" for a number without one.
        better: which way is better, "" where neither is.
        scale: what a recorded figure (seconds, bytes, shares) is multiplied by to give `unit`.
        text: prints a scaled figure.
        places: where it is recorded; nowhere, if it is computed from others. One with `measure` is a "cost".
        asv: the method of ASV's benchmarks that records it; "" if none does.
        judged: how the regression gate judges it; None for not at all.
        measure: measures it, once per timed process; None where there is none of a case.
    """

    column: str
    name: str
    unit: str
    better: Literal["lower", "higher", ""]
    scale: float = 1.0
    text: Callable[[float], str] = significant
    places: tuple[Place, ...] = ()
    asv: str = ""
    judged: Judged | None = None
    measure: Callable[[Measured], float | None] | None = None

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
