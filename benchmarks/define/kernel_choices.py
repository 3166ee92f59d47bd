"""What `gpu-check --tune` times on a card: each choice about the kernels beside its default."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.define.cases import BATCH, MEMORY_BATCH, Case
from benchmarks.define.gpu_plan import DEVICE

_ADJOINT, _BPTT, _ONLINE = ("eprop_symmetric", "adjoint"), ("bptt", "adjoint"), ("eprop_symmetric", "online")


@dataclass(frozen=True)
class Sized:
    """Where choices matter: a rule in a mode, at a size."""

    rule: str
    mode: str
    batch: int = BATCH
    n_rec: int = 100


TRITON: Mapping[Sized, tuple[Mapping[str, int], ...]] = {
    Sized(*_ADJOINT): (
        *({"forward_warps": 2}, {"words_together": 4}),
        *({"adjoint_steps": 16}, {"adjoint_steps": 64}, {"adjoint_block": 32}, {"adjoint_block": 128}),
        *({"product_warps": 4}, {"product_stages": 2}, {"product_steps": 16}, {"product_steps": 64}),
        *({"product_pre": 64}, {"product_pre": 128}, {"product_programs": 264}, {"graph": 0}),
    ),
    Sized(*_BPTT): ({"bptt_warps": 2}, {"bptt_steps": 2}, {"bptt_steps": 8}, {"on_chip": 64}),
    Sized(*_ONLINE): (
        *({"carry_pre": 4}, {"carry_pre": 16}, {"carry_block": 32}, {"carry_block": 64}),
        *({"carry_warps": 1}, {"carry_warps": 4}, {"chunk": 128}, {"chunk": 512}),
    ),
    Sized(*_ADJOINT, batch=2048): (
        *({"forward_warps": 2}, {"words_together": 4}, {"adjoint_block": 32}, {"product_programs": 264}),
    ),
    Sized(*_BPTT, batch=MEMORY_BATCH, n_rec=256): (
        *({"step_block": 32}, {"step_block": 128}, {"step_inner": 16}, {"step_inner": 64}),
        *({"step_warps": 2}, {"step_warps": 8}, {"step_stages": 2}, {"step_stages": 4}),
        *({"forward_warps": 2}, {"words_together": 64}),
    ),
}
"""Size -> changes of `implementations.triton.choices.Choices`, of which one at a time is made."""

NUMBA: Mapping[Sized, tuple[Mapping[str, int], ...]] = {
    Sized(*_ADJOINT): ({"stage_steps": 8}, {"stage_steps": 64}, {"blocks": 64}),
    Sized(*_ONLINE): ({"carry_steps": 32}, {"carry_steps": 64}, {"carry_steps": 256}),
}
"""The same of `implementations.numba.card.choices.Choices`."""

KERNELS: Mapping[str, str] = {"torch": "triton", "jax": "triton", "numba": "numba"}
"""Backend -> whose kernels it launches. Of those that share them, the first that can run is timed."""

_CHANGES = {"triton": TRITON, "numba": NUMBA}


@dataclass(frozen=True)
class Variant:
    """One way to launch the kernels of a case: the defaults, changed in what `change` says."""

    case: Case
    kernels: str
    change: Mapping[str, int]

    def __hash__(self) -> int:
        return hash((self.case, self.kernels, tuple(self.change.items())))

    @property
    def name(self) -> str:
        """What a line says."""
        words = " ".join(f"{name}={value}" for name, value in self.change.items()) or "defaults"
        case = self.case
        size = f"batch {case.batch}, {case.problem.network.n_rec} neurons"
        return f"{case.backend} {case.rule} {case.mode}, {size}: {words}"


def variants(backends: Iterable[str]) -> list[list[Variant]]:
    """For each size the defaults, every change, and the defaults again: how far the card drifts meanwhile."""
    chosen: dict[str, str] = {}
    for backend in (name for name in KERNELS if name in set(backends)):
        chosen.setdefault(KERNELS[backend], backend)
    found = []
    for kernels, backend in chosen.items():
        for size, changes in _CHANGES[kernels].items():
            common: dict[str, Any] = {"device": DEVICE, "min_samples": 10, "seconds": 0.3}
            case = Case(backend, size.rule, size.mode, batch=size.batch, **common).sized(n_rec=size.n_rec)
            found.append([Variant(case, kernels, change) for change in ({}, *changes, {})])
    return found
