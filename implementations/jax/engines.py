"""Which engine computes: the one place that says so."""

import warnings
from typing import Any

from implementations.interface import Setting
from implementations.jax import fused
from implementations.jax.fused import Fused
from implementations.jax.scans import Scans

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
    if not fused.switched_off():
        warnings.warn(
            f"{reason}; until then the jax backend takes lax.scan: the same results in many times the time"
            f" ({fused.SWITCH}=0 asks for that, without this warning)",
            RuntimeWarning,
            stacklevel=4,  # whoever asked for a learner
        )
    return SCANS, Scans(setting, problem)
