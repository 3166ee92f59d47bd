"""Verdicts on all that two commits were timed at in turns: records in, a row for each case out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from benchmarks.define.pairing import ARMS, Precision, TimedCase
from benchmarks.judge import pairs
from benchmarks.judge.gate import COLUMNS, UNDECIDED, VOIDED, of_states

MEAN = "geometric mean"
"""The benchmark that rows of a backend's cases together are of."""

_COPY = "copy of base: "


@dataclass(frozen=True)
class Times:
    """What is known of times.

    Attributes:
        rows: `judge.gate.COLUMNS`, a row for each case, and one for each backend of several.
        undecided: selectors of cases of which more pairs may tell more.
        moved: cases in which nothing has changed, and that came out slower or faster all the same. Where
            there are any, what is measured is the machine, and all rows are void.
    """

    rows: pd.DataFrame
    undecided: frozenset[str]
    moved: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """All pairs of a case; `whole` are the records of those that have samples."""

    named: Mapping[str, Any]
    states: tuple[str, str]
    whole: Sequence[Mapping[str, Any]]

    @property
    def levels(self) -> dict[int, pairs.Levels]:
        """Of each pair, by its number."""
        return {record["pair"]: pairs.levels(record["order"], seconds(record)) for record in self.whole}

    def samples(self, arm: str) -> list[float]:
        """Of all pairs."""
        return [
            value
            for record in self.whole
            for name, value in zip(record["order"], seconds(record), strict=True)
            if name == arm
        ]


def seconds(record: Mapping[str, Any]) -> list[float]:
    """What each sample took: by the clock, but where another process had the core meanwhile, its own time.

    Without other processes both are the same, unless it waits, which counts.
    """
    values = zip(record["wall_s"], record["own_s"], record["taken"], strict=True)
    return [own_s if taken else wall_s for wall_s, own_s, taken in values]


def judge(
    records: Iterable[Mapping[str, Any]],
    precision: Precision,
    backends: Mapping[str, str | None],
    untouched: Collection[str] = (),
) -> Times:
    """Verdicts after a look.

    Args:
        records: of `run.pairs.measure`.
        precision: when a time has changed.
        backends: selector of a case -> its backend.
        untouched: selectors of cases that the change can't have changed.
    """
    cases = _cases(records)
    levels = {name: case.levels for name, case in cases.items()}
    enough = {name: list(of.values()) for name, of in levels.items() if len(of) > 1}
    estimates = {name: pairs.estimate(of) for name, of in enough.items()}
    base, _, copy = ARMS
    controls = {name: of for name, of in enough.items() if all(copy in pair for pair in of)}
    alike = {_COPY + name: pairs.estimate(of, copy, (base,)) for name, of in controls.items()}
    alike |= {name: estimates[name] for name in untouched if name in estimates}
    moved = tuple(pairs.moved(alike, precision))
    judged = {name: found for name, found in estimates.items() if name not in untouched}
    means = {}
    for backend in dict.fromkeys(backends[name] for name in judged):
        of = [levels[name] for name in judged if backends[name] == backend]
        found = pairs.together(of) if len(of) > 1 else None
        if found is not None:
            means[f"{MEAN} {backend}"] = found
    verdicts = pairs.verdicts({**judged, **means}, precision)
    # the same code: were they to come out otherwise beyond chance, they would be among those that moved
    verdicts |= {name: pairs.SAME for name in untouched if name in cases}
    undecided = frozenset(
        name
        for name, case in cases.items()
        if case.states == ("ok", "ok") and verdicts.get(name, UNDECIDED) == UNDECIDED
    )
    if moved:
        verdicts = dict.fromkeys(verdicts, VOIDED)
    rows = [_row(case, estimates.get(name), verdicts, precision) for name, case in cases.items()]
    for name, found in means.items():
        named = {"benchmark": MEAN, "case": name.removeprefix(f"{MEAN} "), "unit": "seconds"}
        rows.append({**named, **_ratio(found, precision), "n_base": found.pairs, "n_head": found.pairs,
                     "verdict": verdicts[name]})  # fmt: skip
    return Times(pd.DataFrame(rows, columns=COLUMNS), undecided, moved)


def missing(cases: Sequence[TimedCase], records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows for cases that there was no time to measure at all: nobody can tell of them."""
    met = {record["selector"] for record in records}
    rows = [
        {"benchmark": case.benchmark, "case": case.case, "unit": case.unit, "n_base": 0, "n_head": 0,
         "verdict": UNDECIDED}
        for case in cases
        if case.selector not in met
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _cases(records: Iterable[Mapping[str, Any]]) -> dict[str, _Case]:
    by_selector: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_selector.setdefault(record["selector"], []).append(record)
    found = {}
    for selector, of in by_selector.items():
        whole = sorted((record for record in of if "order" in record), key=lambda record: record["pair"])
        states = ("ok", "ok") if whole else (_state(of, "base"), _state(of, "head"))
        found[selector] = _Case(of[0], states, whole)
    return found


def _state(records: Sequence[Mapping[str, Any]], arm: str) -> str:
    """The best that an arm came to: what failed once may have been killed."""
    states = {record["states"][arm]["status"] for record in records}
    return next(state for state in ("ok", "unavailable", "failed") if state in states)


def _row(
    case: _Case, found: pairs.Estimate | None, verdicts: Mapping[str, str], precision: Precision
) -> dict[str, Any]:
    named = {name: case.named[name] for name in ("benchmark", "case", "unit")}
    samples = [case.samples(arm) for arm in ("base", "head")]
    values = [median(of) if of else float("nan") for of in samples]
    if not case.whole and case.states != ("ok", "ok"):
        verdict = of_states(*case.states)
    else:
        verdict = verdicts.get(case.named["selector"], UNDECIDED)
    return {
        **named,
        "base": values[0],
        "head": values[1],
        "n_base": len(samples[0]),
        "n_head": len(samples[1]),
        **({} if found is None else _ratio(found, precision)),
        "verdict": verdict,
    }


def _ratio(found: pairs.Estimate, precision: Precision) -> dict[str, float]:
    low, high = found.interval(precision.missed / len(precision.looks))
    return {"ratio": found.ratio, "low": low, "high": high}
