"""The section on a system that is compared as it is: its training runs, beside the log that was published."""

import pandas as pd

from benchmarks.define.names import NOTEBOOK, SYSTEM
from benchmarks.define.systems import SYSTEMS
from benchmarks.judge import learning
from benchmarks.show.commands import NOTEBOOK_TRAIN
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Commands, Note, Pieces, section
from benchmarks.show.tables import Builder
from benchmarks.store.published import published_log


@section("notebook", "The BrainPy notebook beside its published log")
def beside_log(material: Material) -> Pieces:
    """Points of its runs with what names the run, its log, and where that is from."""
    runs = material.records.runs
    named = runs.loc[runs["system"] == NOTEBOOK, ["file", "rule", "mode", "machine", "seed"]]
    published = SYSTEMS[NOTEBOOK].log
    assert published is not None  # it has one
    points, log = material.records.points.merge(named, on="file"), published_log(published)
    lead = (
        "The notebook computes another network than the backends, and is reproduced as it is. Its accuracy is"
        " of the trials it trains on, before each update. The published seconds are of another machine and"
        " version: they show their own course, and fit into no ratio with ours."
    )
    yield Part(lead=lead if len(points) else "", points=points, log=log, source=published.source)
    others = sorted(set(runs["system"]) - {SYSTEM, NOTEBOOK})
    if others:
        yield Note(f"Training runs of other systems are not shown: {', '.join(others)}.")
    if points.empty:
        text = "No training run of the notebook is recorded. This adds one, beside its log:"
        yield Commands([NOTEBOOK_TRAIN], text)
        return
    rows = [{"run": "published", "rule": published.rule, "machine": "not named", **learning.of_log(log)}]
    for _, seed in points.groupby("file", sort=False):
        first = seed.iloc[0]
        machine = material.names.machine(str(first["machine"]))
        run = {"run": f"here, seed {first['seed']}", "rule": first["rule"], "machine": machine}
        rows.append({**run, **learning.of_log(seed)})
    table = Builder(
        pd.DataFrame(rows),
        f"Accuracy on the trials of the last {learning.LOG_STEPS} steps, and seconds of ten steps with the"
        " drawing of their trials: medians and ranges over the lines of the log.",
    )
    table.text("run", "run").text("rule", material.names.rule).text("machine", "machine")
    table.figure("step", "last_step", heading="training steps")
    table.figure("train_accuracy", "accuracy", heading="median accuracy (%)")
    table.span("range (%)", "train_accuracy", "accuracy_min", "accuracy_max")
    table.figure("train_accuracy", "accuracy_last", heading="at the last (%)")
    table.figure("log_s", "seconds", heading="median seconds")
    yield table.span("range (s)", "log_s", "seconds_min", "seconds_max").build()
