"""Whether a commit is slower, takes more memory, learns worse, or fails where another did not.

Pure: tables of samples in, a table of verdicts out. A change in time has to show three times over, as one
number alone is fooled by a busy machine: in the ratio of medians, in the ratio of minima (which what else
runs can only raise), and in the ranks of all samples (Mann & Whitney 1947, doi 10.1214/aoms/1177730491).
Memory and errors repeat by themselves, and are held against a bound each.
"""

from statistics import median
from typing import Any

import pandas as pd
from scipy.stats import mannwhitneyu

from benchmarks.define.gate import BROKEN, CANNOT_TELL, NOTHING_COMPARED, OK, REGRESSED, VOID, Thresholds
from benchmarks.define.metrics import judged

REGRESSIONS = ("slower", "more memory", "learns worse")
BREAKAGES = ("fails now", "no longer runs")
IMPROVEMENTS = ("faster", "less memory", "learns better")
COMPARED = (*REGRESSIONS, *IMPROVEMENTS, "same")

UNDECIDED, VOIDED = "cannot tell", "void"

COLUMNS = ["benchmark", "case", "unit", "base", "head", "ratio", "p", "n_base", "n_head", "verdict"]
COLUMNS += ["low", "high"]  # of the ratio, where it has an interval
_KEY = ["benchmark", "case"]


def judge(base: pd.DataFrame, head: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """A verdict for each case of either side.

    Args:
        base, head: `store.asv_files.COLUMNS`, a row per case.
        thresholds: what counts as a change.

    Returns:
        `COLUMNS`; `base` and `head` are medians (for errors means), NaN where there are none.
    """
    sides = [side.drop_duplicates(_KEY).set_index(_KEY) for side in (base, head)]
    keys = sides[0].index.union(sides[1].index, sort=False)
    rows = []
    for key in keys:
        before, after = (side.loc[key] if key in side.index else None for side in sides)
        rows.append(dict(zip(_KEY, key, strict=True)) | _compare(before, after, thresholds))
    return pd.DataFrame(rows, columns=COLUMNS)


def empty() -> pd.DataFrame:
    """No verdicts."""
    return pd.DataFrame(columns=COLUMNS)


def confirmed(verdicts: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """The verdicts, with a regression only where a second measurement, `again`, finds one too.

    The others get the figures of the second measurement. A case that it lacks keeps its verdict.
    """
    second = {(row["benchmark"], row["case"]): row for row in again.to_dict("records")}
    rows = []
    for row in verdicts.to_dict("records"):
        found = second.get((row["benchmark"], row["case"]), row)
        rows.append(found if row["verdict"] in REGRESSIONS and found["verdict"] in COMPARED else row)
    return pd.DataFrame(rows, columns=COLUMNS)


def exit_status(verdicts: pd.DataFrame) -> int:
    """0 nothing got worse, 1 something did, 2 something that worked fails, 3 nothing could be compared.

    4 where some cases have no verdict, or no figures of one side although others have, 5 where times are
    void.
    """
    found = set(verdicts["verdict"])
    if found.intersection(BREAKAGES):
        return BROKEN
    if found.intersection(REGRESSIONS):
        return REGRESSED
    if VOIDED in found:
        return VOID
    if UNDECIDED in found or ("not measured" in found and found.intersection(COMPARED)):
        return CANNOT_TELL
    return OK if found.intersection(COMPARED) else NOTHING_COMPARED


def of_states(before: str, after: str) -> str:
    """The verdict where not both sides are ok: each is ok, unavailable or failed."""
    return {
        ("ok", "failed"): "fails now",
        ("ok", "unavailable"): "no longer runs",
        ("failed", "ok"): "works now",
        ("unavailable", "ok"): "new",
        ("unavailable", "unavailable"): "n/a",
    }.get((before, after), "fails")


def _compare(before: pd.Series | None, after: pd.Series | None, thresholds: Thresholds) -> dict[str, Any]:
    if before is None or after is None:
        return _row(before, after, "not measured")
    states = (before["status"], after["status"])
    if states == ("ok", "ok"):
        how = judged(before["unit"])
        if how is None:
            return _row(before, after, "not judged")
        return _JUDGES[how.by](before, after, thresholds)
    return _row(before, after, of_states(*states))


def _time(before: pd.Series, after: pd.Series, thresholds: Thresholds) -> dict[str, Any]:
    samples = before["samples"], after["samples"]
    if min(map(len, samples)) < thresholds.samples:
        return _row(before, after, "too few samples")
    if median(samples[0]) < thresholds.least_s:
        return _row(before, after, "too short")
    p = float(mannwhitneyu(*samples).pvalue)
    row = _row(before, after, "same", p=p)
    if p < thresholds.p:
        least = min(samples[1]) / min(samples[0])
        if min(row["ratio"], least) > thresholds.factor:
            row["verdict"] = "slower"
        elif max(row["ratio"], least) < 1.0 / thresholds.factor:
            row["verdict"] = "faster"
    return row


def _memory(before: pd.Series, after: pd.Series, thresholds: Thresholds) -> dict[str, Any]:
    row = _row(before, after, "same")
    least = thresholds.memory_bytes if before["unit"] == "bytes" else thresholds.growth_bytes
    if row["head"] > max(row["base"] * thresholds.memory_factor, row["base"] + least):
        row["verdict"] = "more memory"
    elif row["base"] > max(row["head"] * thresholds.memory_factor, row["head"] + least):
        row["verdict"] = "less memory"
    return row


def _error(before: pd.Series, after: pd.Series, thresholds: Thresholds) -> dict[str, Any]:
    means = [sum(side["samples"]) / len(side["samples"]) for side in (before, after)]
    row = _row(before, after, "same") | {"base": means[0], "head": means[1]}
    row["ratio"] = _ratio(*means)
    added = means[1] - means[0]
    if not added <= thresholds.error:  # NaN learned nothing either
        row["verdict"] = "learns worse"
    elif added < -thresholds.error:
        row["verdict"] = "learns better"
    return row


_JUDGES = {"time": _time, "memory": _memory, "error": _error}


def _row(
    before: pd.Series | None, after: pd.Series | None, verdict: str, p: float = float("nan")
) -> dict[str, Any]:
    values = [_median(side) for side in (before, after)]
    known = before if before is not None else after
    return {
        "unit": None if known is None else known["unit"],
        "base": values[0],
        "head": values[1],
        "ratio": _ratio(*values),
        "p": p,
        "n_base": 0 if before is None else len(before["samples"]),
        "n_head": 0 if after is None else len(after["samples"]),
        "verdict": verdict,
    }


def _median(side: pd.Series | None) -> float:
    if side is None or side["status"] != "ok" or not side["samples"]:
        return float("nan")
    return float(median(side["samples"]))


def _ratio(base: float, head: float) -> float:
    return head / base if base > 0.0 else float("nan")
