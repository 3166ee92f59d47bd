"""What the regression gate says: a table for the terminal, and Markdown for a pull request."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from benchmarks.define.gate import CANNOT_TELL, VOID
from benchmarks.define.metrics import judged
from benchmarks.define.pairing import Precision
from benchmarks.judge.gate import (
    BREAKAGES,
    BROKEN,
    COLUMNS,
    IMPROVEMENTS,
    NOTHING_COMPARED,
    REGRESSED,
    REGRESSIONS,
    UNDECIDED,
    Thresholds,
    exit_status,
)

_HEADER = ("benchmark", "case", "base", "head", "ratio", "interval", "samples", "verdict")
_STYLES = (
    dict.fromkeys((*REGRESSIONS, *BREAKAGES), "bold red")
    | dict.fromkeys(IMPROVEMENTS, "green")
    | {"works now": "green", "new": "green", "same": "default"}
)


@dataclass(frozen=True)
class Comparison:
    """What was compared, for the reader.

    Attributes:
        base, head: as asked for, and the full hashes.
        machine: processor and cores.
        thresholds, precision: what counts as a change.
        verdicts: `judge.gate.COLUMNS`.
        pairs: of processes, at most, that a case was timed in.
        untouched: how many timed cases the change can't have changed.
        moved: cases that came out otherwise although nothing has changed in them.
        minutes: that all of it took.
    """

    base: str
    base_commit: str
    head: str
    head_commit: str
    machine: str
    thresholds: Thresholds
    precision: Precision
    verdicts: pd.DataFrame
    pairs: int = 0
    untouched: int = 0
    moved: tuple[str, ...] = ()
    minutes: float = 0.0

    @property
    def status(self) -> int:
        """The exit status."""
        return exit_status(self.verdicts)


def headline(found: Comparison) -> str:
    """The outcome in a line."""
    counts = found.verdicts["verdict"].value_counts()
    named = [f"{counts[name]} {name}" for name in (*BREAKAGES, *REGRESSIONS) if name in counts]
    if found.status == BROKEN:
        return "Broken: " + ", ".join(named)
    if found.status == REGRESSED:
        return "Regression: " + ", ".join(named)
    if found.status == NOTHING_COMPARED:
        return "Nothing could be compared"
    if found.status == VOID:
        return f"Void: {len(found.moved)} cases came out otherwise in which nothing has changed"
    if found.status == CANNOT_TELL:
        unknown = int(found.verdicts["verdict"].isin((UNDECIDED, "not measured")).sum())
        return f"Cannot tell of {unknown} cases"
    better = [f"{counts[name]} {name}" for name in IMPROVEMENTS if name in counts]
    return "No regression" + (": " + ", ".join(better) if better else "")


def table(found: Comparison) -> Table:
    """For the terminal; worst first."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _HEADER:
        shown.add_column(name, justify="left" if name in ("benchmark", "case", "verdict") else "right")
    for row in _shown(found.verdicts):
        shown.add_row(*_cells(row), style=_STYLES.get(row["verdict"], "dim"))
    return shown


def footnotes(found: Comparison) -> list[str]:
    """What the table does not say."""
    verdicts, limits, precision = found.verdicts, found.thresholds, found.precision
    hidden = int((verdicts["verdict"] == "n/a").sum())
    lines = [
        f"base {found.base} = {found.base_commit[:8]}, head {found.head} = {found.head_commit[:8]}; "
        f"up to {found.pairs} pairs of processes on {found.machine}, one thread; "
        f"{found.minutes:.1f} minutes.",
        f"A time has changed where the interval of its ratio lies beyond a factor of {precision.factor:g}, "
        f"and has not where it lies below; at most {precision.error * 100:g} % of comparisons of identical "
        "code find anything. "
        f"Memory: by more than a factor of {limits.memory_factor:g} and {limits.memory_bytes / 2**20:g} MiB. "
        f"Test error: by more than {limits.error * 100:g} points.",
    ]
    if found.untouched:
        lines.append(f"{found.untouched} timed cases are of backends that the change does not touch.")
    if found.moved:
        lines.append(
            "Times are void: the machine changed what it measured. Other than base, though the same code: "
            + "; ".join(found.moved)
            + ". Measure again, with less beside it."
        )
    elif found.status == CANNOT_TELL:
        lines.append(
            "What would help where nobody can tell: more pairs (--pairs), more time (--minutes), fewer cases "
            "(--bench), a machine with less to do beside it, or a larger --factor."
        )
    if hidden:
        lines.append(f"{hidden} cases can't run here on either side, or were not selected.")
    return lines


def markdown(found: Comparison) -> str:
    """The summary for a pull request: what changed, and all the rest folded away."""
    rows = _shown(found.verdicts)
    changed = [row for row in rows if row["verdict"] != "same"]
    same = [row for row in rows if row["verdict"] == "same"]
    parts = [f"### {headline(found)}", ""]
    if changed:
        parts += [*_markdown_rows(changed), ""]
    if same:
        parts += [
            f"<details><summary>{len(same)} cases are the same</summary>",
            "",
            *_markdown_rows(same),
            "",
            "</details>",
            "",
        ]
    for line in footnotes(found):
        parts += [line, ""]
    return "\n".join(parts)


def _markdown_rows(rows: list[Mapping[str, Any]]) -> list[str]:
    ruler = ["---" if name in ("benchmark", "case", "verdict") else "---:" for name in _HEADER]
    lines = [_HEADER, ruler, *(_cells(row) for row in rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _shown(verdicts: pd.DataFrame) -> list[Mapping[str, Any]]:
    order = (*BREAKAGES, *REGRESSIONS)

    def rank(row: Mapping[str, Any]) -> tuple[int, float]:
        place = order.index(row["verdict"]) if row["verdict"] in order else len(order)
        return place, -row["ratio"] if math.isfinite(row["ratio"]) else math.inf

    known = verdicts[verdicts["verdict"] != "n/a"]
    return sorted((dict(zip(COLUMNS, row, strict=True)) for row in known[COLUMNS].to_numpy()), key=rank)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["benchmark"],
        row["case"],
        _value(row["base"], row["unit"]),
        _value(row["head"], row["unit"]),
        f"{row['ratio']:.2f}" if math.isfinite(row["ratio"]) else "",
        f"{row['low']:.2f} – {row['high']:.2f}" if math.isfinite(row["low"]) else "",
        f"{row['n_base']} / {row['n_head']}",
        row["verdict"],
    )


def _value(value: float, unit: str | None) -> str:
    if not math.isfinite(value):
        return ""
    how = judged(unit)
    if how is None:
        return f"{value:.3f} {unit or ''}"
    return f"{value * how.scale:.{how.decimals}f} {how.unit}"
