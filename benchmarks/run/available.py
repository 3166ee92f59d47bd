"""Whether a case can run here."""

from benchmarks.define.cases import Case
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import memory
from implementations import checks


def unavailable(case: Case) -> str | None:
    """Why a case can't run here, or is none that its system has; None where it can.

    Raises:
        InvalidArgument: (a ValueError) for a system that there is none of.
    """
    reason = SYSTEMS[checks.choice("system", case.system, SYSTEMS)].unavailable(case)
    return memory.unavailable() if reason is None and case.memory else reason
