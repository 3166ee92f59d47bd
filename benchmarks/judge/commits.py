"""What ASV measured of each commit: a row per case and figure."""

import pandas as pd

from benchmarks.judge.costs import RUN, RUNNER, WORKLOAD, of_asv
from benchmarks.store.records import Records
from benchmarks.store.schema import COSTS, SAMPLES, STATUSES, TRACKED

_RUN = [*RUN, "commit", "file"]


def runs(records: Records) -> pd.DataFrame:
    """A row per machine, commit and environment, the newest first.

    Columns: machine, run, commit, file; started, of its last benchmark; ok, unavailable, failed: how many
    figures are so.
    """
    rows = records.measurements[of_asv(records.measurements)]
    counts = {status: rows["status"] == status for status in STATUSES}
    groups = rows.assign(**counts).groupby(_RUN, sort=False)
    found = groups.agg({"started": "max", **dict.fromkeys(STATUSES, "sum")}).reset_index()
    return found.sort_values("started", ascending=False)


def figures(records: Records) -> pd.DataFrame:
    """One row per case and figure of what ASV measured, of each commit, machine and environment.

    Columns: those that name the case; figure, a metric's name; median, q25 and q75 of its samples, which are
    NaN where ASV keeps one figure only; samples: how many; status.
    """
    rows = records.measurements[of_asv(records.measurements)]
    case = ["measurement", "file", "started", "commit", *RUN, *WORKLOAD, *RUNNER, "status"]
    single = rows.melt(case, [*COSTS, *TRACKED], "figure", "median").dropna(subset="median")
    sampled = records.samples.melt("measurement", SAMPLES, "figure").dropna(subset="value")
    grouped = sampled.groupby(["measurement", "figure"])["value"]
    spread = grouped.agg(
        middle="median",
        q25=lambda values: values.quantile(0.25),
        q75=lambda values: values.quantile(0.75),
        samples="size",
    ).reset_index()
    found = rows[case].merge(spread, on="measurement")
    found = pd.concat([found, single])  # where both are, the sampled row comes first
    found["median"] = found["median"].fillna(found["middle"])
    return found.drop(columns="middle").drop_duplicates(["measurement", "figure"])
