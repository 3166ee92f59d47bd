"""Which engine computes: the one place that says so."""

from typing import Any

from implementations.interface import Setting
from implementations.jax import fused
from implementations.jax.fused import Fused
from implementations.jax.scans import Scans
from implementations.triton import use

SCANS = "lax.scan"
TRITON = "Triton kernels"


def engine(setting: Setting, problem: Setting) -> tuple[str, Any]:
    """Its name and the engine itself.

    - On the CPU, and for a network on several devices: loops by `lax.scan`.
    - On a card: the Triton kernels, for sizes that implementations/triton/sizes.py does not refuse;
      `lax.scan` where it does and where there is no jax-triton, with a warning.

    Args:
        setting: of the learner.
        problem: what programs depend on.
    """
    if setting.device == "cpu" or setting.devices > 1:
        return SCANS, Scans(setting, problem)
    reason = fused.unusable(setting)
    if reason is None:
        return TRITON, Fused(setting, problem)
    use.warn(reason, fused.SWITCH, "jax", SCANS)
    return SCANS, Scans(setting, problem)
