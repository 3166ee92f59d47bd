"""The sections on where the records come from: what is missing, machines, unreadable files, commands."""

import shlex
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from benchmarks.judge import costs
from benchmarks.show.commands import EXPORT, LIBRARIES, MEASURE, PARITY, PEERS, REPORT, with_words
from benchmarks.show.material import Material, Part
from benchmarks.show.names import Names, threads_text
from benchmarks.show.section import Commands, Note, Pieces, section
from benchmarks.show.tables import Builder, Table


@section("incomplete", "Unavailable and failed cases")
def incomplete(material: Material) -> Pieces:
    """What lacks a figure, and why."""
    rows, names = costs.incomplete(material.records), material.names
    if rows.empty:
        return
    yield Part()
    rows = names.labelled(rows).sort_values(["label", "rule"], key=names.order)
    table = names.case(Builder(rows, "Cases of the newest run without a figure, and why."))
    table.count("steps", "n_steps").text("status", "status")
    table.text("reason", lambda row: " ".join(str(row["reason"] or "not given").split()), long=True)
    yield table.build()


@section("machines", "Machines and versions")
def machines(material: Material) -> Pieces:
    """What the records were made on."""
    threads = pd.concat([material.records.runs["threads"], material.records.measurements["threads"]])
    threads = threads[threads != "unknown"]
    yield Part(lead=f"CPU threads asked for: {threads_text(threads)}." if len(threads) else "")
    rows = material.records.environments
    yield _hardware(rows.drop_duplicates("machine"), material.names)
    yield _software(rows, material.names)


def _hardware(rows: pd.DataFrame, names: Names) -> Table:
    table = Builder(rows, "Where the records were made. Figures of different machines are never compared.")
    table.text("machine", lambda row: f"{names.letters[row['machine']]} ({row['machine'][:8]})")
    table.text("processor", "processor", long=True)
    table.text("cores", "cores").text("memory", _gibibytes)
    if rows["accelerators"].map(len).any():
        table.text("accelerators", lambda row: ", ".join(map(str, row["accelerators"])) or "–")
    return table.text("system", "system").build()


def _software(rows: pd.DataFrame, names: Names) -> Table:
    """One row for all commits that were measured with the same versions."""
    rows = rows.assign(
        machine=rows["machine"].map(names.machine),
        python=rows["python"].fillna("–"),
        commit=[_commit(row) for row in rows.to_dict("records")],
        versions=[", ".join(f"{k} {v}" for k, v in sorted(of.items())) for of in rows["versions"]],
    )
    joined = rows.groupby(["machine", "python", "versions"], sort=False)[["source", "commit"]].agg(_joined)
    table = Builder(joined.reset_index(), "Versions, and the commits that were measured with them.")
    table.text("machine", "machine").text("used for", "source", long=True)
    table.text("commit", "commit", long=True).text("Python", "python")
    return table.text("versions", "versions", long=True).build()


@section("problems", "Files that could not be read in full")
def unreadable(material: Material) -> Pieces:
    """Which, and why."""
    if material.records.unreadable:
        yield Part()
        frame = pd.DataFrame([vars(file) for file in material.records.unreadable])
        table = Builder(frame, "These are not part of the report.")
        yield table.text("file", "file", long=True).text("what", "what", long=True).build()


@section("reproduce", "How to reproduce")
def reproduce(material: Material) -> Pieces:
    """The commands that made the records."""
    yield Part(
        lead="From a checkout of the commit above, with the package versions above installed. Records are"
        " described in results/README.md; raw samples are kept there. The last command writes them as tables"
        " for pandas, R or DuckDB."
    )
    runs, measured = material.records.runs, material.records.measurements
    own = measured[~costs.of_asv(measured)]
    of_libraries = _of_libraries(material.records.libraries)
    yield Commands([*_trained(runs), *_measured(own, measured), PARITY, *of_libraries, REPORT, EXPORT])
    counts = {"training run": int(runs["command"].isna().sum())}
    counts["measurement"] = int(own["command"].isna().sum())
    unknown = [f"{count} {noun}{'s' * (count > 1)}" for noun, count in counts.items() if count]
    if unknown:
        yield Note(f"The commands of {' and '.join(unknown)} are not recorded.")


_TRAINING = (("train",), ("figure",), ("sweep",), ("figure", "--tuned"))
"""Words of commands in the order in which one needs what another records: tuned settings need a sweep."""


def _trained(runs: pd.DataFrame) -> list[str]:
    """The recorded commands of training runs, each once."""

    def place(command: str) -> int:
        words = shlex.split(command)[3:]
        return max(n for n, named in enumerate(_TRAINING) if n == 0 or set(named) <= set(words))

    return sorted(runs.sort_values("started", kind="stable")["command"].dropna().unique(), key=place)


def _measured(own: pd.DataFrame, measured: pd.DataFrame) -> list[str]:
    """The command of the newest measurement, and of the newest sweep through sizes if that is another."""
    if measured.empty:
        return [MEASURE]
    if own.empty:
        newest = measured.sort_values("started").iloc[-1]
        return [with_words("asv run --record-samples", f"{newest['commit'][:10]}^!")]
    newest = own.sort_values("started", ascending=False)["command"].dropna().unique()
    # The same command again, or one of other backends or rules, adds nothing to know.
    return [
        *[text for text in newest if "--scaling" not in text][:1],
        *[text for text in newest if "--scaling" in text][:1],
    ]


def _of_libraries(measured: pd.DataFrame) -> list[str]:
    """How libraries were installed, compared and measured, the newest time."""
    newest = measured.sort_values("started", ascending=False)["command"].dropna().unique()
    return [PEERS, LIBRARIES[0], *newest[:1]] if len(newest) else []


def _commit(row: Mapping[Hashable, Any]) -> str:
    return (
        "–" if pd.isna(row["commit"]) else f"{str(row['commit'])[:10]}{' + changes' * (row['dirty'] is True)}"
    )


def _joined(texts: pd.Series) -> str:
    """Each part once, in the order of their first appearance."""
    return ", ".join(dict.fromkeys(part for text in texts for part in str(text).split(", ")))


def _gibibytes(row: Mapping[Hashable, Any]) -> str:
    size = row["memory_bytes"]
    return "–" if pd.isna(size) else f"{float(size) / 2**30:.1f} GiB"
