"""Numba's kernels: what each is launched with, as its simulator shows; what numba-cuda compiles of that."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.kernels import CAPABILITY, Wanted
from benchmarks.run.kernels import assemble

SIMULATOR = {"NUMBA_ENABLE_CUDASIM": "1"}
"""Of a process that calls `launched`."""


def launched(wanted: Wanted) -> dict[str, Any]:
    """The launches of a learner's gradients, evaluation and simulation, each kind once; nothing is computed.

    Of each: module and name of the kernel, its arguments as (dtype, axes), threads, shared memory, and the
    most registers that it may have.
    """
    from implementations.numba.card import compiled

    found: dict[Any, dict[str, Any]] = {}

    def note(kernel: Any, _grid: int, block: Any, shared_bytes: int, *arguments: Any) -> None:
        function = kernel.function
        threads = block if isinstance(block, int) else block[0] * block[1]
        types = [
            (str(np.dtype(getattr(one, "dtype", type(one)))), getattr(one, "ndim", 0)) for one in arguments
        ]
        launch = {
            **{"module": function.__module__, "kernel": function.__name__, "types": types},
            **{"threads": threads, "shared_bytes": shared_bytes},
            "registers": compiled.most_registers(threads),
        }
        found[repr((function.__qualname__, types, launch["registers"]))] = launch

    compiled.Kernel.launch = note  # type: ignore[method-assign]
    setting = wanted.setting
    learner = impl.learner(
        "numba",
        wanted.rule,
        impl.Parameters.draw(setting.network),
        network=setting.network,
        objective=setting.objective,
        mode=wanted.mode,
        dtype=wanted.dtype,
        device="cuda",
    )
    loaded = learner.load(wanted.batch())
    learner.step(loaded)
    learner.evaluate(loaded)
    learner.simulate(loaded)
    return {"launches": list(found.values())}


def compiled(launch: dict[str, Any]) -> dict[str, Any]:
    """What the kernel of a launch takes."""
    if find_spec("_numba_cuda_redirector") is not None:
        import_module("_numba_cuda_redirector")  # on a path that Python did not look through at its start
    from numba import cuda, from_dtype, types

    from implementations.numba.card.loading import load_compiler

    load_compiler()
    function = getattr(import_module(launch["module"]), launch["kernel"]).function
    arguments = [
        types.Array(from_dtype(np.dtype(dtype)), axes, "C") if axes else from_dtype(np.dtype(dtype))
        for dtype, axes in launch["types"]
    ]
    compiler: Any = cuda
    ptx, _ = compiler.compile(function, types.void(*arguments), device=False, cc=CAPABILITY, abi="numba")
    most = launch["registers"]
    options = [] if most is None else [f"-maxrregcount={most}"]
    described = assemble.described(
        launch["kernel"], launch["threads"], launch["shared_bytes"], ptx, assemble.newest(), *options
    )
    return {"kernels": [described]}
