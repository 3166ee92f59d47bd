"""Records reduced to what the report shows: one row per case, with medians and spreads.

Two rules hold throughout. Figures of a run (its ratios above all) come from that run on that machine alone.
And a median never stands without its spread and the number of samples behind it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.harness.records import COSTS, Records

WORKLOAD = ["system", "dtype", "batch", "n_steps", "n_rec"]
"""What makes two measurements do the same work; only such rows are compared."""

RUNNER = ["backend", "rule", "mode", "device", "threads"]
"""What did the work."""

RUN = ["machine", "run"]
TRAINING = ["experiment", "machine", *RUNNER]

FINAL_STEPS = 100
"""Final figures are medians over the points of this many last training steps."""


@dataclass(frozen=True)
class TimingRun:
    """One interleaved run on one machine."""

    machine: str
    run: str
    started: str

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of `frame` that belong to this run."""
        return frame[(frame["machine"] == self.machine) & (frame["run"] == self.run)]


def timing_runs(measurements: pd.DataFrame) -> list[TimingRun]:
    """The runs that the rows come from, the newest first."""
    started = measurements.groupby(RUN)["started"].min()
    runs = [TimingRun(machine, run, at) for (machine, run), at in started.items()]  # pyright: ignore
    return sorted(runs, key=lambda run: (run.started, run.run), reverse=True)


def costs(records: Records) -> pd.DataFrame:
    """One row per run, workload and runner, from its samples of all processes together.

    A process that measures memory is warmed up otherwise and not interleaved: where it does not time the
    first step, its samples don't count as times.

    Columns:
        median_s, q25_s, q75_s, min_s, max_s: seconds per warm training step; NaN for memory alone.
        samples, processes, memory_processes: how many.
        first_step_s, build_s, load_s, import_s, peak_bytes, batch_bytes: medians over the processes.
        ratio_rule: median_s over the least one of the same run, workload and rule.
        ratio_all: the same over all rules.
        commit: of the code that was measured.
    """
    done = records.measurements[records.measurements["status"] == "ok"]
    case = [*RUN, *WORKLOAD, *RUNNER]
    groups = done.groupby(case, dropna=False, sort=False)
    rows = groups[COSTS].median().join(groups["commit"].first())
    rows = rows.join(groups["peak_bytes"].count().rename("memory_processes"))
    timed = done[done["peak_bytes"].isna() | done["first_step_s"].notna()]
    rows = rows.join(timed.groupby(case, dropna=False, sort=False).size().rename("processes"))
    samples = records.samples.merge(timed[["measurement", *case]], on="measurement")
    steps = samples.groupby(case, dropna=False, sort=False)["step_s"]
    rows = rows.join(
        pd.DataFrame(
            {
                "median_s": steps.median(),
                "q25_s": steps.quantile(0.25),
                "q75_s": steps.quantile(0.75),
                "min_s": steps.min(),
                "max_s": steps.max(),
                "samples": steps.size(),
            }
        )
    ).reset_index()
    counts = ["processes", "samples"]
    rows[counts] = rows[counts].fillna(0).astype(int)
    for column, within in (
        ("ratio_rule", [*RUN, *WORKLOAD, "rule"]),
        ("ratio_all", [*RUN, *WORKLOAD]),
    ):
        least = rows.groupby(within, dropna=False)["median_s"].transform("min")
        rows[column] = rows["median_s"] / least
    return rows


def samples_of(records: Records, rows: pd.DataFrame) -> pd.DataFrame:
    """The raw samples behind rows of `costs`: its columns that name the case, and step_s."""
    case = [*RUN, *WORKLOAD, *RUNNER]
    done = records.measurements
    timed = done[done["peak_bytes"].isna() | done["first_step_s"].notna()]
    named = records.samples.merge(timed[["measurement", *case]], on="measurement")
    return named.merge(rows[case], on=case)[[*case, "step_s"]]


