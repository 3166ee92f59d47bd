"""What can run here: a case, and the fastest backend."""

from functools import partial

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.reasons import asked, broken
from benchmarks.define.reasons import unavailable as of_backend
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import memory, peer_environments
from implementations import checks


def unavailable(case: Case) -> str | None:
    """Why a case can't run here, or is none that its system has; None where it can.

    Raises:
        InvalidArgument: (a ValueError) for a system that there is none of.
    """
    system = SYSTEMS[checks.choice("system", case.system, SYSTEMS)]
    reason = system.unavailable(case)
    if reason is None and system.environment:
        reason = peer_environments.missing(system.environment)
    return memory.unavailable() if reason is None and case.memory else reason


def fastest(device: str = "cpu") -> tuple[str, str | None]:
    """The backend that trains the published sizes fastest on a CPU, as results/reference has it.

    PyTorch where its operators in C++ can be built, else Numba. A rule and no measurement, as a comparison
    that goes on later must go on with the same backend.

    Returns:
        The backend, and why it isn't PyTorch: `Broken` where it should be.

    Raises:
        RuntimeError: neither can run here; the text says why.
    """
    reason = asked("torch", partial(_operators_missing, device))
    if reason is None:
        return "torch", None
    other = of_backend("numba")
    if other is None:
        return "numba", reason
    raise RuntimeError(f"neither torch nor numba can run here: {reason}; {other}")


def _operators_missing(device: str) -> str | None:
    """Why PyTorch can't run here with its operators in C++."""
    reason = impl.unavailable("torch")
    if reason is not None:
        return reason
    from implementations.torch.cpp import extension  # imports torch

    reason = extension.missing()
    if reason is None and device == "cpu":
        try:
            extension.usable()  # builds them, which the first learner would do else
        except Exception as error:
            return broken("its C++ operators can't be used", error)
    return reason
