"""The section on a system that is compared as it is: its training runs, beside the log that was published."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmarks.define.problem import NOTEBOOK, SYSTEM
from benchmarks.judge import learning
from benchmarks.show.commands import NOTEBOOK_TRAIN
from benchmarks.show.material import Material
from benchmarks.show.section import Commands, Note, Part, Piece, Section
from benchmarks.show.tables import Builder
from benchmarks.store.published import NOTEBOOK_LOG_SOURCE, published_log
from implementations.notebook import PUBLISHED_RULE

_LEAD = (
    "The notebook computes another network than the backends, and is reproduced as it is. Its accuracy is of"
    " the trials it trains on, before each update. The published seconds are of another machine and version:"
    " they show their own course, and fit into no ratio with ours."
)


@dataclass(frozen=True, kw_only=True)
class PublishedLog(Part):
    """Points of a system's training runs, the log that was published with it, and where that is from."""

    points: pd.DataFrame
    log: pd.DataFrame
    source: str


def _parts(material: Material) -> list[PublishedLog]:
    runs = material.records.runs
    named = runs.loc[runs["system"] == NOTEBOOK, ["file", "rule", "mode", "machine", "seed"]]
    points = material.records.points.merge(named, on="file")
    lead = _LEAD if len(points) else ""
    return [PublishedLog(lead=lead, points=points, log=published_log(), source=NOTEBOOK_LOG_SOURCE)]


def _pieces(material: Material, part: PublishedLog) -> Iterator[Piece]:
    others = sorted(set(material.records.runs["system"]) - {SYSTEM, NOTEBOOK})
    if others:
        yield Note(f"Training runs of other systems are not shown: {', '.join(others)}.")
    if part.points.empty:
        text = "No training run of the notebook is recorded. This adds one, beside its log:"
        yield Commands([NOTEBOOK_TRAIN], text)
        return
    published = {"source": "published", "rule": PUBLISHED_RULE, "machine": "not named"}
    rows = [{**published, **learning.of_log(part.log)}]
    for _, points in part.points.groupby("file", sort=False):
        run = points.iloc[0]
        source = {"source": f"here, seed {run['seed']}", "rule": run["rule"]}
        machine = material.names.machine(str(run["machine"]))
        rows.append({**source, "machine": machine, **learning.of_log(points)})
    table = Builder(
        pd.DataFrame(rows),
        f"Accuracy on the trials of the last {learning.LOG_STEPS} steps, and seconds of ten steps with the"
        " drawing of their trials: medians and ranges over the lines of the log.",
    )
    table.text("run", "source").text("rule", material.names.rule).text("machine", "machine")
    table.figure("step", "last_step", heading="training steps")
    table.figure("train_accuracy", "accuracy", heading="median accuracy (%)")
    table.span("range (%)", "train_accuracy", "accuracy_min", "accuracy_max")
    table.figure("train_accuracy", "accuracy_last", heading="at the last (%)")
    table.figure("log_s", "seconds", heading="median seconds")
    yield table.span("range (s)", "log_s", "seconds_min", "seconds_max").build()


PUBLISHED_LOG = Section("notebook", "The BrainPy notebook beside its published log", _parts, _pieces)