def workloads(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """`costs` split by workload: the one with the most rows first, of equals that with the longest trials."""
    parts = [part for _, part in rows.groupby(WORKLOAD, dropna=False)]
    return sorted(parts, key=lambda part: (len(part), part["n_steps"].iloc[0]), reverse=True)


def sweeps(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of those cases whose memory was measured for several trial lengths.

    Only lengths apart differ in such a case, so a line through its rows shows how memory grows.
    """
    rows = rows[rows["peak_bytes"].notna()]
    case = [*RUN, "system", "dtype", "batch", "n_rec", *RUNNER]
    lengths = rows.groupby(case, dropna=False)["n_steps"].transform("nunique")
    return rows[lengths > 1]


def growth(rows: pd.DataFrame) -> pd.DataFrame:
    """Per case of `sweeps`: shortest and longest trial, memory at both, and bytes per step between them."""
    case = [*RUN, "system", "dtype", "batch", "n_rec", *RUNNER]
    found = []
    for names, part in rows.groupby(case, dropna=False, sort=False):
        part = part.sort_values("n_steps")
        first, last = part.iloc[0], part.iloc[-1]
        slope = (last["peak_bytes"] - first["peak_bytes"]) / (last["n_steps"] - first["n_steps"])
        found.append(
            {
                **dict(zip(case, names, strict=True)),
                "shortest": first["n_steps"],
                "longest": last["n_steps"],
                "shortest_bytes": first["peak_bytes"],
                "longest_bytes": last["peak_bytes"],
                "bytes_per_step": slope,
            }
        )
    return pd.DataFrame(found)


def curves(records: Records) -> pd.DataFrame:
    """All points, each with the columns of its run."""
    columns = ["file", *TRAINING, "system", "task", "dtype", "batch", "seed"]
    return records.points.merge(records.runs[columns], on="file")


def figure_of(points: pd.DataFrame) -> str:
    """What measures success in these points: "test_accuracy", or "test_loss" where a task has none."""
    return "test_accuracy" if points["test_accuracy"].notna().any() else "test_loss"


def finals(records: Records) -> pd.DataFrame:
    """One row per training run: `final`, the median test figure of its last steps, and the criterion.

    Columns:
        final: of `figure_of` its experiment.
        criterion_step, criterion_s: NaN where the criterion was not met.
    """
    points = curves(records)
    rows = records.runs.merge(
        records.criteria[["file", "step", "train_s"]].rename(
            columns={"step": "criterion_step", "train_s": "criterion_s"}
        ),
        on="file",
        how="left",
    )
    rows["criterion_step"] = rows["criterion_step"].astype(float)
    rows["criterion_s"] = rows["criterion_s"].astype(float)
    rows["final"] = np.nan
    for _, part in points.groupby("experiment"):
        figure = figure_of(part)
        last = part[part["step"] > part.groupby("file")["step"].transform("max") - FINAL_STEPS]
        final = last.groupby("file")[figure].median()
        here = rows["file"].isin(final.index)
        rows.loc[here, "final"] = rows.loc[here, "file"].map(final)
    return rows


def training(records: Records) -> pd.DataFrame:
    """One row per experiment, machine and runner, over its seeds.

    Columns:
        seeds, unfinished: how many, and how many of them have no end.
        least_steps, most_steps: training steps of the shortest and longest run.
        final, final_min, final_max: median and range over seeds of the final test figure.
        met, criterion_share: seeds that met the stopping criterion, and their share.
        criterion_step, criterion_s: medians over those seeds; with _min and _max.
        train_s: median training time.
    """
    rows = []
    for names, part in finals(records).groupby(TRAINING, dropna=False, sort=False):
        met = part[part["criterion_step"].notna()]
        row = dict(zip(TRAINING, names, strict=True))
        row |= {name: part[name].iloc[0] for name in ("system", "task", "dtype", "batch")}
        row |= {
            "started": part["started"].max(),
            "seeds": len(part),
            "unfinished": int(part["end"].isna().sum()),
            "least_steps": part["last_step"].min(),
            "most_steps": part["last_step"].max(),
            "final": part["final"].median(),
            "final_min": part["final"].min(),
            "final_max": part["final"].max(),
            "met": len(met),
            "criterion_share": len(met) / len(part),
            "train_s": part["train_s"].median(),
        }
        for name in ("criterion_step", "criterion_s"):
            row |= {name: met[name].median(), f"{name}_min": met[name].min(), f"{name}_max": met[name].max()}
        rows.append(row)
    columns = [*TRAINING, "system", "task", "dtype", "batch", "started", "seeds"]
    return pd.DataFrame(rows, columns=None if rows else columns)


def experiments(records: Records) -> list[str]:
    """Digests of the experiments, that with the most runs first, of equals the newest."""
    if records.runs.empty:
        return []
    runs = records.runs.groupby("experiment")["started"].agg(["size", "max"])
    return list(runs.sort_values(["size", "max"], ascending=False).index)


def incomplete(records: Records) -> pd.DataFrame:
    """The cases of the newest run that are unavailable or failed, each once, with the reason."""
    runs = timing_runs(records.measurements)
    if not runs:
        return records.measurements
    rows = runs[0].of(records.measurements)
    rows = rows[rows["status"] != "ok"]
    return rows.drop_duplicates([*WORKLOAD, *RUNNER, "status", "reason"])
