"""What a step costs: measurements reduced to one row per case, with medians and spreads.

Two rules hold throughout. Figures of a run (its ratios above all) come from that run on that machine alone.
And a median never stands without its spread and the number of samples behind it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.define.names import SYSTEM
from benchmarks.define.systems import SYSTEMS
from benchmarks.store.records import Records
from benchmarks.store.schema import COSTS
from implementations import rules

SIZE = ["batch", "n_steps", "n_rec"]
WORKLOAD = ["dtype", *SIZE]
"""What makes two measurements do work of the same size; only such rows are compared."""

RUNNER = ["system", "backend", "rule", "mode", "device", "threads"]
"""What did the work. Other systems than `SYSTEM` compute something else: baselines, shown apart."""

RUN = ["machine", "run"]

ASV = "asv/"
"""How the file of a row that ASV measured begins."""


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


def of_asv(measurements: pd.DataFrame) -> pd.Series:
    """Which rows ASV measured."""
    return measurements["file"].str.startswith(ASV).astype(bool)


def costs(records: Records) -> pd.DataFrame:
    """One row per run, workload and runner, from its samples of all processes together.

    A process that measures memory is warmed up otherwise and not interleaved: where it does not time the
    first step, its samples don't count as times. What ASV measured is for `commits`; it is here only where
    `measure` recorded nothing.

    Columns:
        median_s, q25_s, q75_s, min_s, max_s: seconds per warm training step; NaN for memory alone.
        samples, processes, memory_processes: how many.
        first_step_s, build_s, load_s, import_s, peak_bytes, batch_bytes: medians over the processes.
        ratio_rule: median_s over the least one of the same run, workload, system and rule.
        ratio_all: the same over all rules.
        speedup: median_s of the baseline over that of the row, see `_speedup`.
        commit: of the code that was measured; started: when the run did.
    """
    done = records.measurements[records.measurements["status"] == "ok"]
    done = done[done[SIZE].notna().all(axis=1)]  # how well a rule learns, which ASV tracks too, is no cost
    own = done[~of_asv(done)]
    done = done if own.empty else own
    done = done.assign(started=done.groupby(RUN)["started"].transform("min"))
    case = [*RUN, *WORKLOAD, *RUNNER]
    groups = done.groupby(case, dropna=False, sort=False)
    rows = groups[COSTS].median().join(groups[["commit", "started"]].first())
    rows = rows.join(groups["peak_bytes"].count().rename("memory_processes"))
    timed = _timed(done)
    samples = records.samples[records.samples["step_s"].notna()]
    steps = samples.merge(timed[["measurement", *case]], on="measurement")
    steps = steps.groupby(case, dropna=False, sort=False)
    rows = rows.join(steps["measurement"].nunique().rename("processes"))
    rows = rows.join(_spread(steps["step_s"])).reset_index()
    counts = ["processes", "samples"]
    rows[counts] = rows[counts].fillna(0).astype(int)
    for column, within in (
        ("ratio_rule", [*RUN, *WORKLOAD, "system", "rule"]),
        ("ratio_all", [*RUN, *WORKLOAD, "system"]),
    ):
        least = rows.groupby(within, dropna=False)["median_s"].transform("min")
        # another system computes something else, and is no member of the comparison
        rows[column] = (rows["median_s"] / least).where(rows["system"] == SYSTEM)
    return rows.merge(_speedup(rows), left_index=True, right_index=True)


def _timed(done: pd.DataFrame) -> pd.DataFrame:
    """The processes whose samples are times."""
    return done[done["peak_bytes"].isna() | done["first_step_s"].notna()]


def _spread(samples: Any) -> pd.DataFrame:
    """Median and spread of each group of samples in seconds."""
    return pd.DataFrame(
        {
            "median_s": samples.median(),
            "q25_s": samples.quantile(0.25),
            "q75_s": samples.quantile(0.75),
            "min_s": samples.min(),
            "max_s": samples.max(),
            "samples": samples.count(),
        }
    )


def _speedup(rows: pd.DataFrame) -> pd.DataFrame:
    """How many times as long as each row of `SYSTEM` another system took, in the same run and size.

    The first system beside it that was measured: its case of the same rule or, where it has none, of a rule
    with the same path of the gradient, which is what a step's cost depends on. NaN where there is none.
    """
    same = [*RUN, *WORKLOAD]
    own, others = rows[rows["system"] == SYSTEM], rows[rows["system"] == baseline(rows)]
    speedup = pd.Series(np.nan, index=rows.index, name="speedup")
    for index in own.index:
        row = own.loc[index]
        there = others[(others[same] == row[same]).all(axis=1)]
        equal = there[there["rule"] == row["rule"]]
        if equal.empty:
            equal = there[there["rule"].map(path) == path(row["rule"])]
        speedup.loc[index] = equal["median_s"].min() / row["median_s"]
    return speedup.to_frame()


def baseline(rows: pd.DataFrame) -> str | None:
    """Name of the system that steps of `SYSTEM` are held against; None where it was measured alone."""
    measured = set(rows["system"]) - {SYSTEM}
    return next((name for name in SYSTEMS if name in measured), min(measured, default=None))


def path(rule: str) -> str:
    """How far a rule's gradient goes; the name of a rule that the package lacks."""
    found = rules.find(rule)
    if found is None:
        return rule
    return "to the readout" if found.feedback == "none" else f"{found.hops} hops"


def samples_of(records: Records, rows: pd.DataFrame) -> pd.DataFrame:
    """The raw samples behind rows of `costs`: its columns that name the case, and step_s."""
    case = [*RUN, *WORKLOAD, *RUNNER]
    timed = _timed(records.measurements)
    named = records.samples.merge(timed[["measurement", *case]], on="measurement")
    return named.merge(rows[case], on=case)[[*case, "step_s"]]


def size_series(rows: pd.DataFrame, size: str, least: int = 2) -> pd.DataFrame:
    """The rows of those cases that were measured at several sizes (`least`), of which `size` alone differs.

    A line through the rows of a case then shows what `size` does. Where there are several runs, the newest;
    where there are several of the other sizes, those with the most rows.
    """
    others = [name for name in WORKLOAD if name != size]
    same = [*RUN, *others, *RUNNER]
    rows = rows[rows.groupby(same, dropna=False)[size].transform("nunique") >= least]
    parts = [part for _, part in rows.groupby([*RUN, *others], dropna=False)]
    return max(
        parts, key=lambda part: (part["started"].max(), len(part), part["n_steps"].max()), default=rows
    )


def growth(rows: pd.DataFrame) -> pd.DataFrame:
    """Per case of a `size_series` of n_steps: shortest and longest trial, memory at both, bytes per step."""
    case = [*RUN, "dtype", "batch", "n_rec", *RUNNER]
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


def incomplete(records: Records) -> pd.DataFrame:
    """The cases of the newest run that are unavailable or failed, each once, with the reason."""
    own = records.measurements[~of_asv(records.measurements)]
    runs = timing_runs(own)
    if not runs:
        return own
    rows = runs[0].of(own)
    rows = rows[rows["status"] != "ok"]
    return rows.drop_duplicates([*WORKLOAD, *RUNNER, "status", "reason"])
