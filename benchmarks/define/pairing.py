"""How two commits are timed in turns, and when that suffices for a verdict."""

from dataclasses import dataclass
from typing import Any

from implementations import checks

ARMS: tuple[str, ...] = ("base", "head", "copy")
"""What is timed in turns; a copy of base has to come out as base does."""

_LOOKS = (4, 6, 9)

LEAST_S = 0.01
"""Seconds of a sample at least: of shorter calls, so many make one."""

BLOCKS, MOST_BLOCKS, SECONDS = 1, 12, 1.0
"""Blocks of a process: at least, at most, and seconds of each arm after which there are enough."""


@dataclass(frozen=True)
class TimedCase:
    """A benchmark of ASV with values for its parameters.

    Attributes:
        benchmark: FILE.CLASS.METHOD.
        texts: the value of each parameter, as repr() has it.
        case: those that tell cases of the benchmark apart, for people.
        kind: as ASV has it: "time" is sampled in a process as often as need be; "track" and "timeraw" once,
            in a process of its own.
        unit: of what is recorded.
        backend: of its parameters; None where it has no such.
    """

    benchmark: str
    texts: tuple[str, ...]
    case: str
    kind: str
    unit: str
    backend: str | None

    @property
    def selector(self) -> str:
        """As ASV writes it, and takes it for --bench."""
        return f"{self.benchmark}({', '.join(self.texts)})"

    @property
    def in_turns(self) -> bool:
        """Whether it is judged by times in turns, and not by one figure of each side."""
        return self.unit == "seconds"

    def named(self) -> dict[str, Any]:
        """The fields that name it in tables."""
        return {"benchmark": self.benchmark, "case": self.case, "selector": self.selector, "unit": self.unit}


@dataclass(frozen=True)
class Precision:
    """When a time has changed, has not, and when nobody can tell.

    Attributes:
        factor: a time is slower where its ratio is above this; a smaller change doesn't matter.
        error: the probability, at most, that a comparison of identical code finds anything slower.
        missed: the same of a case to be called unchanged that is slower by `factor` or more.
        looks: after so many pairs of processes there may be a verdict. The probabilities hold for all looks
            together.
        minutes: of measuring, in pairs and whatever else, after which nothing is timed any more.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    factor: float = 1.05
    error: float = 0.01
    missed: float = 0.05
    looks: tuple[int, ...] = _LOOKS
    minutes: float = 14.0

    def __post_init__(self) -> None:
        checks.number("factor", self.factor, above=1.0)
        for name in ("error", "missed"):
            if checks.number(name, getattr(self, name), above=0.0) >= 0.5:
                checks.fail(name, getattr(self, name), "any number in (0, 0.5)")
        if not self.looks or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 3:
            checks.fail("looks", self.looks, "numbers of pairs, each larger than the one before, from 3 on")
        checks.number("minutes", self.minutes, above=0.0)


def looks(pairs: int) -> tuple[int, ...]:
    """After how many pairs there may be a verdict, where there are so many at most.

    Raises:
        InvalidArgument: (a ValueError) for fewer than the first look has.
    """
    checks.integer("pairs", pairs, _LOOKS[0])
    return (*(look for look in _LOOKS if look < pairs), pairs)
