"""Whether what ASV stored over the commits has crept up. Pure: a table in, a table out.

Each case is a signal over commits, which asv.step_detect splits into levels: those that explain it best by
the sum of absolute deviations, with a penalty for each, so that a single bad run is none. The penalty is of
the size of what neighbouring commits differ by; asv's own choice of it takes a slow rise for noise that is
correlated, and finds no level in it. What counts is the latest level against the best one before: five steps
of 5 % are found as one of 28 %.

Machines of one kind differ from day to day, and all times with them. So each commit's times are divided by
how fast the machine was then: the median over all cases of their times over their usual ones. What makes all
cases slower alike is not seen here; counts and pairs see it.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
from asv.step_detect import solve_potts_approx

from benchmarks.define.gate import NOTHING_COMPARED, OK, REGRESSED
from benchmarks.define.metrics import judged

LEAST_COMMITS = 5
"""With fewer there are no levels to tell apart."""

COLUMNS = ["benchmark", "case", "unit", "commits", "best", "latest", "ratio", "since", "verdict"]
"""`since` has the commits after which a level rose, for those that are worse."""

_LEAST_CASES = 5  # of whose times a median is the machine's
_LEAST_LEVEL = 2  # commits
_PENALTY = 2.0  # of a level, in units of noise times the logarithm of the number of commits
_BEYOND_NOISE = 3.0
_LEAST_NOISE = 1e-3


def judge(history: pd.DataFrame, factor: float) -> pd.DataFrame:
    """A row per case of the machine and environment that measured last, worst first; `COLUMNS`.

    Args:
        history: `store.asv_files.HISTORY`, by date.
        factor: a case is worse where its latest level is above the best one by more than this.
    """
    if history.empty:
        return pd.DataFrame(columns=COLUMNS)
    newest = history[history["date"] == history["date"].max()]
    of = newest[["machine", "environment"]].drop_duplicates()
    chosen = _at_one_speed(history.merge(of))
    keys = ["machine", "environment", "benchmark", "case"]
    rows = [_row(signal, factor) for _, signal in chosen.groupby(keys, sort=False)]
    found = pd.DataFrame([row for row in rows if row is not None], columns=COLUMNS)
    return found.sort_values("ratio", ascending=False, kind="stable", ignore_index=True)


def exit_status(verdicts: pd.DataFrame) -> int:
    """0 nothing has crept up, 1 something has, 3 nothing has enough commits."""
    if verdicts.empty:
        return NOTHING_COMPARED
    return REGRESSED if (verdicts["verdict"] == "worse").any() else OK


def _at_one_speed(history: pd.DataFrame) -> pd.DataFrame:
    """Times as if the machine had always been as fast as it is in the median."""
    times = history[(history["unit"] == "seconds") & (history["value"] > 0.0)]
    logs = pd.Series(np.log(times["value"].to_numpy(float)), index=times.index)
    usual = logs.groupby([times[name] for name in ("machine", "environment", "benchmark", "case")])
    off = (logs - usual.transform("median")).groupby(
        [times["machine"], times["environment"], times["commit"]]
    )
    speed = off.transform("median").where(off.transform("size") >= _LEAST_CASES, 0.0)
    return history.assign(
        value=history["value"].where(~history.index.isin(times.index), np.exp(logs - speed))
    )


def _row(signal: pd.DataFrame, factor: float) -> dict[str, object] | None:
    unit = signal["unit"].iloc[0]
    if judged(unit) is None or len(signal) < LEAST_COMMITS:
        return None
    values = signal["value"].to_numpy(float)
    levels, noise = _levels(values)
    best = min(range(len(levels)), key=lambda place: levels[place][1])
    lowest, latest = levels[best][1], levels[-1][1]
    worse = latest - lowest > max(_least(unit), (factor - 1.0) * lowest, _BEYOND_NOISE * noise * lowest)
    rises = [
        signal["commit"].iloc[start - 1][:8]
        for (_, before), (start, after) in pairwise(levels[best:])
        if worse and after > before
    ]
    named = {name: signal[name].iloc[0] for name in ("benchmark", "case", "unit")}
    return {
        **named,
        "commits": len(signal),
        "best": lowest,
        "latest": latest,
        "ratio": latest / lowest if lowest > 0.0 else np.nan,
        "since": ", ".join(rises),
        "verdict": "worse" if worse else "same",
    }


def _levels(values: np.ndarray) -> tuple[list[tuple[int, float]], float]:
    """Where each level begins, and its height; what neighbours differ by, a share where all are positive."""
    positive = bool((values > 0.0).all())
    signal = np.log(values) if positive else values
    noise = max(1.05 * float(np.median(np.abs(np.diff(signal)))), _LEAST_NOISE)
    penalty = _PENALTY * noise * np.log(len(signal))
    ends, heights, _ = solve_potts_approx(
        list(signal), [1] * len(signal), gamma=penalty, min_size=_LEAST_LEVEL
    )
    starts = [0, *ends[:-1]]
    found = [
        (start, float(np.exp(height) if positive else height))
        for start, height in zip(starts, heights, strict=True)
    ]
    return found, noise


def _least(unit: str) -> float:
    """Below this, a change is none, however large its share: pages by the handful, a trial or two."""
    how = judged(unit)
    return {"memory": 2.0**20 if unit == "bytes" else 512.0, "error": 0.05}.get(how.by if how else "", 0.0)
