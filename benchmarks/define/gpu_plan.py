"""What `gpu-check` measures on a card, the most important first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import implementations as impl
from benchmarks.define.cases import MEMORY_BATCH, Case, delayed
from implementations import rules
from implementations.registry import parts

DEVICE = "cuda"

FALLBACKS: Mapping[str, Mapping[str, str]] = {
    "torch": {"EPROP_BENCH_TORCH_TRITON": "0"},
    "jax": {"EPROP_BENCH_JAX_TRITON": "0"},
}
"""Backend -> what makes it compute with its own loop of framework operations instead of fused kernels."""

BATCHES = (512, 2048, 4096)
"""Beside the published batch: from what fills a card with a block per trial to thirty times that."""

NEURONS = (256, 512, 1024)
"""Beside the published 100: at each of these the weights fit on fewer levels of a card's memory."""

FIRST = ("eprop_symmetric", "bptt")
"""Rules that are measured before the others, and scaled: the ends of the ladder."""


@dataclass(frozen=True)
class Item:
    """One process: a case, and whether the backend is told to use its own loop. `part` is its heading."""

    part: str
    case: Case
    fallback: bool = False

    @property
    def name(self) -> str:
        """What a line on a terminal says."""
        case = self.case
        words = f"{case.backend} {case.rule} {case.mode}"
        size = f"batch {case.batch}, {case.problem.network.n_rec} neurons"
        return f"{self.part}: {words}, {size}" + ", its own loop" * self.fallback


def items(backends: Iterable[str], *, batch: int | None = None, delay_ms: int | None = None) -> list[Item]:
    """All that is measured: steps with their own loops right after them, the other rules, memory, scaling.

    `batch` and `delay_ms` replace the published ones (for a check of the check).
    """
    backends = tuple(backends)
    costly = [*FIRST, *(rule for rule in rules.costly() if rule not in FIRST)]
    paths = [(rule, mode) for mode in rules.MODES for rule in costly if mode in rules.get(rule).modes]

    def able(rule: str, mode: str) -> list[str]:
        """The backends that have it on a card."""
        return [name for name in backends if parts(name, DEVICE).missing(rules.get(rule), mode) is None]

    size: dict[str, Any] = {"device": DEVICE, "min_samples": 10, "seconds": 1.0}
    size |= {"batch": batch} if batch is not None else {}
    size |= {"problem": delayed(delay_ms)} if delay_ms is not None else {}
    found = []
    for rule, mode in paths:
        for backend in able(rule, mode):
            case = Case(backend, rule, mode, **size)
            found.append(Item("step", case))
            if backend in FALLBACKS:
                short = {**size, "min_samples": 3, "seconds": 0.0}
                found.append(Item("step", Case(backend, rule, mode, **short), fallback=True))
    memory = {**size, "min_samples": 1, "seconds": 0.0, "memory": True}
    for rule, mode in paths:
        found += [Item("memory", Case(backend, rule, mode, **memory)) for backend in able(rule, mode)]
    others = [(rule, mode) for rule in impl.RULES for mode in rules.get(rule).modes]
    others = [pair for pair in others if pair not in paths]
    scaled = {**size, "min_samples": 5, "seconds": 0.5}
    for rule, mode in paths[: len(FIRST)]:
        for n_batch in BATCHES:
            case = {**scaled, "batch": n_batch}
            found += [Item("scaling in batch", Case(backend, rule, mode, **case)) for backend in backends]
        for n_rec in NEURONS:
            case = {**scaled, "batch": MEMORY_BATCH}
            found += [
                Item("scaling in neurons", Case(backend, rule, mode, **case).sized(n_rec=n_rec))
                for backend in backends
            ]
    for rule, mode in others:
        found += [Item("other rules", Case(backend, rule, mode, **size)) for backend in able(rule, mode)]
    return found
