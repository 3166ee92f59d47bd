"""Libraries beside the backends in one table, as README.md has it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.names import SYSTEM
from benchmarks.define.systems import peers
from benchmarks.judge import libraries
from benchmarks.show.names import Names
from benchmarks.store.records import Records
from implementations import rules

FASTEST = "fastest backend"
"""What rows of the suite itself are called."""

_STEP, _TIMES, _PEAK = METRICS["step_s"], METRICS["library_times"], METRICS["peak_bytes"]


def title(system: str) -> str:
    """Of a library, for people; its name where this version does not know it."""
    peer = peers().get(system)
    return peer.title if peer is not None else system


def alone(system: str) -> str:
    """Why the cost of a system alone is shown; "" where its gradients have to agree."""
    peer = peers().get(system)
    return peer.cost_alone if peer is not None else "its own network"


def of_libraries(found: Records) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: per rule first the fastest backend, then libraries, the fastest first; of all
    threads.

    No rows where no library was measured.
    """
    shown = libraries.shown(found)
    if shown is None:
        return [], []
    every = pd.concat([part for part in (shown.same, shown.alone) if len(part)])
    threads = "all" if (every["threads"] == "all").any() else str(every["threads"].iloc[0])
    every = every[every["threads"] == threads]
    own = every[every["system"] == SYSTEM]
    first = own.loc[own.groupby(["rule", "batch"])["median_s"].idxmin()].assign(mode="", backend="")
    every = pd.concat([first, every[every["system"] != SYSTEM]])
    batches = sorted(set(every["batch"]))
    headings = ["library", "version", "rule", "gradient within"]
    headings += [f"{batch} trials, {unit}" for batch in batches for unit in (_STEP.unit, "×")]
    within = _within(found)
    names = Names(found)
    groups = every.groupby(["rule", "system", "mode"], sort=False)
    cases = [(tuple(map(str, key)), part) for key, part in groups]
    places = {rule: place for place, rule in enumerate(rules.ordered(every["rule"]))}
    cases.sort(key=lambda case: (places[case[0][0]], case[0][1] != SYSTEM, case[1]["median_s"].min()))
    rows = []
    for (rule, system, mode), part in cases:
        versions = part["version"].dropna()
        row = [
            FASTEST if system == SYSTEM else title(system),
            str(versions.iloc[0]) if len(versions) else "",
            names.look.title(rule) + (f", {mode}" if mode else ""),
            "" if system == SYSTEM else _kind(system, within.get((system, rule, mode))),
        ]
        for batch in batches:
            row += _figures(part[part["batch"] == batch].to_dict("records"))
        peak = part.sort_values("batch")["peak_bytes"].iloc[-1]
        rows.append([*row, "" if pd.isna(peak) else _PEAK.format(peak)])
    return [*headings, f"memory, {_PEAK.unit}"], rows


def _within(found: Records) -> dict[tuple[Any, ...], float]:
    """(system, rule, mode) -> the largest deviation of its gradients."""
    largest: dict[tuple[Any, ...], float] = {}
    for row in libraries.compared(found).to_dict("records"):
        if row["status"] == "ok":
            key = row["system"], row["rule"], row["mode"]
            largest[key] = max(libraries.deviation(row), largest.get(key, 0.0))
    return largest


def _kind(system: str, within: float | None) -> str:
    """How near its gradient is, or why there is nothing to be near to."""
    why = alone(system)
    if why:
        return f"{why}: cost alone"
    return "" if within is None else METRICS["deviation"].format(within)


def _figures(here: list[Mapping[Any, Any]]) -> list[str]:
    """Time of a step, and times the fastest backend's; "" where there is none."""
    if not here:
        return ["", ""]
    times = here[0]["library_times"]
    return [_STEP.format(here[0]["median_s"]), "" if pd.isna(times) else _TIMES.format(times)]
