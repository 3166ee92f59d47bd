"""What compiled kernels take of a card, a row per kernel and size."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.define.kernels import SHARED_BYTES

_REGISTERS, _THREADS, _PROGRAMS = 65536, 2048, 32
"""Of a processor of an H100 or H200."""


@dataclass(frozen=True)
class Compiled:
    """One kernel, as benchmarks/run/kernels/assemble.py describes it, and the least time that it takes."""

    backend: str
    dtype: str
    n_rec: int
    kernel: str
    threads: int
    registers: int
    stack_bytes: int
    spilled_bytes: int
    shared_bytes: int
    floors_ms: Mapping[str, float]

    @property
    def programs(self) -> int:
        """How many of them a processor has room for at a time; 0 where it has not even for one."""
        # registers are lent by 8 per thread to a warp; a program has 1 KiB of shared memory of the system's
        warps = -(-self.threads // 32)
        by_registers = _REGISTERS // (warps * 32 * max(8 * -(-self.registers // 8), 8))
        by_threads = _THREADS // (32 * warps)
        by_shared = 0 if self.shared_bytes > SHARED_BYTES else (228 * 1024) // (self.shared_bytes + 1024)
        return min(by_registers, by_threads, by_shared, _PROGRAMS)


@dataclass(frozen=True)
class Row:
    """All editions of a kernel at one size: the most that one takes, per dtype; the least time."""

    backend: str
    kernel: str
    n_rec: int
    threads: int
    of: Mapping[str, Compiled]
    floors_ms: Mapping[str, float]


def rows(found: Iterable[Compiled]) -> list[Row]:
    """In the order in which they came first."""
    groups: dict[tuple[str, str, int], list[Compiled]] = {}
    for one in found:
        groups.setdefault((one.backend, one.kernel, one.n_rec), []).append(one)
    return [
        Row(*key, max(one.threads for one in group), _most(group), _least(group))
        for key, group in groups.items()
    ]


def _most(group: list[Compiled]) -> dict[str, Compiled]:
    """Per dtype one that takes the most of each, whichever edition it is of."""
    found = {}
    for dtype in dict.fromkeys(one.dtype for one in group):
        some = [one for one in group if one.dtype == dtype]
        found[dtype] = Compiled(
            some[0].backend,
            dtype,
            some[0].n_rec,
            some[0].kernel,
            *(
                max(getattr(one, name) for one in some)
                for name in ("threads", "registers", "stack_bytes", "spilled_bytes", "shared_bytes")
            ),
            floors_ms=_least(some),
        )
    return found


def _least(group: list[Compiled]) -> dict[str, float]:
    return {card: min(one.floors_ms[card] for one in group) for card in group[0].floors_ms}
