"""The regression gate: how often two commits are measured, what counts as a change, and its exit statuses."""

from dataclasses import dataclass

from implementations import checks

OK, REGRESSED, BROKEN, NOTHING_COMPARED, CANNOT_TELL, VOID = 0, 1, 2, 3, 4, 5
"""Exit statuses of commands that judge a commit: nothing is worse; something is; something that worked fails;
nothing could be compared, whatever the reason, a crash among them; what there is doesn't suffice for a
verdict; what can't have changed has."""

ROUNDS = 4
"""Processes per case and side of the gate before pairs, which `judge.power` compares pairs with; each has as
many samples as `define.asv_parameters.REPEAT` says."""


@dataclass(frozen=True)
class Thresholds:
    """What counts as a change.

    Attributes:
        factor: of times, for medians and minima, where they are judged by ranks: not in pairs, for which
            `define.pairing.Precision` has a bound.
        p: of the rank test, two-sided.
        samples: of times, per side; with fewer there is no verdict.
        least_s: times below are not judged: what surrounds a call is no longer small.
        memory_factor: of memory; and `memory_bytes` or `growth_bytes` (per time step) at least, as an
            allocator takes pages by the handful.
        error: added share of wrong answers, or of the target's variance that is missed, mean over seeds.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    factor: float = 1.15
    p: float = 0.002
    samples: int = 8
    least_s: float = 1e-3
    memory_factor: float = 1.25
    memory_bytes: float = 2.0**20
    growth_bytes: float = 512.0
    error: float = 0.1

    def __post_init__(self) -> None:
        for name in ("factor", "memory_factor"):
            checks.number(name, getattr(self, name), above=1.0)
        for name in ("p", "error"):
            if checks.number(name, getattr(self, name), above=0.0) > 1.0:
                checks.fail(name, getattr(self, name), "any number in (0, 1]")
        for name in ("least_s", "memory_bytes", "growth_bytes"):
            checks.number(name, getattr(self, name), minimum=0.0)
        checks.integer("samples", self.samples, 2)
