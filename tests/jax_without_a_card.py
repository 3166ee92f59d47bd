"""JAX's side of the Triton kernels on a machine without a card, run in Triton's interpreter.

A stand-in for jax-triton, which has none, in processes of their own; the code that calls it is what a card
would run. tests/test_kernels.py lowers and assembles the same by jax-triton itself.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np


def run(code: str, **environment: str) -> None:
    """`code` in a process of its own, which finds this file, with these environment variables."""
    root = Path(__file__).parent.parent
    paths = {"PYTHONPATH": os.pathsep.join((str(root), str(root / "tests")))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | paths | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def devices(kind: str | None = None, find: Any = jax.devices) -> list[Any]:
    """In place of `jax.devices`: the CPU is the card."""
    return find("cpu" if kind == "cuda" else kind)


def interpret() -> None:
    """From now on kernels run in Triton's interpreter, which TRITON_INTERPRET=1 has to have switched on."""
    from triton import knobs

    assert knobs.runtime.interpret
    module: Any = ModuleType("jax_triton")
    module.__spec__ = ModuleSpec("jax_triton", None)
    module.triton_call = interpreted
    sys.modules["jax_triton"] = module
    jax.devices = devices


def interpreted(
    *args: jax.Array,
    kernel: Any,
    out_shape: Sequence[jax.ShapeDtypeStruct],
    grid: tuple[int, ...],
    input_output_aliases: dict[int, int],
    num_warps: int = 4,
    num_stages: int = 3,
    **constants: Any,
) -> Any:
    """`jax_triton.triton_call`, as documented: all inputs, then all outputs, which begin as anything."""
    import torch  # Triton's interpreter takes its tensors

    def run(*arrays: Any) -> list[np.ndarray]:
        inputs = [
            torch.from_numpy(np.array(array).view(arg.dtype).reshape(arg.shape))
            for array, arg in zip(arrays, args, strict=True)
        ]
        shared = {output: inputs[index] for index, output in input_output_aliases.items()}
        outputs = []
        for index, shape in enumerate(out_shape):
            garbage = np.nan if np.dtype(shape.dtype).kind == "f" else 77
            outputs.append(shared.get(index, torch.from_numpy(np.full(shape.shape, garbage, shape.dtype))))
            assert outputs[-1].numpy().shape == shape.shape
            assert outputs[-1].numpy().dtype == shape.dtype
        kernel[grid](*inputs, *outputs, **constants)
        return [output.numpy().reshape(-1).view(np.uint8) for output in outputs]

    # as bytes, since callbacks are made with the 32-bit numbers of another thread's settings
    sizes = [jax.ShapeDtypeStruct((shape.size * shape.dtype.itemsize,), np.uint8) for shape in out_shape]
    found = jax.pure_callback(run, sizes, *[jax.lax.bitcast_convert_type(arg, np.uint8) for arg in args])
    return [
        jax.lax.bitcast_convert_type(
            array.reshape(*shape.shape, *[shape.dtype.itemsize] * (shape.dtype.itemsize > 1)), shape.dtype
        )
        for array, shape in zip(found, out_shape, strict=True)
    ]
