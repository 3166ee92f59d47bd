"""The section on the gates themselves: which slowdowns they find, and how often they are wrong."""

from collections.abc import Callable

import pandas as pd

from benchmarks.show.material import Material, Part
from benchmarks.show.power import TITLES
from benchmarks.show.section import Finding, Pieces, section
from benchmarks.show.tables import Builder, Row


def newest(power: pd.DataFrame) -> pd.DataFrame:
    """The rows of the run that was recorded last, of each gate in turn."""
    rows = power[power["run"] == power.sort_values("started")["run"].iloc[-1]]
    place = rows["gate"].map({gate: place for place, gate in enumerate(TITLES)})
    return rows.assign(place=place).sort_values(["backend", "busy", "place", "planted"])


@section("gates", "What the regression gates find")
def gates(material: Material) -> Pieces:
    """One part: `rows`, of the newest run."""
    if material.records.power.empty:
        return
    rows = newest(material.records.power)
    draws = int(rows["draws"].max())
    yield Part(
        lead="Work was planted in the hot loop of a backend's symmetric e-prop, adjoint, and measured beside"
        f" the code as it is, in pairs of processes; {draws} comparisons were drawn from these pairs, whole,"
        " for each gate. Counts come out alike each time. The gate before: four processes a side, minutes"
        f" apart, judged by ranks, and twice. {_where(material, rows)}",
        rows=rows,
    )
    timed = rows[rows["gate"] != "counts"]
    same = timed[timed["planted"] == 0.0]
    for gate, of in same.groupby("gate", sort=False):
        alarms = f"{(of['found'] * of['draws']).sum():.0f} of {of['draws'].sum()}"
        title = TITLES.get(str(gate), str(gate))
        yield Finding(f"False alarms of {title}: {alarms} comparisons of identical code.")
    table = Builder(
        rows, "Shares of comparisons that found the head slower, could not tell, or found it faster."
    )
    table.text("gate", lambda row: TITLES.get(str(row["gate"]), str(row["gate"]))).text("backend", "backend")
    table.text("busy processes beside", lambda row: str(row["busy"]))
    for heading, column in (
        ("slower by", "slowdown"),
        ("found", "found"),
        ("cannot tell", "unknown"),
        ("found faster", "reversed"),
    ):
        table.text(heading, _share(column))
    table.text("pairs", lambda row: f"{row['pairs']:.1f}" if row["pairs"] else "–")
    yield table.build(folded="All slowdowns")


def _share(column: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        return f"{100.0 * row[column]:.1f}\u00a0%".replace("-", "−")

    return text


def _where(material: Material, rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    machine = material.names.machine(str(first["machine"]))
    return f"Machine {machine}, commit {str(first['commit'])[:10]}."
