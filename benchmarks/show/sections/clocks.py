"""What is recorded of a card and its clocks, as sentences."""

import pandas as pd

from benchmarks.define.metrics import significant
from benchmarks.store.records import Records

_THROTTLE = {
    0x1: "idle",
    0x2: "clocks set by an application",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "clocks in step with another card",
    0x20: "temperature, by software",
    0x40: "temperature, by hardware",
    0x80: "power brake",
    0x100: "clocks of the display",
}
"""Bits of NVML's reasons for a lower clock than asked for."""


def described(records: Records, machine: str) -> str:
    """The cards of a machine, as a sentence; "" where nothing is known."""
    rows = records.environments[records.environments["machine"] == machine]
    cards = next((cards for cards in rows["cards"] if isinstance(cards, list) and cards), [])
    parts = [", ".join(f"{name} {value}" for name, value in card.items() if value) for card in cards]
    return f"Card: {'; '.join(parts)}." if parts else ""


def clocks(rows: pd.DataFrame) -> str:
    """Clocks, temperature and power over all processes, as a sentence."""
    parts = []
    for name, text, unit in (
        ("sm_before_mhz", "of the processors before the samples", "MHz"),
        ("sm_mhz", "and after them", "MHz"),
        ("memory_mhz", "of the memory", "MHz"),
        ("temperature_c", "temperature", "°C"),
        ("power_w", "power", "W"),
    ):
        values = rows[name].dropna()
        if len(values):
            ends = list(dict.fromkeys(significant(float(end)) for end in (values.min(), values.max())))
            parts.append(f"{text} {'–'.join(ends)}\u00a0{unit}")
    if not parts:
        return "Clocks of the card were not recorded."
    held = [text for text in dict.fromkeys(_reasons(rows)) if text]
    said = rows["throttle"].notna().any()
    back = f" Held back by: {', '.join(held)}." if held else " Not held back." if said else ""
    return f"Clocks over all processes: {', '.join(parts)}.{back}"


def _reasons(rows: pd.DataFrame) -> list[str]:
    """Why the card was slower than asked for; to be idle after the samples is no such reason."""
    found = []
    for text in rows["throttle"].dropna():
        try:
            mask = int(text, 16)
        except ValueError:
            found.append(str(text))
            continue
        found += [name for bit, name in _THROTTLE.items() if mask & bit and name != "idle"]
    return found
