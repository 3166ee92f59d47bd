"""Which rules the notebook has, and where it can run; imports neither BrainPy nor JAX before it is asked."""

from importlib.util import find_spec

from implementations import checks, process
from implementations.registry import DEVICES

RULES = {"bptt": False, "eprop_symmetric": True}
"""Rule -> the notebook's argument `eprop`."""

PUBLISHED_RULE = "bptt"
"""The rule of the published log, which ran with eprop=False."""

_PACKAGES = ("brainpy", "jax", "numba")
_PLATFORMS = {"cpu": "cpu", "cuda": "gpu"}  # our name of a device -> JAX's


def unavailable(device: str = "cpu") -> str | None:
    """Why the notebook can't run here, in one sentence; None where it can.

    Raises:
        InvalidArgument: (a ValueError) for an unknown device.
    """
    checks.choice("device", device, DEVICES)
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} can't be imported: pip install 'eprop-bench[brainpy]'"
    reason = process.lost(_PACKAGES)
    if reason is not None:
        return reason
    import jax

    if _PLATFORMS[device] not in {found.platform for found in jax.devices()} | {"cpu"}:
        return f"JAX finds no {device} device; it has {', '.join(map(str, jax.devices()))}"
    return None
