"""Where training runs come from: clusters, machines, versions and commits; what was retried or lacks."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from benchmarks.define.hyperparameters import HYPERPARAMETERS
from benchmarks.judge.sweeps import Sweep
from benchmarks.show.names import Names
from benchmarks.show.tables import Builder, Table
from benchmarks.store.curve_file import DIVERGED
from benchmarks.store.records import Records

_CLUSTER = ["scheduler", "protocol", "workers", "dask", "timing"]
_CODE = ["machine", "commit", "backend", "threads"]


def table(records: Records, names: Names, rows: pd.DataFrame) -> Table:
    """A row per cluster, machine, commit and backend.

    Args:
        rows: of `records.runs`, those that diverged included.
    """
    found = []
    for _, part in rows.groupby([*_CLUSTER, *_CODE], dropna=False, sort=False):
        first = part.iloc[0]
        found.append(
            {
                **{name: first[name] for name in (*_CLUSTER, *_CODE)},
                "runs": len(part),
                "seeds": _spans({int(seed) for seed in part["seed"]}),
                "retried": _retried(part),
                "resumed": int((part["sessions"] > 1).sum()),
                "diverged": int((part["end"] == DIVERGED).sum()),
                "unfinished": int(part["end"].isna().sum()),
            }
        )
    builder = Builder(
        pd.DataFrame(found),
        "Where these runs come from. Retried: a worker went away, and another one trained the run again."
        " Resumed: interrupted, and gone on with. Seconds of runs that shared a machine do not compare.",
    )
    builder.text("trained by", _cluster, long=True)
    builder.text("backend", lambda row: f"{row['backend']}, {_threads(row)}")
    builder.text("machine", lambda row: names.machine(str(row["machine"])))
    builder.text("commit", lambda row: ", ".join(_short(part) for part in str(row["commit"]).split(", ")))
    builder.text("versions", lambda row: _versions(records, row), long=True)
    builder.count("runs", "runs").text("seeds", "seeds").text("retried", "retried")
    builder.count("resumed", "resumed").count("diverged", "diverged").count("unfinished", "unfinished")
    return builder.build()


def retried(names: Names, rows: pd.DataFrame) -> list[str]:
    """Which runs workers went away with.

    Args:
        rows: with the column `turned` of `sweeps.members`.
    """
    found = [
        f"{names.rule(row)}, {setting(row['turned'])}, seed {row['seed']}"
        for row in rows[rows["lost"].fillna(0) > 0].to_dict("records")
    ]
    return [f"Trained again after a worker went away: {'; '.join(found)}."] if found else []


def lacking(names: Names, sweep: Sweep, rows: pd.DataFrame) -> Table:
    """The runs of a sweep that are not recorded.

    Args:
        rows: of `sweeps.lacking`.
    """
    rows = rows.sort_values("rule", key=names.order, kind="stable")
    builder = Builder(rows, "Runs of this sweep that are not recorded to their end.")
    builder.text("rule", names.rule)
    builder.text("setting", lambda row: setting(row["turned"]))
    builder.text("seeds", lambda row: _spans(set(row["seeds"])))
    return builder.build(folded=f"Runs that are not recorded, of seeds {_spans(set(sweep.seeds))}")


def setting(turned: Mapping[str, Any]) -> str:
    """Hyperparameters and values for people."""
    texts = [f"{HYPERPARAMETERS[name].heading} {at:g}" for name, at in turned.items()]
    return ", ".join(texts) or "as published"


def _cluster(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["timing"]):
        return "train or figure, one run after another"
    kind = {"local": "a cluster of this machine alone", "joined": "a running cluster"}
    text = kind.get(row["scheduler"], "a cluster of unknown kind")
    if row["scheduler"] == "joined" and not pd.isna(row["protocol"]):
        text += f" over {row['protocol']}"
    if not pd.isna(row["workers"]):
        text += f", {row['workers']} {'worker' if row['workers'] == 1 else 'workers'}"
    return text + (", runs alone on a machine" if row["timing"] == "alone" else ", runs share machines")


def _threads(row: Mapping[Hashable, Any]) -> str:
    return f"{row['threads']} {'thread' if row['threads'] == '1' else 'threads'}"


def _retried(part: pd.DataFrame) -> str:
    if part["timing"].isna().all():
        return "–"
    known = part["lost"].dropna()
    if known.empty:
        return "not recorded"
    return f"{int((known > 0).sum())}" + (f" of {len(known)}" if len(known) < len(part) else "")


def _versions(records: Records, row: Mapping[Hashable, Any]) -> str:
    """Python, the backend's package and Dask."""
    there = records.environments
    commits = {part.removesuffix("+changes") for part in str(row["commit"]).split(", ")}
    there = there[there["machine"].isin(str(row["machine"]).split("+")) & there["commit"].isin(commits)]
    wanted = ("eprop-bench", str(row["backend"]))
    found = [f"Python {python}" for python in there["python"].dropna()]
    found += [f"{name} {of[name]}" for of in there["versions"] for name in wanted if name in of]
    found += [] if pd.isna(row["dask"]) else [f"Dask {row['dask']}"]
    return ", ".join(dict.fromkeys(found)) or "–"


def _short(commit: str) -> str:
    name, mark, _ = commit.partition("+")
    return name[:10] + " + changes" * bool(mark)


def _spans(seeds: set[int]) -> str:
    """E.g. "0–9, 12"."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(f"{first}–{last}" if last > first else f"{first}" for first, last in spans)
