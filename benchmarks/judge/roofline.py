"""Steps on cards: their time on both clocks, beside the backend's own loop and beside the least time."""

import pandas as pd

from benchmarks.judge.costs import RUNNER, SIZE, WORKLOAD, TimingRun, of_asv, timing_runs
from benchmarks.store.records import Records

_CASE = ["backend", "rule", "mode", "dtype", "device", *SIZE]
_MEDIANS = ["step_s", "event_s", "load_s", "unload_s", "device_peak_bytes", "operations", "moved_bytes"]
_MEDIANS += ["floor_s", "memory_floor_s", "arithmetic_floor_s", "latency_floor_s"]


def newest(records: Records) -> tuple[TimingRun, pd.DataFrame] | None:
    """The newest run on a card, and its measured processes; None where there is none."""
    rows = records.measurements
    rows = rows[(rows["device"] != "cpu") & (rows["status"] == "ok")]
    rows = rows[~of_asv(rows)] if len(rows) else rows
    if rows.empty:
        return None
    run = timing_runs(rows)[0]
    return run, run.of(rows)


def steps(records: Records, rows: pd.DataFrame) -> pd.DataFrame:
    """A row per case and engine.

    Args:
        rows: processes of one run on one machine.

    Columns: medians in seconds and bytes; loop_s and loop_engine, of the own loop; gain, how many times as
    fast as that; over, the time over the floor, NaN where no floor is known.
    """
    samples = records.samples.groupby("measurement")[["step_s", "event_s"]].median()
    rows = rows.join(samples, on="measurement")
    timed = rows["first_step_s"].notna()  # a process that measures memory is warmed up otherwise
    rows = rows.assign(step_s=rows["step_s"].where(timed), event_s=rows["event_s"].where(timed))
    found = rows.groupby([*RUNNER, *WORKLOAD, "machine", "engine"], dropna=False, sort=False).agg(
        {**dict.fromkeys(_MEDIANS, "median"), "floor_by": "first", "no_floor": "first"}
    )
    loops = _loops(records, str(rows["machine"].iloc[0]))
    found = found.reset_index().merge(loops, on=_CASE, how="left")
    found["over"] = found["step_s"] / found["floor_s"]
    # the same engine twice is no comparison
    found["gain"] = (found["loop_s"] / found["step_s"]).where(found["loop_engine"] != found["engine"])
    return found


def _loops(records: Records, machine: str) -> pd.DataFrame:
    """Per case: loop_s and loop_engine of the newest run of own loops on this machine."""
    rows = records.fallbacks
    rows = rows[(rows["machine"] == machine) & (rows["status"] == "ok")]
    if len(rows):
        rows = timing_runs(rows)[0].of(rows)
    samples = records.samples.groupby("measurement")["step_s"].median().rename("loop_s")
    rows = rows.join(samples, on="measurement")
    found = rows.groupby(_CASE, sort=False).agg({"loop_s": "median", "engine": "first"})
    return found.rename(columns={"engine": "loop_engine"}).reset_index()


def main_size(known: pd.DataFrame) -> pd.DataFrame:
    """Of rows of `steps`, those of the size with the most cases."""
    size = known.groupby(SIZE, sort=False)["rule"].count().idxmax()
    return known[(known[SIZE] == list(size)).all(axis=1)]  # pyright: ignore


def under_roofs(known: pd.DataFrame) -> pd.DataFrame:
    """Of rows of `steps`, those that a roofline can show: of the dtype with the most of them."""
    rows = known[known["dtype"] == known["dtype"].mode().iloc[0]]
    roofs = ["operations", "moved_bytes", "memory_floor_s", "arithmetic_floor_s"]
    return rows[(rows[roofs] > 0.0).all(axis=1)]
