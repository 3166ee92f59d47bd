"""What `gpu-check` compares and measures on a card, the most important first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import implementations as impl
from benchmarks.define.cases import MEMORY_BATCH, Case, delayed
from implementations import rules
from implementations.registry import rules_and_modes

DEVICE = "cuda"

LIMIT_S = 75.0
"""That a process, or a comparison of it, may take: what hangs costs so much and no more."""

FALLBACKS: Mapping[str, Mapping[str, str]] = {
    "torch": {"EPROP_BENCH_TORCH_TRITON": "0"},
    "jax": {"EPROP_BENCH_JAX_TRITON": "0"},
}
"""Backend -> what makes it compute with its own loop of framework operations instead of fused kernels."""

LOOPS_ALONE = ("brainpy",)
"""Backends that have no kernels for a card: how they scale is measured last."""

BATCHES = (512, 2048, 4096)
"""Beside the published batch: from what fills a card with a block per trial to thirty times that."""

NEURONS = (256, 512, 1024)
"""Beside the published 100: at each of these the weights fit on fewer levels of a card's memory."""

FIRST = (("eprop_symmetric", "adjoint"), ("bptt", "adjoint"))
"""Rules and modes with a target, of which alone is measured how they scale."""

COSTLY = FIRST + tuple(
    (rule, mode) for rule in rules.costly() for mode in rules.get(rule).modes if (rule, mode) not in FIRST
)
"""Rules and modes that differ in cost; other feedback matrices cost the same."""

STEP, LOOP, MEMORY = "step", "own loop", "memory"
BY_BATCH, BY_NEURONS, OTHERS = "scaling in batch", "scaling in neurons", "other rules"

ORDER = (
    *(("compare", "published"), ("measure", STEP), ("measure", LOOP), ("measure", MEMORY)),
    *(("measure", BY_BATCH), ("measure", BY_NEURONS)),
    *(("compare", "odd"), ("compare", "wide"), ("compare", "widest"), ("published numbers", "")),
    *(("measure", OTHERS),),
)
"""What is done, in the order of its worth where time may run out at any moment."""


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
        return f"{self.part}: {words}, batch {case.batch}, {case.problem.network.n_rec} neurons"


def items(backends: Iterable[str], *, batch: int | None = None, delay_ms: int | None = None) -> list[Item]:
    """All that is measured, by parts in the order above.

    `batch` and `delay_ms` replace the published ones (for a check of the check).
    """
    backends = tuple(backends)
    has = {backend: rules_and_modes(backend, DEVICE) for backend in backends}

    def able(pair: tuple[str, str]) -> list[str]:
        """The backends that have a rule and mode on a card."""
        return [backend for backend in backends if pair in has[backend]]

    size: dict[str, Any] = {"device": DEVICE, "min_samples": 10, "seconds": 1.0}
    size |= {"batch": batch} if batch is not None else {}
    size |= {"problem": delayed(delay_ms)} if delay_ms is not None else {}
    once = {**size, "min_samples": 3, "seconds": 0.0}
    memory = {**size, "min_samples": 1, "seconds": 0.0, "memory": True}
    scaled = {**size, "min_samples": 5, "seconds": 0.5}
    found = [Item(STEP, Case(backend, *pair, **size)) for pair in COSTLY for backend in able(pair)]
    found += [
        Item(LOOP, Case(backend, *pair, **once), fallback=True)
        for pair in COSTLY
        for backend in able(pair)
        if backend in FALLBACKS
    ]
    found += [Item(MEMORY, Case(backend, *pair, **memory)) for pair in COSTLY for backend in able(pair)]
    few = {**scaled, "batch": MEMORY_BATCH}
    grown = [
        Item(BY_BATCH, Case(backend, *pair, **{**scaled, "batch": n_batch}))
        for pair in FIRST
        for n_batch in BATCHES
        for backend in backends
    ]
    grown += [
        Item(BY_NEURONS, Case(backend, *pair, **few).sized(n_rec=n_rec))
        for pair in FIRST
        for n_rec in NEURONS
        for backend in backends
    ]
    found += sorted(grown, key=lambda item: item.case.backend in LOOPS_ALONE)
    others = [(rule, mode) for rule in impl.RULES for mode in rules.get(rule).modes]
    found += [
        Item(OTHERS, Case(backend, *pair, **size))
        for pair in others
        if pair not in COSTLY
        for backend in able(pair)
    ]
    return found
