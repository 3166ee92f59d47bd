"""How far each backend, rule and mode is from the numbers of the code published with the paper, in float64.

What makes the comparison of costs fair: all compute the same. tests/oracle/README.md says where the numbers
are from. The backends run in processes of their own, so that one that breaks leaves the others alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import implementations as impl
from benchmarks.run.agreement import compared, computed, deviations
from benchmarks.run.environment import environment
from benchmarks.run.oracle import oracle
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures
from implementations import rules

_TIMEOUT_S = 600.0


class ParityCheck(NamedTuple):
    """What is compared."""

    backend: str
    rule: str
    mode: str
    device: str = "cpu"


def checks(
    device: str = "cpu", backends: Iterable[str] = impl.BACKENDS, names: Iterable[str] | None = None
) -> list[ParityCheck]:
    """Every backend with every rule, those of the table by default, in each of its modes."""
    wanted = tuple(impl.RULES if names is None else names)
    return [
        ParityCheck(backend, rule, mode, device)
        for backend in backends
        for rule in wanted
        for mode in rules.get(rule).modes
    ]


def compare(check: ParityCheck) -> dict[str, Any]:
    """How far a check is from the published numbers: its deviations."""
    known = oracle()
    learner = impl.learner(
        check.backend,
        check.rule,
        known.parameters,
        network=known.network,
        objective=known.objective,
        mode=check.mode,
        dtype="float64",
        device=check.device,
    )
    names = {"loss": "loss", "w_in": "g_in", "w_rec": "g_rec", "w_out": "g_out"}
    published = {name: known.number(check.rule, key) for name, key in names.items()}
    return deviations(computed(learner, known.batch), {"spikes": known.spikes, **published})


def compare_all(
    wanted: Iterable[ParityCheck],
    results: Path,
    left_s: Callable[[], float] = lambda: math.inf,
    limit_s: float = _TIMEOUT_S,
    failures: Failures | None = None,
) -> Iterator[dict[str, Any]]:
    """Compare all; every record is on disk, in parity/RUN.jsonl, before it is yielded.

    Args:
        left_s: seconds that may still be used; what these don't suffice for is neither recorded nor yielded.
        limit_s: seconds for a check, which is recorded as failed if it takes longer.
        failures: keeps the full text of what failed.
    """
    file = RunFile(results / "parity")
    for _, of_backend in groupby(wanted, key=lambda check: check.backend):
        for check, outcome in compared(list(of_backend), compare, _unavailable, limit_s, left_s):
            named = {"kind": "parity", **check._asdict(), "dtype": "float64"}
            printed = outcome.pop("printed", None)
            if failures is not None and outcome["status"] == "failed":
                failures.keep(("published numbers", *check), outcome["reason"], printed)
            yield file.append({**named, **outcome, "environment": environment()})


def _unavailable(check: ParityCheck) -> str | None:
    try:
        reason = impl.unavailable(check.backend, check.device, check.rule, check.mode)
    except Exception:  # a broken backend fails in its own process, where its error is kept
        return None
    if reason is None and not oracle().has(check.rule):
        return f"the published numbers have no {check.rule}: the tests compare with naive loops instead"
    return reason
