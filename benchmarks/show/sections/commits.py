"""The section on what ASV recorded: each commit a run of its own, in no ratio with another run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import commits
from benchmarks.show.material import Material
from benchmarks.show.section import Part, Piece, Section
from benchmarks.show.tables import Builder, Cell, Row, Table


@dataclass(frozen=True, kw_only=True)
class Commits(Part):
    """What ASV measured, a row per commit and environment."""

    runs: pd.DataFrame


def _parts(material: Material) -> list[Commits]:
    runs = commits.runs(material.records)
    lead = (
        "Recorded by ASV, which also draws them as curves: asv publish and asv preview. Each row is one"
        " commit in one environment on one machine, not interleaved with another: whether a change is slower"
        " is judged by python -m benchmarks check, not from this table."
    )
    return [] if runs.empty else [Commits(lead=lead, runs=runs)]


def _pieces(material: Material, part: Commits) -> Iterator[Piece]:
    table = Builder(part.runs, "Commits that ASV has measured, the newest run first.")
    table.text("commit", lambda row: str(row["commit"])[:10])
    table.text("machine", lambda row: material.names.machine(str(row["machine"])))
    table.text("environment", lambda row: str(row["run"]).split(maxsplit=2)[-1], long=True)
    table.text("measured", "started")
    yield table.count("figures", "ok").count("n/a", "unavailable").count("failed", "failed").build()
    figures = commits.figures(material.records)
    newest = figures[figures["file"] == part.runs.iloc[0]["file"]]
    if len(newest):
        yield _newest(material, newest)


def _newest(material: Material, rows: pd.DataFrame) -> Table:
    rows = material.names.labelled(rows)
    order = ["figure", "rule", "label", "mode"]
    rows = rows.sort_values(order, key=material.names.order, kind="stable")
    commit = str(rows.iloc[0]["commit"])[:10]
    table = Builder(rows, f"What ASV measured of commit {commit}, the newest run.")
    table.text("figure", lambda row: METRICS[row["figure"]].name).text("rule", material.names.rule)
    table.text("backend", lambda row: str(row["label"])).text("mode", "mode")
    for heading, size in (("steps", "n_steps"), ("neurons", "n_rec"), ("batch", "batch")):
        table.cells_of(heading, lambda row, size=size: _size(row[size]))
    table.cells_of("median", lambda row: _figure(row, "median"))
    table.cells_of("quartiles", _quartiles)
    table.text("unit", lambda row: METRICS[row["figure"]].unit)
    table.cells_of("samples", lambda row: _size(1 if pd.isna(row["samples"]) else int(row["samples"])))
    built = table.build(folded=f"Figures of commit {commit}")
    return replace(built, grouped=False)


def _figure(row: Row, column: str) -> Cell:
    metric = METRICS[row["figure"]]
    return Cell(metric.format(row[column]), float(row[column] * metric.scale))


def _quartiles(row: Row) -> Cell:
    if pd.isna(row["q25"]):
        return Cell("–")
    low, high = _figure(row, "q25"), _figure(row, "q75")
    return Cell(f"{low.text} – {high.text}", low.value)


def _size(value: Any) -> Cell:
    return Cell("–") if pd.isna(value) else Cell(str(value), float(str(value)))


COMMITS = Section("commits", "Performance over commits", _parts, _pieces)
