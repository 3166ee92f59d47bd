"""All kernels of the backends, each compiled in processes of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import implementations as impl
from benchmarks.define import roofline
from benchmarks.define.cases import BATCH
from benchmarks.define.kernels import PASSES, Wanted, wanted
from benchmarks.define.roofline import Counts, Pass
from benchmarks.run import process
from benchmarks.run.kernels import jax, numba, torch

LIMIT_S = 600.0
"""For the kernels of one learner."""

_NEEDS = {
    "torch": ("torch", "triton"),
    "jax": ("jax", "triton", "jax_triton", "jax_cuda13_plugin"),
    "numba": ("numba", "numba_cuda"),
}
BACKENDS = tuple(_NEEDS)
"""Those that have kernels of their own for a card."""

_TRIALS = 16  # whose spikes are counted


def unavailable(backend: str) -> str | None:
    """Why the kernels of a backend can't be compiled here; None where they can."""
    absent = [package for package in _NEEDS[backend] if find_spec(package) is None]
    return f"{', '.join(absent)} can't be imported" if absent else None


def compile_all(
    backend: str, neurons: Sequence[int]
) -> Iterator[tuple[str, Sequence[Wanted], dict[str, Any]]]:
    """What was compiled, the learners that need it, and the outcome: status, reason, and `kernels`."""
    learners = wanted(backend, tuple(neurons))
    if backend == "numba":
        yield from _by_numba(learners)
        return
    compiled = {"torch": torch.compiled, "jax": jax.compiled}[backend]
    for one, outcome in zip(learners, _each(compiled, learners), strict=True):
        yield f"{one.rule} {one.mode} {one.dtype} {one.n_rec}", [one], outcome


def _by_numba(learners: Sequence[Wanted]) -> Iterator[tuple[str, Sequence[Wanted], dict[str, Any]]]:
    """First what is launched, then each of these kernels once."""
    needed: dict[str, list[Wanted]] = {}
    launches: dict[str, dict[str, Any]] = {}
    outcomes = _each(numba.launched, learners, switches=numba.SIMULATOR)
    for one, outcome in zip(learners, outcomes, strict=True):
        if outcome["status"] != "ok":
            yield f"launches of {one.rule} {one.mode} {one.dtype} {one.n_rec}", [one], outcome
            continue
        for launch in outcome["launches"]:
            kind = f"{one.n_rec} {one.dtype} {launch}"
            needed.setdefault(kind, []).append(one)
            launches[kind] = launch
    for kind, outcome in zip(launches, _each(numba.compiled, list(launches.values())), strict=True):
        by = needed[kind]
        yield f"{launches[kind]['kernel']} {by[0].dtype} {by[0].n_rec}", by, outcome


def _each(
    function: Callable[[Any], Mapping[str, Any]],
    items: Sequence[Any],
    switches: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    return process.run_each(function, items, limit_s=LIMIT_S, left_s=lambda: float("inf"), switches=switches)


def floors_ms(kernel: str, learners: Sequence[Wanted]) -> dict[str, float]:
    """Card -> milliseconds that the kernel takes there at least, for a step of BATCH trials in float32.

    Of the learners that need it, for the one for which that is least.
    """
    found: dict[str, float] = {}
    for one in learners:
        parts = roofline.passes(_counts(one.rule, one.mode, one.n_rec))
        names = PASSES.get(kernel, ("weights",))
        whole = sum((parts[name] for name in names if name in parts), Pass())
        for card in reversed(roofline.CARDS[:2]):  # H100, H200
            floor_ms = 1e3 * whole.floor_s(card, "float32")
            found[card.title] = min(floor_ms, found.get(card.title, floor_ms))
    return found


@cache
def _counts(rule: str, mode: str, n_rec: int) -> Counts:
    network = Wanted("numpy", rule, mode, "float32", n_rec).setting.network
    batch, spikes = _spikes(n_rec)
    return Counts(
        *(rule, mode, "float32", BATCH, batch.spikes.shape[1], network.n_in, n_rec, network.n_out),
        window=impl.Objective().window,
        input_spikes=int(batch.spikes.sum()) * BATCH // _TRIALS,
        spikes=spikes * BATCH // _TRIALS,
    )


@cache
def _spikes(n_rec: int) -> tuple[impl.Batch, int]:
    """A few trials of the task, and how many spikes the network has at its initial weights."""
    one = Wanted("numpy", "bptt", "adjoint", "float32", n_rec)
    network, objective = one.setting.network, one.setting.objective
    batch = impl.EvidenceAccumulation().batch(_TRIALS, seed=0)
    parameters = impl.Parameters.draw(network, seed=0)
    learner = impl.learner("numpy", one.rule, parameters, network=network, objective=objective)
    return batch, int(learner.simulate(learner.load(batch)).spikes.sum())
