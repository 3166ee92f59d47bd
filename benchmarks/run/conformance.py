"""Fresh random problems on a device, held against the NumPy backend in float64.

Every case draws from a seed that is recorded with its outcome, so that a failure can be repeated. The
backends run in processes of their own. What was compared is appended to results/conformance/RUN.jsonl.

python -m benchmarks.run.conformance < cases.json > lines.json
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.run import process as fresh
from benchmarks.run.environment import environment
from benchmarks.store.append import RunFile
from implementations import rules

TOLERANCES = {"float64": 1e-12, "float32": 1e-4}
"""Largest absolute difference over the largest absolute value, per dtype. In float64 sums in another order,
and multiply-adds that round once, explain some 1e-14; in float32 1e-5, on the short trials that are used
here, where a spike that comes out the other way would show as a difference of another order."""

# No spike may differ, in either dtype. A potential within rounding of the threshold may cross it one step
# later: problems are drawn until float64 keeps away from that.
_MARGIN = 1e-4
_DRAWS = 100


class Case(NamedTuple):
    """What is compared, on which problem."""

    backend: str
    rule: str
    mode: str
    dtype: str
    device: str
    seed: int
    loss: str = "cross_entropy"


def cases(backends: Iterable[str], device: str, seed: int, dtypes: Iterable[str]) -> list[Case]:
    """Every backend with every rule in each of its modes and dtypes, with both losses in turns."""
    found = []
    for backend in backends:
        number = 0
        for rule in impl.RULES:
            for mode in rules.get(rule).modes:
                for dtype in dtypes:
                    loss = ("cross_entropy", "squared_error")[number % 2]
                    found.append(Case(backend, rule, mode, dtype, device, seed + number, loss))
                    number += 1
    return found


class Drawn(NamedTuple):
    """A random problem."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch


def draw(seed: int, loss: str, dtype: str) -> Drawn:
    """A problem of odd sizes, in which neurons spike and none is within rounding of its threshold.

    Raises:
        RuntimeError: none of many draws keeps away from the threshold.
    """
    for attempt in range(_DRAWS):
        found = _draw(np.random.default_rng([seed, attempt]), loss)
        if dtype == "float64" or _margin(found) > _MARGIN:
            return found
    raise RuntimeError(f"none of {_DRAWS} problems keeps its potentials {_MARGIN:g} from the threshold")


def _draw(rng: np.random.Generator, loss: str) -> Drawn:
    network = impl.Network(
        n_in=int(rng.integers(3, 24)),
        n_regular=int(rng.integers(1, 20)),
        n_adaptive=int(rng.integers(1, 20)),
        n_out=int(rng.integers(2, 5)),
        tau_adaptation_ms=float(rng.uniform(20.0, 500.0)),
        refractory_steps=int(rng.integers(0, 6)),
    )
    n_batch, n_steps = int(rng.integers(1, 9)), int(rng.integers(20, 60))
    drawn = impl.Parameters.draw(network, int(rng.integers(2**31)))
    parameters = impl.Parameters(1.5 * drawn.w_in, drawn.w_rec, drawn.w_out, drawn.feedback)
    spikes = rng.random((n_batch, n_steps, network.n_in)) < 0.2
    if loss == "cross_entropy":
        targets = rng.integers(0, network.n_out, n_batch)
    else:
        targets = rng.standard_normal((n_batch, n_steps, network.n_out))
    objective = impl.Objective(loss=loss, window=int(rng.integers(1, n_steps + 1)), rate_cost=2.0)
    return Drawn(network, objective, parameters, impl.Batch(spikes, targets))


def _margin(problem: Drawn) -> float:
    """The least |u| of any trial, neuron and step: the equations of README.md, in float64."""
    network, weights, x = problem.network, problem.parameters, problem.batch.spikes.astype(float)
    z = a = v = np.zeros((len(x), network.n_rec))
    refractory = np.zeros(z.shape, int)
    least = np.inf
    for t in range(x.shape[1]):
        a = network.rho * a + z
        v = network.alpha * v + x[:, t] @ weights.w_in + z @ weights.w_rec - network.threshold * z
        u = (v - network.threshold - network.beta * a) / network.threshold
        z = ((u > 0.0) & (refractory == 0)).astype(float)
        refractory = np.clip(refractory + network.refractory_steps * (z > 0) - 1, 0, network.refractory_steps)
        least = min(least, float(np.abs(u).min()))
    return least


def compare(case: Case) -> dict[str, Any]:
    """Deviations of a case, and the engine that computed it.

    Returns:
        spikes: how many differ; loss, w_in, w_rec, w_out: the largest absolute difference over the largest
        absolute value of the NumPy backend; engine; fired: how many spikes there were.
    """
    problem = draw(case.seed, case.loss, case.dtype)

    def computed(backend: str, dtype: str, device: str) -> tuple[Any, Any, dict[str, Any]]:
        learner = impl.learner(
            backend,
            case.rule,
            problem.parameters,
            network=problem.network,
            objective=problem.objective,
            mode=case.mode,
            dtype=dtype,
            device=device,
        )
        loaded = learner.load(problem.batch)
        spikes = learner.simulate(loaded).spikes
        gradients, metrics = learner.gradients(loaded)
        return learner, spikes, {"loss": float(metrics.loss), **vars(gradients)}

    _, expected_spikes, expected = computed("numpy", "float64", "cpu")
    learner, spikes, found = computed(case.backend, case.dtype, case.device)
    return {
        "spikes": int((spikes != expected_spikes).sum()),
        **{name: fresh.deviation(found[name], expected[name]) for name in ("loss", "w_in", "w_rec", "w_out")},
        "engine": learner.engine,
        "fired": int(expected_spikes.sum()),
    }


def holds(record: Mapping[Any, Any]) -> bool:
    """Whether a record says that its case computes what NumPy does; NaN does not."""
    if record["status"] != "ok":
        return False
    bound = TOLERANCES[record["dtype"]]
    deviations = [record[name] for name in ("loss", "w_in", "w_rec", "w_out")]
    return record["spikes"] == 0 and all(value <= bound for value in deviations)


def compare_all(
    wanted: Iterable[Case], results: Path, left_s: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """Compare all, as long as there is time; every record is on disk before it is yielded.

    Args:
        left_s: seconds that may still be used; asked before each backend.
    """
    file = RunFile(results / "conformance")
    for _, of_backend in groupby(wanted, key=lambda case: case.backend):
        for case, outcome in _in_fresh_process(list(of_backend), left_s()):
            named = {"kind": "conformance", **case._asdict(), "against": "numpy float64"}
            yield file.append({**named, **outcome, "environment": environment()})


def _in_fresh_process(wanted: list[Case], limit_s: float) -> Iterator[tuple[Case, dict[str, Any]]]:
    reasons = {case: impl.unavailable(case.backend, case.device, case.rule, case.mode) for case in wanted}
    runnable = [case for case in wanted if reasons[case] is None]
    late = f"no time left: stopped after {limit_s:.0f} s"
    outcomes = fresh.outcomes(__name__, runnable, max(limit_s, 1.0), late) if runnable else {}
    for case in wanted:
        reason = reasons[case]
        if reason is not None:
            yield case, {"status": "unavailable", "reason": reason}
        else:
            yield case, outcomes[case]


def main() -> None:
    """Read a list of cases as JSON; print a line for each as it is compared."""
    fresh.answer(Case, compare, sys.stdin)


if __name__ == "__main__":
    main()
