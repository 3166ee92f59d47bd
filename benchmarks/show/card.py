"""A card in words; imports nothing that takes long, as the command line's help needs it."""

from collections.abc import Mapping
from typing import Any

_OF_CARD: Mapping[str, tuple[str, float]] = {
    **{"name": ("{}", 1.0), "memory_bytes": ("{} GiB", 2.0**-30), "driver": ("driver {}", 1.0)},
    **{"cuda": ("CUDA {}", 1.0), "power_limit_w": ("at most {} W", 1.0), "sm_max_mhz": ("{} MHz", 1.0)},
    **{"memory_max_mhz": ("memory at {} MHz", 1.0), "ecc": ("ECC {}", 1.0), "mig": ("MIG {}", 1.0)},
}
"""Field of a card's record -> how it is told, and what a number is multiplied with."""


def card(told: Mapping[str, Any]) -> str:
    """What a card says of itself, a record of `run.cards`; what it does not say is left out."""
    parts = []
    for name, (text, scale) in _OF_CARD.items():
        value = told.get(name)
        if value is not None and value != "":
            number = isinstance(value, int | float)
            parts.append(text.format(f"{value * scale:.0f}" if number else str(value)))
    return ", ".join(parts)
