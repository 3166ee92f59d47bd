"""How far each backend, rule and mode is from the numbers of the code published with the paper, in float64.

What makes the comparison of costs fair: all compute the same. tests/oracle/README.md says where the numbers
are from. The backends run in processes of their own, so that one that breaks leaves the others alone.

python -m benchmarks.run.parity < cases.json > lines.json
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.run import process as fresh
from benchmarks.run.environment import environment
from benchmarks.store.append import RunFile
from implementations import rules

_ROOT = Path(__file__).resolve().parents[2]
_ORACLE = _ROOT / "tests" / "oracle" / "small.npz"
_TIMEOUT_S = 600.0

TOLERANCE = 1e-12
"""The largest relative deviation that rounding in float64 explains here; the tests hold every case to it."""


class Case(NamedTuple):
    """What is compared."""

    backend: str
    rule: str
    mode: str
    device: str = "cpu"


_NUMBERS_OF = {"eprop_adaptive": "eprop_random"}
"""Rule -> rule whose published numbers are its own: with a given feedback the gradients are the same."""


@dataclass(frozen=True)
class _Oracle:
    """Inputs of the published numbers, and the numbers themselves."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch
    spikes: np.ndarray  # (batch, time, n_rec) bool
    published: dict[str, np.ndarray]  # RULE/loss, RULE/g_in, ...

    def has(self, rule: str) -> bool:
        """Whether there are numbers for this rule."""
        return f"{_NUMBERS_OF.get(rule, rule)}/loss" in self.published

    def number(self, rule: str, key: str) -> np.ndarray:
        """A published result of this rule."""
        return self.published[f"{_NUMBERS_OF.get(rule, rule)}/{key}"]


@cache
def _oracle() -> _Oracle:
    data = dict(np.load(_ORACLE))

    def unpacked(name: str) -> np.ndarray:
        shape = data[f"{name}_shape"]
        return np.unpackbits(data[name])[: np.prod(shape)].reshape(shape).astype(bool)

    beta = data["beta"]
    network = impl.Network(
        n_in=data["w_in"].shape[0],
        n_regular=int((beta == 0.0).sum()),
        n_adaptive=int((beta != 0.0).sum()),
        n_out=data["w_out"].shape[1],
        tau_membrane_ms=float(data["tau_v"]),
        tau_adaptation_ms=float(data["tau_a"]),
        tau_readout_ms=float(data["tau_out"]),
        threshold=float(data["threshold"]),
        dampening=float(data["dampening"]),
        refractory_steps=int(data["n_ref"]),
    )
    objective = impl.Objective(
        window=int(data["recall"]),
        rate_target_hz=1000.0 * float(data["reg_rate_khz"]),
        rate_cost=float(data["reg_f"]),
    )
    parameters = impl.Parameters(data["w_in"], data["w_rec"], data["w_out"], data["feedback"])
    batch = impl.Batch(unpacked("x"), data["target"])
    return _Oracle(network, objective, parameters, batch, unpacked("spikes"), data)


def cases(device: str = "cpu") -> list[Case]:
    """Every backend with every rule in each of its modes."""
    return [
        Case(backend, rule, mode, device)
        for backend in impl.BACKENDS
        for rule in impl.RULES
        for mode in rules.get(rule).modes
    ]


def compare(case: Case) -> dict[str, float]:
    """How far a case is from the published numbers.

    Returns:
        spikes: how many of them differ; loss, w_in, w_rec, w_out: the largest absolute difference over the
        largest absolute value published.
    """
    oracle = _oracle()
    learner = impl.learner(
        case.backend,
        case.rule,
        oracle.parameters,
        network=oracle.network,
        objective=oracle.objective,
        mode=case.mode,
        dtype="float64",
        device=case.device,
    )
    loaded = learner.load(oracle.batch)
    spikes = learner.simulate(loaded).spikes
    gradients, metrics = learner.gradients(loaded)
    found = {"loss": float(metrics.loss), **vars(gradients)}
    published = {"loss": "loss", "w_in": "g_in", "w_rec": "g_rec", "w_out": "g_out"}
    return {
        "spikes": int((spikes != oracle.spikes).sum()),
        **{
            name: fresh.deviation(found[name], oracle.number(case.rule, key))
            for name, key in published.items()
        },
    }


def holds(record: Mapping[Any, Any]) -> bool:
    """Whether a record says that its case computes the published numbers."""
    deviations = [record.get(name) for name in ("loss", "w_in", "w_rec", "w_out")]
    return (
        record["status"] == "ok"
        and record["spikes"] == 0
        and all(value is not None and value <= TOLERANCE for value in deviations)
    )


def compare_all(wanted: Iterable[Case], results: Path) -> Iterator[dict[str, Any]]:
    """Compare all; every record is on disk, in parity/RUN.jsonl, before it is yielded."""
    file = RunFile(results / "parity")
    for backend, of_backend in groupby(wanted, key=lambda case: case.backend):
        for case, outcome in _in_fresh_process(backend, list(of_backend)):
            named = {"kind": "parity", **case._asdict(), "dtype": "float64"}
            yield file.append({**named, **outcome, "environment": environment()})


def _in_fresh_process(backend: str, wanted: list[Case]) -> Iterator[tuple[Case, dict[str, Any]]]:
    """What each case gave, in their order: "unavailable" if it can't run here, "failed" on any error."""
    reasons = {case: _unavailable(case) for case in wanted}
    runnable = [case for case in wanted if reasons[case] is None]
    late = f"{backend} took longer than {_TIMEOUT_S:g} s"
    outcomes = fresh.outcomes(__name__, runnable, _TIMEOUT_S, late) if runnable else {}
    for case in wanted:
        reason = reasons[case]
        yield case, outcomes[case] if reason is None else {"status": "unavailable", "reason": reason}


def _unavailable(case: Case) -> str | None:
    try:
        reason = impl.unavailable(case.backend, case.device, case.rule, case.mode)
    except Exception:  # a broken backend fails in its own process, where its error is kept
        return None
    if reason is None and not _oracle().has(case.rule):
        return f"the published numbers have no {case.rule}: the tests compare it with naive loops"
    return reason


def main() -> None:
    """Read a list of cases as JSON; print a line for each as it is compared."""
    fresh.answer(Case, compare, sys.stdin)


if __name__ == "__main__":
    main()
