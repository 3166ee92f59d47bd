"""Libraries beside the backends: which compute this network's gradients, and what their steps cost."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.systems import peers
from benchmarks.judge import costs
from benchmarks.store.records import Records
from benchmarks.store.schema import DEVIATIONS
from implementations import rules

_COMPARISON = ["system", "rule", "mode", "loss_of", "trials"]


@dataclass(frozen=True)
class Shown:
    """One run, in rows of `costs.costs` with four columns more.

    library_times: median_s over the least one of a backend in the same run, with as many trials and threads,
    of a rule with the same path of the gradient; NaN where there is none. synapse_steps_per_s: plastic
    synapses times time steps times trials, over median_s. asked_batch: null, or the trials that were asked
    for. version: of the library.

    Attributes:
        run: that they are of, the newest with a library in it.
        same: backends, and libraries whose gradients agree.
        alone: libraries of which the cost alone is shown.
        left_out: libraries whose gradients do not agree, or were not compared.
        incomplete: measurements of the run that are unavailable or failed, each once, with the reason.
    """

    run: costs.TimingRun
    same: pd.DataFrame
    alone: pd.DataFrame
    left_out: pd.DataFrame
    incomplete: pd.DataFrame


def shown(records: Records) -> Shown | None:
    """What to show of the newest run that has libraries; None where there is none."""
    rows = costs.costs(replace(records, measurements=records.libraries))
    rows = rows[rows["median_s"].notna()]
    of_libraries = rows["system"] != SYSTEM
    if not of_libraries.any():
        return None
    measured = records.libraries
    in_runs = set(rows.loc[of_libraries, "run"])
    run = next(run for run in costs.timing_runs(measured) if run.run in in_runs)
    rows = _with_memory(run.of(rows), run.of(costs.costs(replace(records, measurements=measured))))
    rows = rows.assign(
        library_times=_times(rows),
        synapse_steps_per_s=_synapse_steps(rows) / rows["median_s"],
        **_told(rows, run.of(measured)),
    )
    agreeing = agreement(records)
    kind = [_kind(row, agreeing) for row in rows.to_dict("records")]
    parts = {name: rows[[one == name for one in kind]] for name in ("same", "alone", "left out")}
    here = run.of(measured)
    wrong = here[here["status"] != "ok"].drop_duplicates([*costs.WORKLOAD, *costs.RUNNER, "status", "reason"])
    return Shown(run, parts["same"], parts["alone"], parts["left out"], wrong)


def _kind(row: Mapping[Any, Any], agreeing: Mapping[tuple[str, str, str], bool]) -> str:
    """Of a row of `costs`, where it is shown."""
    if row["system"] == SYSTEM:
        return "same"
    peer = peers().get(row["system"])
    if peer is None or peer.cost_alone:  # a system that is what it is, or that this version does not know
        return "alone"
    return "same" if agreeing.get((row["system"], row["rule"], row["mode"]), False) else "left out"


def agreement(records: Records) -> dict[tuple[str, str, str], bool]:
    """(system, rule, mode) -> whether all that was compared of it is within its bound."""
    found: dict[tuple[str, str, str], bool] = {}
    for row in compared(records).to_dict("records"):
        key = str(row["system"]), str(row["rule"]), str(row["mode"])
        found[key] = found.get(key, True) and bool(row["holds"])
    return found


def compared(records: Records) -> pd.DataFrame:
    """The newest comparison of each gradient of a library that could be made, with `holds`."""
    rows = records.library_parity.sort_values("started", kind="stable")
    rows = rows[rows["status"] != "unavailable"].drop_duplicates(_COMPARISON, keep="last")
    return rows.assign(holds=[bool(_holds(row)) for row in rows.to_dict("records")])


def _holds(row: Mapping[Any, Any]) -> bool:
    """Whether no spike differs, and no loss or gradient by more than the bound; NaN is none of it."""
    return (
        row["status"] == "ok"
        and row["spikes"] == 0
        and all(row[name] <= row["bound"] for name in DEVIATIONS[1:])
    )


def deviates(record: Mapping[Any, Any]) -> bool:
    """Whether a record is of a gradient that has to agree, and fails or is beyond its bound."""
    peer = peers().get(record["system"])
    return (
        record["status"] != "unavailable"
        and not (peer is not None and peer.cost_alone and record["status"] == "ok")
        and not _holds(record)
    )


def deviation(row: Mapping[Any, Any]) -> float:
    """The largest relative deviation of a comparison."""
    return max(float(row[name]) for name in DEVIATIONS[1:])


def _with_memory(rows: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """With the memory of a step, which is measured with one number of threads alone."""
    same = [*costs.WORKLOAD, "system", "backend", "rule", "mode", "device"]
    memory = every[every["peak_bytes"].notna()].groupby(same, dropna=False)["peak_bytes"].median()
    return rows.drop(columns="peak_bytes").merge(memory.reset_index(), on=same, how="left")


def _times(rows: pd.DataFrame) -> pd.Series:
    """Over the fastest backend's step of such a rule; NaN for backends."""
    same = ["batch", "n_steps", "n_rec", "threads", "path"]
    rows = rows.assign(path=[costs.path(rule) for rule in rows["rule"]])
    own = rows[rows["system"] == SYSTEM].groupby(same)["median_s"].min().rename("least").reset_index()
    least = rows.reset_index().merge(own, on=same, how="left").set_index("index")["least"]
    return (rows["median_s"] / least.reindex(rows.index)).where(rows["system"] != SYSTEM)


def _synapse_steps(rows: pd.DataFrame) -> pd.Series:
    """Plastic synapses, of the published inputs and outputs, times time steps and trials."""
    network = PROBLEMS[TASK_NAME].network
    n_rec = rows["n_rec"].astype(float)
    synapses = n_rec * (network.n_in + n_rec - 1.0 + network.n_out)
    return synapses * rows["n_steps"].astype(float) * rows["batch"].astype(float)


def _told(rows: pd.DataFrame, measured: pd.DataFrame) -> dict[str, list[Any]]:
    """What records say of the library behind each row."""
    versions: dict[str, Any] = {}
    asked: dict[tuple[Any, ...], Any] = {}
    for row in measured.to_dict("records"):
        if isinstance(row["library"], dict):
            versions[row["system"]] = row["library"].get("version")
        if not pd.isna(row["asked_batch"]):
            asked[row["system"], row["rule"], row["mode"], row["batch"]] = int(row["asked_batch"])
    found = rows.to_dict("records")
    return {
        "version": [versions.get(row["system"]) for row in found],
        "asked_batch": [asked.get((row["system"], row["rule"], row["mode"], row["batch"])) for row in found],
    }


def spans(rows: pd.DataFrame) -> pd.DataFrame:
    """Per system, over rules, trials and threads: the least and most times a backend's step, least first."""
    rows = rows[rows["library_times"].notna()]
    found = rows.groupby("system")["library_times"].agg(["min", "max"]).reset_index()
    return found.sort_values("min", kind="stable")


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """By rule, and in it the fastest first."""
    places = {name: place for place, name in enumerate(rules.ordered(rows["rule"]))}
    return rows.assign(place=rows["rule"].map(places)).sort_values(["place", "median_s"], kind="stable")
