"""Fresh random networks and trials on a device, held against the NumPy backend in float64.

All of a check is drawn from a seed that is recorded with its outcome, so that a failure can be repeated. The
backends run in processes of their own. What was compared is appended to results/conformance/RUN.jsonl.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.run.agreement import compared, computed, deviations
from benchmarks.run.environment import environment
from benchmarks.store.append import RunFile
from implementations import registry, rules

# No spike may differ, in either dtype. A potential within rounding of the threshold may cross it one step
# later: networks are drawn until float64 keeps away from that.
_MARGIN = 1e-4
_DRAWS = 100


class ConformanceCheck(NamedTuple):
    """What is compared, on which random network."""

    backend: str
    rule: str
    mode: str
    dtype: str
    device: str
    seed: int
    loss: str = "cross_entropy"


def checks(backends: Iterable[str], device: str, seed: int, dtypes: Iterable[str]) -> list[ConformanceCheck]:
    """Every backend with every rule that it has there, in each mode and dtype, with both losses in turns."""
    found = []
    for backend in backends:
        has = registry.parts(backend, device)
        pairs = [(rule, mode) for rule in impl.RULES for mode in rules.get(rule).modes]
        able = [(rule, mode) for rule, mode in pairs if has.missing(rules.get(rule), mode) is None]
        for number, ((rule, mode), dtype) in enumerate(product(able, dtypes)):
            loss = ("cross_entropy", "squared_error")[number % 2]
            found.append(ConformanceCheck(backend, rule, mode, dtype, device, seed + number, loss))
    return found


class Drawn(NamedTuple):
    """A random network, and all that a learner is given with it."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch


def draw(seed: int, loss: str, dtype: str) -> Drawn:
    """A network of odd sizes, in which neurons spike and none is within rounding of its threshold.

    Raises:
        RuntimeError: none of many draws keeps away from the threshold.
    """
    for attempt in range(_DRAWS):
        found = _draw(np.random.default_rng([seed, attempt]), loss)
        if dtype == "float64" or _margin(found) > _MARGIN:
            return found
    raise RuntimeError(f"none of {_DRAWS} networks keeps its potentials {_MARGIN:g} from the threshold")


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


def _margin(drawn: Drawn) -> float:
    """The least |u| of any trial, neuron and step: the equations of README.md, in float64."""
    network, weights, x = drawn.network, drawn.parameters, drawn.batch.spikes.astype(float)
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


def compare(check: ConformanceCheck) -> dict[str, Any]:
    """Deviations of a check, the engine that computed it, and `fired`: how many spikes there were."""
    drawn = draw(check.seed, check.loss, check.dtype)

    def learner(backend: str, dtype: str, device: str) -> impl.Learner:
        return impl.learner(
            backend,
            check.rule,
            drawn.parameters,
            network=drawn.network,
            objective=drawn.objective,
            mode=check.mode,
            dtype=dtype,
            device=device,
        )

    expected = computed(learner("numpy", "float64", "cpu"), drawn.batch)
    compares = learner(check.backend, check.dtype, check.device)
    return {
        **deviations(computed(compares, drawn.batch), expected),
        "engine": compares.engine,
        "fired": int(expected["spikes"].sum()),
    }


def compare_all(
    wanted: Iterable[ConformanceCheck], results: Path, left_s: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """Compare all, as long as there is time; every record is on disk before it is yielded.

    Args:
        left_s: seconds that may still be used; asked before each backend.
    """
    file = RunFile(results / "conformance")
    for _, of_backend in groupby(wanted, key=lambda check: check.backend):
        limit_s = left_s()
        late = f"no time left: stopped after {limit_s:.0f} s"
        for check, outcome in compared(list(of_backend), compare, _unavailable, max(limit_s, 1.0), late):
            named = {"kind": "conformance", **check._asdict(), "against": "numpy float64"}
            yield file.append({**named, **outcome, "environment": environment()})


def _unavailable(check: ConformanceCheck) -> str | None:
    return impl.unavailable(check.backend, check.device, check.rule, check.mode)
