"""The part on what ASV recorded: each commit a run of its own, in no ratio with another run."""

from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.judge import costs as summary
from benchmarks.show.names import Names
from benchmarks.show.sections.section import Section
from benchmarks.show.tables import Builder, Cell, Column, Table
from benchmarks.store.records import Records

_RUN = ["machine", "commit", "run", "file"]


class Commits:
    """Tabulates ASV's results."""

    def __init__(self, records: Records, names: Names) -> None:
        self._rows = records.measurements[summary.of_asv(records.measurements)]
        self._figures = summary.commits(records)
        self._names = names

    def sections(self) -> list[Section]:
        """One section, or none where ASV recorded nothing."""
        if self._rows.empty:
            return []
        section = Section(
            "commits",
            "Performance over commits",
            lead="Recorded by ASV, which also draws them as curves: asv publish and asv preview. Each row"
            " is one commit in one environment on one machine, not interleaved with another: whether a change"
            " is slower is judged by python -m benchmarks check, not from this table.",
        )
        grouped = self._rows.groupby(_RUN, sort=False)
        runs = grouped["started"].max().rename("started").reset_index()
        for status in ("ok", "unavailable", "failed"):
            counts = (self._rows["status"] == status).groupby([self._rows[name] for name in _RUN]).sum()
            runs = runs.merge(counts.rename(status).reset_index(), on=_RUN)
        runs = runs.sort_values("started", ascending=False)
        table = Builder(runs, "Commits that ASV has measured, the newest run first.")
        table.text("commit", lambda row: str(row["commit"])[:10])
        table.text("machine", lambda row: self._names.machine(str(row["machine"])))
        table.text("environment", lambda row: str(row["run"]).split(maxsplit=2)[-1], long=True)
        table.text("measured", "started")
        table.count("figures", "ok").count("n/a", "unavailable").count("failed", "failed")
        section.tables.append(table.build())
        newest = self._figures[self._figures["file"] == runs.iloc[0]["file"]]
        if len(newest):
            section.tables.append(self._newest(newest))
        return [section]

    def _newest(self, rows: pd.DataFrame) -> Table:
        rows = self._names.labelled(rows)
        rows = rows.sort_values(["figure", "rule", "label", "mode"], key=self._names.order, kind="stable")
        commit = str(rows.iloc[0]["commit"])[:10]
        columns = [Column(name) for name in ("figure", "rule", "backend", "mode")]
        columns += [
            Column(name, number=True) for name in ("steps", "neurons", "batch", "median", "quartiles")
        ]
        columns += [Column("unit"), Column("samples", number=True)]
        cells = []
        for _, row in rows.iterrows():
            metric = METRICS[str(row["figure"])]
            quartiles = "–"
            if pd.notna(row["q25"]):
                quartiles = f"{metric.format(row['q25'])} – {metric.format(row['q75'])}"
            samples = 1 if pd.isna(row["samples"]) else int(row["samples"])
            cells.append(
                [
                    *(Cell(text) for text in (metric.name, self._names.rule(dict(row)), str(row["label"]))),
                    Cell(str(row["mode"])),
                    *(_size(row[name]) for name in ("n_steps", "n_rec", "batch")),
                    Cell(metric.format(row["median"]), float(row["median"] * metric.scale)),
                    Cell(quartiles, None if pd.isna(row["q25"]) else float(row["q25"] * metric.scale)),
                    Cell(metric.unit),
                    Cell(str(samples), samples),
                ]
            )
        caption = f"What ASV measured of commit {commit}, the newest run."
        return Table(caption, columns, cells, folded=f"Figures of commit {commit}")


def _size(value: Any) -> Cell:
    return Cell("–") if pd.isna(value) else Cell(str(value), float(str(value)))
