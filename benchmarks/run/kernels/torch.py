"""PyTorch's Triton kernels, compiled as launches would: by its engine, with a driver that launches none."""

from collections.abc import Callable
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.kernels import CAPABILITY, SHARED_BYTES, Wanted
from benchmarks.run.kernels import assemble


class _Utilities:
    """What Triton's driver knows of the card."""

    @staticmethod
    def get_device_properties(_device: int) -> dict[str, int]:
        return {"max_shared_mem": SHARED_BYTES}

    @staticmethod
    def load_binary(_name: str, _code: bytes, _shared: int, _device: int) -> tuple[Any, ...]:
        """Module, function, registers, spills, most threads."""
        return object(), 0, 0, 0, 1024


class Card:
    """A driver of Triton for a card that is not there.

    Attributes:
        launched: hashes of the kernels that were, in order.
    """

    utils = _Utilities()

    def __init__(self) -> None:
        self.launched: dict[str, None] = {}

    def launcher_cls(self, _source: Any, metadata: Any) -> Callable[..., None]:
        """What starts a kernel."""
        return lambda *_arguments: self.launched.update({metadata.hash: None})

    def get_current_device(self) -> int:
        """The first."""
        return 0

    def get_current_stream(self, _device: int) -> int:
        """The first."""
        return 0

    def get_current_target(self) -> Any:
        """What to compile for."""
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 10 * CAPABILITY[0] + CAPABILITY[1], 32)


_CARD = Card()


def compiled(wanted: Wanted) -> dict[str, Any]:
    """The kernels of a learner's gradients, evaluation and simulation.

    For a process of its own: its Triton has no other driver from now on.
    """
    import torch
    from triton.runtime import driver

    from implementations.torch.triton import launches
    from implementations.torch.triton.engine import TritonEngine

    driver.set_active(_CARD)  # type: ignore[arg-type]
    _CARD.launched.clear()
    setting = wanted.setting
    parameters = impl.Parameters.draw(setting.network)
    weights = {
        name: torch.from_numpy(np.array(array, setting.dtype)) for name, array in vars(parameters).items()
    }
    with torch.inference_mode():
        engine = TritonEngine(setting, weights)
        loaded = engine.load(wanted.batch())
        engine.gradients(loaded)
        engine.evaluate(loaded)
        engine.simulate(loaded)
    assembler = assemble.of_triton()
    return {
        "kernels": [
            assemble.described(
                one.metadata.name, 32 * one.metadata.num_warps, one.metadata.shared, one.asm["ptx"], assembler
            )
            for one in launches.compiled()
            if one.hash in _CARD.launched
        ]
    }
