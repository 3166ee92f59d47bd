"""BrainPy's process-wide settings as the notebook sets them, and as they were before when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import brainpy.math as bm
import jax
from brainpy.math import defaults  # type: ignore[attr-defined]
from brainpy.math.defaults import env


@contextmanager
def notebook_environment(device: str = "cpu") -> Iterator[None]:
    """Inside, the notebook's training mode with dt = 1 ms, in float32, on `device`.

    Whatever builds, traces or runs the notebook's objects does so inside. BrainPy's own `bm.environment`
    restores mode and dt, but not the time, step and `fit` that its trainers leave behind as traced values;
    so all settings are put back.

    Args:
        device: "cpu" or "cuda".
    """
    before = dict(env.settings)
    try:
        if "bp_object_as_pytree" not in before:  # they are of the thread that imported BrainPy
            defaults.setting()  # type: ignore[attr-defined]
        with jax.enable_x64(False), jax.default_device(jax.devices(device)[0]):
            bm.set_environment(mode=bm.training_mode, dt=1.0, float_=bm.float32, int_=bm.int32)
            yield
    finally:
        env.settings.clear()
        env.settings.update(before)
