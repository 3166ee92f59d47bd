"""The section on libraries that people use: what they compute of this network, cost, and can't."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.define.cases import TRAINING_STEPS
from benchmarks.define.metrics import METRICS
from benchmarks.define.reasons import listed
from benchmarks.define.systems import Peer, peers
from benchmarks.judge import libraries
from benchmarks.show import commands
from benchmarks.show.libraries import alone, title
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Commands, Finding, Note, Pick, Pieces, section
from benchmarks.show.tables import Builder, Table
from benchmarks.store.schema import DEVIATIONS

_deviation = METRICS["deviation"].format
_times = METRICS["library_times"].format
_FIGURES = ("first_step_s", "import_s")


@section(
    "libraries",
    "The libraries",
    "No library that people use was measured beside the backends. make peers builds their environments, and"
    " this measures them:",
    commands.LIBRARIES[1],
)
def the_libraries(material: Material) -> Pieces:
    """Parity first; then time and memory beside the backends; then what each of them is."""
    found = libraries.shown(material.records)
    compared = libraries.compared(material.records)
    if found is None and compared.empty:
        return
    names = material.names
    lead = (
        "Libraries that people use, with this network in them, each trained as its own documentation teaches."
    )
    if found is not None:
        lead += f" {names.run_note(found.run)} Backends and libraries were measured in turns."
    sizes = [] if found is None else _sizes(found.same)
    main = sizes[0] if sizes else None
    yield Part(
        lead=lead,
        rows=None if main is None else names.labelled(main[1].assign(threads="all")),
        work="" if main is None else _work(*main[0], main[1]),
    )
    if found is None:
        yield Commands([commands.LIBRARIES[1]], "None was measured. With make peers done, this does it:")
    else:
        yield from _headline(found)
        for place, ((batch, threads), part) in enumerate(sizes):
            caption = f"Time and memory of a training step. {_work(batch, threads, part)}"
            yield _costs(material, part, caption, folded=caption if place else "")
        if len(found.alone):
            caption = "Cost alone: networks of their own, or an approximation, trained on the same trials."
            yield _costs(material, found.alone, caption, sizes=True)
        yield from _left_out(found)
        yield from _incomplete(found)
    if len(compared):
        yield _parity(material, compared)
    else:
        yield Commands([commands.LIBRARIES[0]], "None was held against the published numbers. This does it:")
    yield _told(material, found, compared)


def _headline(found: libraries.Shown) -> Pieces:
    spans = libraries.spans(found.same)
    if spans.empty:
        return
    parts = [
        f"{title(row['system'])} {' to '.join(dict.fromkeys((_times(row['min']), _times(row['max']))))}"
        for row in spans.to_dict("records")
    ]
    least, most = _times(spans["min"].min()), _times(spans["max"].max())
    text = "The time of a step over that of the fastest backend, over rules, trials and threads: "
    text += "; ".join(parts)
    many = f"{len(spans)} libraries" if len(spans) > 1 else "one library"
    yield Pick("Libraries", f"{least} to {most} as long, on {many} with the same gradients", f"{text}.")
    for row in spans.to_dict("records"):
        rows = found.same[found.same["system"] == row["system"]]
        best = rows.loc[rows["library_times"].idxmin()]
        yield Finding(
            f"A step of {title(row['system'])} takes {_times(row['min'])} to {_times(row['max'])} the time of"
            f" the fastest backend's of the same gradient; nearest with {best['batch']} trials,"
            f" {_threads(best['threads'])}."
        )


def _sizes(rows: pd.DataFrame) -> list[tuple[tuple[int, str], pd.DataFrame]]:
    """Trials and threads, those that are shown at once first, with the rows of each."""
    groups = [
        ((int(str(batch)), str(threads)), part)
        for (batch, threads), part in rows.groupby(["batch", "threads"])
    ]
    return sorted(groups, key=lambda group: (-group[0][0], group[0][1] != "all"))


def _threads(threads: str) -> str:
    return "one thread" if threads == "1" else f"{threads} threads"


def _work(batch: int, threads: str, rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    trials = (
        f"{batch} trial{'s' * (batch != 1)} of {first['n_steps']} steps, {first['n_rec']} recurrent neurons"
    )
    return f"{trials}, {_threads(threads)}."


def _costs(
    material: Material, rows: pd.DataFrame, caption: str, folded: str = "", sizes: bool = False
) -> Table:
    labelled = material.names.labelled(rows.assign(threads="all" if not sizes else rows["threads"]))
    table = Builder(libraries.ordered(labelled), caption)
    table.text("rule", material.names.rule).text("runs on", "label").text("mode", "mode").text(
        "precision", "dtype"
    )
    if sizes:
        table.text("what it is", lambda row: alone(row["system"]))
        table.count("trials", "batch")
    elif rows["asked_batch"].notna().any():
        table.text(
            "asked for", lambda row: "" if pd.isna(row["asked_batch"]) else f"{row['asked_batch']} trials"
        )
    table.figure("step_s", "median_s", heading="median (ms)")
    table.span("range (ms)", "step_s", "min_s", "max_s").count("samples", "samples")
    table.figure("library_times", "library_times", heading="× the fastest backend")
    table.figure("synapse_steps_per_s", "synapse_steps_per_s")
    table.figure("peak_bytes", "peak_bytes")
    for name in _FIGURES:
        table.figure(name, name)
    return table.build(folded=folded)


def _left_out(found: libraries.Shown) -> Pieces:
    if len(found.left_out):
        cases = dict.fromkeys(
            f"{title(row['system'])} ({row['rule']}, {row['mode']})"
            for row in found.left_out.to_dict("records")
        )
        yield Note(
            "Not drawn, as its gradient was not compared or is further from the published one than its bound:"
            f" {listed(list(cases))}."
        )
    smaller = found.same[found.same["asked_batch"].notna()]
    for row in smaller.drop_duplicates(["system", "batch"]).to_dict("records"):
        yield Note(
            f"{title(row['system'])}: a step of {row['asked_batch']} trials takes more than two minutes;"
            f" it was measured with {row['batch']} instead, and is shown as that."
        )


def _incomplete(found: libraries.Shown) -> Pieces:
    told = dict.fromkeys(
        f"{title(row['system'])} ({row['rule']}, {row['batch']} trials): {row['status']}:"
        f" {' '.join(str(row['reason']).split())}"
        for row in found.incomplete.to_dict("records")
    )
    yield from map(Note, told)


def _parity(material: Material, rows: pd.DataFrame) -> Table:
    order = {name: place for place, name in enumerate(peers())}
    rows = rows.assign(place=rows["system"].map(order)).sort_values("place", kind="stable")
    table = Builder(
        rows,
        "Deviations in float64 from the published numbers, or, where these have none of a rule or of so many"
        " trials, from the NumPy backend, which the tests hold against them and against naive loops. The"
        " largest absolute difference over the largest absolute value; cosine of the gradient of W_in and"
        f" W_rec. Of the losses of {TRAINING_STEPS} steps of training from the same weights on the same short"
        " trials, the largest difference from NumPy's over NumPy's, which includes the optimizer.",
    )
    table.text("library", lambda row: title(row["system"])).text("version", _version)
    table.text("rule", material.names.rule).text("mode", "mode").text("loss", "loss_of")
    table.count("trials", "trials").text("against", "against").figure("spikes", "spikes")
    table.figure("deviation", "loss", heading="loss ")
    for name in DEVIATIONS[2:]:
        table.figure("deviation", name, heading=f"d{name.replace('w_', 'W ')}")
    table.figure("deviation", "training", heading=f"loss of {TRAINING_STEPS} training steps")
    table.figure("cosine", "cosine", heading="cosine").figure("deviation", "bound", heading="bound")
    return table.text("verdict", _verdict, long=True).build()


def _verdict(row: Mapping[Any, Any]) -> str:
    if row["status"] != "ok":
        return f"failed: {' '.join(str(row['reason']).split())}"
    why = alone(row["system"])
    if why:
        return f"{why}: cost alone"
    return "agrees" if row["holds"] else "deviates: not drawn"


def _version(row: Mapping[Any, Any]) -> str:
    library = row["library"]
    return str(library.get("version") or "–") if isinstance(library, dict) else "–"


def _told(material: Material, found: libraries.Shown | None, compared: pd.DataFrame) -> Table:
    """What each library is, by its own file."""
    there = set(compared["system"])
    if found is not None:
        there |= {name for part in (found.same, found.alone, found.left_out) for name in part["system"]}
    of: dict[str, Peer] = {name: peer for name, peer in peers().items() if name in there}
    frame = pd.DataFrame(
        [
            {
                "library": peer.title,
                "package": peer.package,
                "licence": peer.licence,
                "same": peer.same,
                "differs": peer.differs,
                "followed": peer.followed,
                "cannot": peer.cannot,
            }
            for peer in of.values()
        ],
        columns=["library", "package", "licence", "same", "differs", "followed", "cannot"],
    )
    table = Builder(
        frame, "What each library is, what was followed of its documentation, and what it cannot do."
    )
    table.text("library", "library").text("package", "package").text("licence", "licence")
    table.text("what is equal", "same", long=True).text("what is not", "differs", long=True)
    table.text("what was followed", "followed", long=True)
    return table.text("what it cannot do", "cannot", long=True).build()
