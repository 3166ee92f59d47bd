"""How kernels are compiled for the device, launched and counted."""

import warnings
from collections.abc import Callable
from typing import Any

from numba import cuda

# As on the CPU, NaN and infinity stay what they are: no `fastmath`. Multiply-adds are fused by default.
_OPTIONS: dict[str, Any] = {"fastmath": False}

_kernels: list["Kernel"] = []


class Kernel:
    """An entry point, compiled at its first launch for the types that it is given."""

    def __init__(self, function: Callable) -> None:
        self._kernel = cuda.jit(**_OPTIONS)(function)
        self._types: set[tuple] = set()
        _kernels.append(self)

    def launch(self, grid: int, block: int | tuple[int, int], shared_bytes: int, *args: Any) -> None:
        """Start `grid` blocks of `block` threads with `shared_bytes` of dynamic shared memory; no waiting."""
        # what Numba compiles for: the simulator, which compiles nothing, keeps no such list
        self._types.add(tuple((getattr(arg, "dtype", type(arg)), getattr(arg, "ndim", 0)) for arg in args))
        with warnings.catch_warnings():
            # a batch may be smaller than the card: that is for whoever chose it to know
            warnings.filterwarnings("ignore", message=".*[Gg]rid size.*")
            self._kernel[grid, block, 0, shared_bytes](*args)

    @property
    def compilations(self) -> int:
        """Number of combinations of types that it was launched with."""
        return len(self._types)


def compilations() -> int:
    """Programs that this process compiled for the device."""
    return sum(kernel.compilations for kernel in _kernels)
