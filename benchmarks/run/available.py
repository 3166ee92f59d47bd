"""What can run here: a case, and the fastest backend."""

import implementations as impl
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


def fastest() -> str:
    """The backend that trains the published sizes fastest on a CPU, as results/reference has it.

    PyTorch where its operators in C++ can be built, else Numba. A rule and no measurement, as a comparison
    that goes on later must go on with the same backend.

    Raises:
        RuntimeError: neither can run here; the text says why.
    """
    reason = impl.unavailable("torch")
    if reason is None:
        from implementations.torch.cpp import extension  # imports torch

        reason = extension.missing()
    if reason is None:
        return "torch"
    other = impl.unavailable("numba")
    if other is None:
        return "numba"
    raise RuntimeError(f"neither torch nor numba can run here: {reason}; {other}")
