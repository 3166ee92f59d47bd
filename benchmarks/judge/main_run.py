"""Which of several recorded runs, and which of its workloads, stands for the costs."""

from typing import NamedTuple

import pandas as pd

import implementations as impl
from benchmarks.define.cases import BATCH
from benchmarks.define.names import SYSTEM
from benchmarks.judge.costs import WORKLOAD, TimingRun, size_series, timing_runs
from benchmarks.store.records import Records

_PUBLISHED = (BATCH, impl.EvidenceAccumulation().n_steps, impl.Network().n_rec)


class Shown(NamedTuple):
    """A run, the rows of `costs` of its main workload, and those of others that are not sizes of a sweep."""

    run: TimingRun
    main: pd.DataFrame
    others: list[pd.DataFrame]


def shown(records: Records, costs: pd.DataFrame, timed: pd.DataFrame | None = None) -> Shown | None:
    """What to show of `costs`; None where there are none.

    The run is the newest; where that is a sweep through sizes with fewer cases at its main size than an
    older run has, it gives way to that. The main workload is the one with the most cases, of equals the
    published one, unless `timed` has rows of another that `costs` has too.
    """
    if costs.empty:
        return None
    run = _run(records, costs if timed is None or timed.empty else timed)
    parts = _workloads(run.of(costs))
    wanted = [] if timed is None else _workloads(run.of(timed))
    if not parts:
        run = _run(records, costs)
        parts = _workloads(run.of(costs))
    if wanted:
        work = tuple(wanted[0][WORKLOAD].iloc[0])
        parts.sort(key=lambda part: tuple(part[WORKLOAD].iloc[0]) != work)  # stable
    in_series = {
        tuple(row)
        for size in ("batch", "n_rec")
        for row in size_series(run.of(costs), size, least=3)[WORKLOAD].itertuples(index=False)
    }
    main, *others = parts
    return Shown(run, main, [part for part in others if tuple(part[WORKLOAD].iloc[0]) not in in_series])


def _run(records: Records, costs: pd.DataFrame) -> TimingRun:
    here = set(zip(costs["machine"], costs["run"], strict=True))
    runs = [run for run in timing_runs(records.measurements) if (run.machine, run.run) in here]

    def cases(run: TimingRun) -> int:
        return len(_workloads(run.of(costs))[0])

    def in_series(run: TimingRun) -> bool:
        return any(len(size_series(run.of(costs), size, least=3)) for size in ("batch", "n_rec"))

    newest = runs[0]
    if in_series(newest):
        return next((run for run in runs if not in_series(run) and cases(run) > cases(newest)), newest)
    return newest


def _workloads(costs: pd.DataFrame) -> list[pd.DataFrame]:
    """Split by workload: that with the most cases first, of equals the published one or the longest."""

    def rank(part: pd.DataFrame) -> tuple[int, bool, int]:
        first = part.iloc[0]
        published = (first["batch"], first["n_steps"], first["n_rec"]) == _PUBLISHED
        return int((part["system"] == SYSTEM).sum()), published, int(first["n_steps"])

    return sorted((part for _, part in costs.groupby(WORKLOAD, dropna=False)), key=rank, reverse=True)
