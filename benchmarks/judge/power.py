"""How often each gate finds a slowdown that is there, and one that is not.

Pure: measured pairs in, rates out. A comparison is drawn from the pairs that were measured: each of its pairs
is one of them, whole, so that what samples of a process have in common stays in it. Those of the gate before
are drawn for each side apart, as its sides were minutes apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.define.asv_parameters import REPEAT
from benchmarks.define.gate import ROUNDS, Thresholds
from benchmarks.define.pairing import ARMS, Precision
from benchmarks.judge import gate, pairs
from benchmarks.judge.turns import seconds
from benchmarks.store.asv_files import COLUMNS as STORED

COLUMNS = ["gate", "backend", "busy", "planted", "slowdown", "found", "unknown", "reversed", "draws", "pairs"]
"""`planted` is the share of work that was added, `slowdown` by what a step was slower in the median; `found`,
`unknown` and `reversed`: shares of the comparisons that found it slower, could not tell, or found it faster;
`pairs` is how many pairs of processes they took, in the mean."""


@dataclass(frozen=True)
class Measured:
    """The pairs of a backend with a planted slowdown, on a machine with so much beside.

    Attributes:
        levels: for each pair, `judge.pairs.Levels` of base, head and the copy of base.
        base, head: for each pair, the samples of either by the clock.
    """

    backend: str
    busy: int
    planted: float
    levels: Sequence[pairs.Levels]
    base: Sequence[Sequence[float]]
    head: Sequence[Sequence[float]]

    @property
    def slowdown(self) -> float:
        """In the median over pairs."""
        return float(
            np.expm1(np.median([of["head"] - (of["base"] + of["copy"]) / 2.0 for of in self.levels]))
        )


def measured(records: Sequence[Mapping[str, Any]], backends: Mapping[str, str]) -> Iterator[Measured]:
    """What the records hold, each slowdown of each backend and load that has two pairs or more.

    Args:
        records: of `run.power.measure`, with "busy".
        backends: selector -> backend.
    """
    found: dict[tuple[str, int, float], list[Mapping[str, Any]]] = {}
    for record in records:
        if set(ARMS) <= set(record.get("order", ())):
            key = (backends[record["selector"]], record["busy"], record["planted"])
            found.setdefault(key, []).append(record)
    for (backend, busy, share), of in found.items():
        if len(of) > 1:
            levels = [pairs.levels(record["order"], seconds(record)) for record in of]
            base, head, _ = ([_of(record, arm) for record in of] for arm in ARMS)
            yield Measured(backend, busy, share, levels, base, head)


def by_pairs(of: Measured, precision: Precision, family: int, draws: int, seed: int = 0) -> dict[str, Any]:
    """A row of `COLUMNS`: comparisons with looks, as `check` makes them, among `family` cases."""
    rng = np.random.default_rng(seed)
    verdicts, sizes = [], []
    for _ in range(draws):
        chosen = rng.integers(len(of.levels), size=precision.looks[-1])
        verdict, size = pairs.CANNOT_TELL, 0
        for size in precision.looks:
            found = pairs.estimate([of.levels[number] for number in chosen[:size]])
            verdict = pairs.verdict(found, precision, family)
            if verdict != pairs.CANNOT_TELL:
                break
        verdicts.append(verdict)
        sizes.append(size)
    return _row("pairs", of, verdicts, float(np.mean(sizes)))


def by_ranks(of: Measured, draws: int, seed: int = 0) -> dict[str, Any]:
    """The same of the gate before: four processes a side, ranks and ratios, and all of it twice."""
    rng = np.random.default_rng(seed)
    thresholds = Thresholds()

    def verdict() -> str:
        tables = []
        for side in (of.base, of.head):
            chosen = rng.integers(len(side), size=ROUNDS)
            samples = [sample for number in chosen for sample in side[number][: REPEAT[1]]]
            row = ("", "", "", "seconds", "ok", float(np.median(samples)), samples)
            tables.append(pd.DataFrame([row], columns=STORED))
        base, head = tables
        return str(gate.judge(base, head, thresholds)["verdict"].iloc[0])

    verdicts = []
    for _ in range(draws):
        first = verdict()
        verdicts.append(verdict() if first == "slower" else first)
    return _row("ranks", of, verdicts, float(ROUNDS))


def by_counts(
    backend: str, planted: float, expected: float, found: float, margin: float, slowdown: float
) -> dict[str, Any]:
    """The same of counts, which come out alike each time, and whatever else the machine does."""
    return {
        "gate": "counts",
        "backend": backend,
        "busy": 0,
        "planted": planted,
        "slowdown": slowdown,
        "found": float(found > expected * (1.0 + margin)),
        "unknown": 0.0,
        "reversed": float(found < expected * (1.0 - margin)),
        "draws": 1,
        "pairs": 0.0,
    }


def _of(record: Mapping[str, Any], arm: str) -> list[float]:
    pairs_of = zip(record["order"], record["wall_s"], strict=True)
    return [wall_s for name, wall_s in pairs_of if name == arm]


def _row(name: str, of: Measured, verdicts: Sequence[str], size: float) -> dict[str, Any]:
    known = {"slower", "faster", "same"}
    return {
        "gate": name,
        "backend": of.backend,
        "busy": of.busy,
        "planted": of.planted,
        "slowdown": of.slowdown,
        "found": float(np.mean([verdict == "slower" for verdict in verdicts])),
        "unknown": float(np.mean([verdict not in known for verdict in verdicts])),
        "reversed": float(np.mean([verdict == "faster" for verdict in verdicts])),
        "draws": len(verdicts),
        "pairs": size,
    }
