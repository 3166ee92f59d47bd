"""The section on what ASV recorded: each commit a run of its own, in no ratio with another run."""

from benchmarks.define.metrics import METRICS
from benchmarks.judge import commits
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Pieces, section
from benchmarks.show.tables import Builder, Row


def _metric(row: Row) -> str:
    return str(row["figure"])


@section("commits", "Performance over commits")
def over_commits(material: Material) -> Pieces:
    """What was measured of each, and the figures of the newest."""
    runs, names = commits.runs(material.records), material.names
    if runs.empty:
        return
    yield Part(
        lead="Recorded by ASV, which also draws them as curves: asv publish and asv preview. Each row is one"
        " commit in one environment on one machine, not interleaved with another: whether a change is slower"
        " is judged by python -m benchmarks check, not from this table."
    )
    table = Builder(runs, "Commits that ASV has measured, the newest run first.")
    table.text("commit", lambda row: str(row["commit"])[:10])
    table.text("machine", lambda row: names.machine(str(row["machine"])))
    table.text("environment", lambda row: str(row["run"]).split(maxsplit=2)[-1], long=True)
    table.text("measured", "started")
    yield table.count("figures", "ok").count("n/a", "unavailable").count("failed", "failed").build()
    rows = commits.figures(material.records)
    rows = rows[rows["file"] == runs.iloc[0]["file"]]
    if rows.empty:
        return
    commit = str(rows.iloc[0]["commit"])[:10]
    rows = names.labelled(rows.assign(samples=rows["samples"].fillna(1).astype(int)))
    rows = rows.sort_values(["figure", "rule", "label", "mode"], key=names.order, kind="stable")
    table = Builder(rows, f"What ASV measured of commit {commit}, the newest run.")
    table.text("figure", lambda row: METRICS[_metric(row)].name)
    names.case(table)
    table.count("steps", "n_steps").count("neurons", "n_rec").count("batch", "batch")
    table.figure(_metric, "median", heading="median").span("quartiles", _metric, "q25", "q75")
    table.text("unit", lambda row: METRICS[_metric(row)].unit).count("samples", "samples")
    yield table.build(folded=f"Figures of commit {commit}")
