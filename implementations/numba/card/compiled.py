"""How kernels are compiled for the device, launched and counted."""

import warnings
from collections.abc import Callable
from typing import Any

from numba import config, cuda

from implementations.numba.card.loading import load_compiler

# As on the CPU, NaN and infinity stay what they are: no `fastmath`. Multiply-adds are fused by default.
_OPTIONS: dict[str, Any] = {"fastmath": False}

_kernels: list["Kernel"] = []


class Kernel:
    """An entry point, compiled at its first launch for the types that it is given.

    Attributes:
        function: what is compiled.
    """

    def __init__(self, function: Callable) -> None:
        self.function = function
        self._editions: dict[int | None, Any] = {}
        self._types: set[tuple] = set()
        _kernels.append(self)

    def launch(self, grid: int, block: int | tuple[int, int], shared_bytes: int, *args: Any) -> None:
        """Start `grid` blocks of `block` threads with `shared_bytes` of dynamic shared memory; no waiting."""
        # what Numba compiles for: the simulator, which compiles nothing, keeps no such list
        n_threads = block if isinstance(block, int) else block[0] * block[1]
        registers = most_registers(n_threads)
        if registers not in self._editions:
            self._editions[registers] = _compiled(self.function, registers)
        kernel = self._editions[registers]
        self._types.add(
            (registers, *((getattr(arg, "dtype", type(arg)), getattr(arg, "ndim", 0)) for arg in args))
        )
        with warnings.catch_warnings():
            # a batch may be smaller than the card: that is for whoever chose it to know
            warnings.filterwarnings("ignore", message=".*[Gg]rid size.*")
            kernel[grid, block, 0, shared_bytes](*args)

    @property
    def compilations(self) -> int:
        """Number of combinations of types that it was launched with."""
        return len(self._types)


def most_registers(n_threads: int) -> int | None:
    """What a thread may use, so that `n_threads` fit the 65536 of an SM; None for 255, the most."""
    if n_threads > 512:
        return 64
    return 128 if n_threads > 256 else None


def _compiled(function: Callable, registers: int | None) -> Any:
    if config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        return cuda.jit(**_OPTIONS)(function)
    load_compiler()
    most = {} if registers is None else {"max_registers": registers}
    return cuda.jit(**most, **_OPTIONS)(function)


def compilations() -> int:
    """Programs that this process compiled for the device."""
    return sum(kernel.compilations for kernel in _kernels)
