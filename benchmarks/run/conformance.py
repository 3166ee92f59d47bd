"""Fresh random networks and trials on a device, held against the NumPy backend in float64.

All of a check is drawn from a seed that is recorded with its outcome, so that a failure can be repeated. The
backends run in processes of their own. What was compared is appended to results/conformance/RUN.jsonl.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, product
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.run.agreement import compared, computed, deviations
from benchmarks.run.environment import environment
from benchmarks.run.process import side_by_side
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures
from implementations import registry

# No spike may differ, in either dtype. A potential within rounding of the threshold may cross it one step
# later: networks are drawn until float64 keeps away from that.
_MARGIN = 1e-4
_DRAWS = 100
_TRIALS = 8  # of the published length, against NumPy in float64


class ConformanceCheck(NamedTuple):
    """What is compared, on which random network: `size` is one of `SIZES`."""

    backend: str
    rule: str
    mode: str
    dtype: str
    device: str
    seed: int
    loss: str = "cross_entropy"
    size: str = "odd"


SIZES = ("published", "odd", "wide", "widest")
"""The network that is measured, in float64 with trials as long as its own; odd ones of a few neurons; more
than 128 neurons, and 1024, at which kernels take other ways: the weights do not fit on chip."""


def checks(
    backends: Iterable[str], device: str, seed: int, dtypes: Iterable[str], size: str = "odd"
) -> list[ConformanceCheck]:
    """Every backend with every rule that it has there, in each mode and dtype.

    With both losses in turns, but for the published size.
    """
    losses = ("cross_entropy", "squared_error") if size != "published" else ("cross_entropy",)
    dtypes = tuple(dtypes)
    found = []
    for backend in backends:
        able = registry.rules_and_modes(backend, device)
        for number, ((rule, mode), dtype) in enumerate(product(able, dtypes)):
            loss = losses[number % len(losses)]
            found.append(ConformanceCheck(backend, rule, mode, dtype, device, seed + number, loss, size))
    return found


class Drawn(NamedTuple):
    """A random network, and all that a learner is given with it."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch


def draw(seed: int, loss: str, dtype: str, size: str = "odd") -> Drawn:
    """A network of this size; in float32 one whose potentials keep away from the threshold.

    Raises:
        RuntimeError: none of many draws keeps away from the threshold.
    """
    for attempt in range(_DRAWS):
        found = _draw(np.random.default_rng([seed, attempt]), loss, size, dtype)
        if dtype == "float64" or _margin(found) > _MARGIN:
            return found
    raise RuntimeError(f"none of {_DRAWS} networks keeps its potentials {_MARGIN:g} from the threshold")


def _draw(rng: np.random.Generator, loss: str, size: str, dtype: str) -> Drawn:
    if size == "published" and dtype == "float64":
        return _published(rng)
    network, n_batch, n_steps, rate = _sizes(rng, size, dtype)
    drawn = impl.Parameters.draw(network, int(rng.integers(2**31)))
    parameters = impl.Parameters(1.5 * drawn.w_in, drawn.w_rec, drawn.w_out, drawn.feedback)
    spikes = rng.random((n_batch, n_steps, network.n_in)) < rate
    if loss == "cross_entropy":
        targets = rng.integers(0, network.n_out, n_batch)
    else:
        targets = rng.standard_normal((n_batch, n_steps, network.n_out))
    objective = impl.Objective(loss=loss, window=int(rng.integers(1, n_steps + 1)), rate_cost=2.0)
    return Drawn(network, objective, parameters, impl.Batch(spikes, targets))


def _published(rng: np.random.Generator) -> Drawn:
    """Trials of the task that is measured, at the weights that training begins with."""
    network = impl.Network()
    parameters = impl.Parameters.draw(network, int(rng.integers(2**31)))
    batch = impl.EvidenceAccumulation().batch(_TRIALS, int(rng.integers(2**31)))
    return Drawn(network, impl.Objective(), parameters, batch)


def _sizes(rng: np.random.Generator, size: str, dtype: str) -> tuple[impl.Network, int, int, float]:
    """Network, trials, steps, and the share of inputs that spike at a step.

    In float32 so few of them that one of some tens of draws keeps away from the threshold.
    """
    if size == "odd":
        network = impl.Network(
            n_in=int(rng.integers(3, 24)),
            n_regular=int(rng.integers(1, 20)),
            n_adaptive=int(rng.integers(1, 20)),
            n_out=int(rng.integers(2, 5)),
            tau_adaptation_ms=float(rng.uniform(20.0, 500.0)),
            refractory_steps=int(rng.integers(0, 6)),
        )
        return network, int(rng.integers(1, 9)), int(rng.integers(20, 60)), 0.2
    if size == "published":
        return impl.Network(), 2, int(rng.integers(260, 350)), 0.04
    n_rec = int(rng.integers(129, 257)) if size == "wide" else 1024
    n_regular = int(rng.integers(1, n_rec))
    network = impl.Network(n_in=int(rng.integers(3, 70)), n_regular=n_regular, n_adaptive=n_rec - n_regular)
    if dtype == "float32":
        return network, 1 if size == "widest" else 2, int(rng.integers(6, 12)), 0.2
    return network, int(rng.integers(1, 20)), int(rng.integers(10, 20)), 0.2


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
    drawn = draw(check.seed, check.loss, check.dtype, check.size)

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
    wanted: Iterable[ConformanceCheck],
    file: RunFile,
    limit_s: float,
    left_s: Callable[[], float],
    failures: Failures | None = None,
) -> Iterator[dict[str, Any]]:
    """Compare all, as long as there is time; every record is on disk before it is yielded.

    The backends are at work side by side, and where there are cores for it the rules of each: nothing is
    timed, and what takes long is compiling.

    Args:
        file: of results/conformance.
        limit_s: seconds for a check, which has failed if it takes longer.
        left_s: seconds that may still be used. What there is no time left for is not recorded.
        failures: keeps the full text of what failed.
    """
    wanted = list(wanted)
    alone = _by(wanted, "backend", "rule")
    groups = alone if len(alone) <= registry.available_cores() else _by(wanted, "backend")
    outcomes = side_by_side([compared(of, compare, _unavailable, limit_s, left_s) for of in groups])
    for check, outcome in outcomes:
        named = {"kind": "conformance", **check._asdict(), "against": "numpy float64"}
        printed = outcome.pop("printed", None)
        if failures is not None and outcome["status"] == "failed":
            case = ("conformance", check.size, check.backend, check.rule, check.mode, check.dtype)
            failures.keep((*case, "seed", check.seed), outcome["reason"], printed)
        yield file.append({**named, **outcome, "environment": environment()})


def _by(wanted: list[ConformanceCheck], *names: str) -> list[list[ConformanceCheck]]:
    """Checks that are alike in these fields, which stand together."""
    return [list(alike) for _, alike in groupby(wanted, key=attrgetter(*names))]


def _unavailable(check: ConformanceCheck) -> str | None:
    return impl.unavailable(check.backend, check.device, check.rule, check.mode)
