"""Which engine computes: the one place that says so."""

from dataclasses import replace
from typing import Any

from implementations.interface import Setting
from implementations.jax.scan.engine import ScanEngine
from implementations.jax.triton import engine as triton_engine
from implementations.jax.triton.engine import TritonEngine
from implementations.optimizer import Adam
from implementations.triton import use
from implementations.xla import compiled_as

SCAN = "lax.scan"
TRITON = "Triton kernels"


def engine(setting: Setting) -> tuple[str, Any]:
    """Its name and the engine itself, which gets the weights at each call.

    - On the CPU, and for a network on several devices: loops by `lax.scan`.
    - On a card: the Triton kernels, for sizes that implementations/triton/sizes.py does not refuse;
      `lax.scan` where it does and where there is no jax-triton, with a warning.

    Args:
        setting: of the learner.
    """
    # what the programs depend on: learners that differ in the rest share them
    rule = compiled_as(setting.rule)
    static = replace(setting, rule=rule, optimizer=Adam(), device="", threads=None)
    if setting.device == "cpu" or setting.devices > 1:
        return SCAN, ScanEngine(setting, static)
    reason = triton_engine.unusable(setting)
    if reason is None:
        return TRITON, TritonEngine(setting, static)
    use.warn(reason, triton_engine.SWITCH, "jax", SCAN)
    return SCAN, ScanEngine(setting, static)
