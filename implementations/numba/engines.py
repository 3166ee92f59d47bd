"""Which engine computes: the one place that says so."""

import sys
from typing import TYPE_CHECKING, Any, Union

from implementations.host import HostWeights
from implementations.interface import Setting
from implementations.network import Parameters
from implementations.numba.cpu import compiled
from implementations.numba.cpu.engine import CpuEngine

if TYPE_CHECKING:
    from implementations.numba.card.weights import DeviceWeights

OWN = "own"  # of records: each device has one engine, the device's
Kept = Union[HostWeights, "DeviceWeights"]


def kept(setting: Setting, parameters: Parameters) -> Kept:
    """Weights and optimizer, where the engine computes.

    Raises:
        InvalidArgument: (a ValueError) for a network that is too large for a card.
    """
    if setting.device == "cpu":
        return HostWeights(setting, parameters)
    from implementations.numba.card.weights import DeviceWeights  # asks the driver

    return DeviceWeights(setting, parameters)


def engine(setting: Setting, weights: Any) -> tuple[str, Any]:
    """Its name and the engine itself: the kernels for the CPU, or those for a card.

    Args:
        setting: of the learner.
        weights: what `kept` returned for it.

    Raises:
        InvalidArgument: (a ValueError) for more threads than Numba has.
    """
    if setting.device == "cpu":
        return OWN, CpuEngine(setting, weights)
    from implementations.numba.card.engine import CardEngine  # asks the driver

    return OWN, CardEngine(setting, weights)


def compilations() -> int:
    """Programs that this process compiled, or loaded from the cache, for either engine."""
    on_card = sys.modules.get("implementations.numba.card.compiled")  # not there unless a learner needed it
    return compiled.compilations() + (0 if on_card is None else on_card.compilations())
