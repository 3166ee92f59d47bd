"""Whether training steps execute what is expected of them. Pure: rows in, rows and an exit status out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.define.counts import COLUMNS, Column
from benchmarks.define.gate import BROKEN, NOTHING_COMPARED, OK, REGRESSED
from benchmarks.store.counts import KEY, Row, key

AS_EXPECTED, MORE, FEWER, NEW, FAILS, GONE = "as expected", "more", "fewer", "new", "fails", "no longer runs"
"""`FEWER` and `NEW` are to be committed as well: what isn't, is free to be lost again."""

WRONG = (FAILS, GONE, MORE, FEWER, NEW)
"""Worst first."""


@dataclass(frozen=True)
class Judged:
    """A case.

    Attributes:
        key: backend, rule and mode.
        verdict: one of the above.
        changed: column -> expected and found, of those that are not as expected.
        ratio: found over expected instructions; None where there is no pair.
        reason: why it can't be counted.
    """

    key: tuple[str, ...]
    verdict: str
    changed: Mapping[str, tuple[Any, Any]]
    ratio: float | None = None
    reason: str | None = None


def judge(expected: Sequence[Row], found: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """A verdict for each case that was counted or could not be.

    Args:
        expected: of `store.counts.Expected`.
        found: rows of `run.counts.count_all`.
    """
    rows = list(found)
    known = {key(row): row for row in expected}
    judged = [_judged(known.get(key(row)), row) for row in rows]
    asked, met = {row["backend"] for row in rows}, {one.key for one in judged}
    gone = [one for one, row in known.items() if row["backend"] in asked and one not in met]
    return [*judged, *(Judged(one, GONE, {}, reason="there is no such case any more") for one in gone)]


def exit_status(judged: Sequence[Judged]) -> int:
    """0 all is as expected, 1 something is not, 2 something expected fails, 3 nothing was compared."""
    verdicts = {one.verdict for one in judged}
    if verdicts & {FAILS, GONE}:
        return BROKEN
    if verdicts & {MORE, FEWER, NEW}:
        return REGRESSED
    return OK if AS_EXPECTED in verdicts else NOTHING_COMPARED


def other_versions(expected: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """What is here in another version than the counts are of, each as "name here, not expected"."""
    return [
        f"{name} {here.get(name, 'missing')}, not {expected.get(name, 'there')}"
        for name in sorted({*expected, *here})
        if expected.get(name) != here.get(name)
    ]


def _judged(before: Row | None, row: Mapping[str, Any]) -> Judged:
    named = tuple(row[name] for name in KEY)
    if row["status"] == "failed":
        return Judged(named, FAILS, {}, reason=row["reason"])
    if row["status"] != "ok":
        return Judged(named, "n/a" if before is None else GONE, {}, reason=row["reason"])
    if before is None:
        return Judged(named, NEW, {})
    changed = {
        column.name: (before[column.name], row[column.name])
        for column in COLUMNS
        if not _same(column, before[column.name], row[column.name], before["margin"])
    }
    verdict = AS_EXPECTED
    if changed:
        fewer = all(None not in pair and pair[1] < pair[0] for pair in changed.values())
        verdict = FEWER if fewer else MORE
    return Judged(named, verdict, changed, row["instructions"] / before["instructions"])


def _same(column: Column, before: float | None, now: float | None, margin: float) -> bool:
    if before is None or now is None or column.exact:
        return before == now
    # a call more or less is as close as a small number can be
    return abs(now - before) <= max(margin * before, 1.0)
