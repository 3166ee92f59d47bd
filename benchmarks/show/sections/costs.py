"""The sections on costs: time of a step, memory, scaling, and what comes before the first step."""

from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.systems import SYSTEMS
from benchmarks.judge import costs, main_run, ranking
from benchmarks.show import commands, sentences
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Commands, Note, Pieces, section
from benchmarks.show.tables import Table

_CASE = [*costs.RUN, *costs.WORKLOAD, *costs.RUNNER]
_SIZES = {"n_rec": "recurrent neurons", "batch": "trials per step"}
_UNSCALED = "Time and memory were not measured against the size of the network or of the batch. This does it:"


def _workload(material: Material, *columns: str, timed: bool = False, lead: str = "") -> Part | None:
    """The main workload among the rows that have a figure in any of `columns`; None where there is no row.

    Has `rows`, labelled, `others` of the same run, the `run`, and `work` that says what is computed.
    """
    rows, names = material.costs, material.names
    here = rows[rows[list(columns)].notna().any(axis=1)]
    found = main_run.shown(material.records, here, rows[rows["median_s"].notna()] if timed else None)
    if found is None:
        return None
    main = names.labelled(found.main)
    others = [names.labelled(part) for part in found.others]
    work = names.work(main)
    lead = f"{lead}{work} {names.run_note(found.run)}"
    return Part(lead=lead, run=found.run, rows=main, others=others, work=work)


@section(
    "speed",
    "Time of a training step",
    "No step was timed: seconds per training step are missing. This measures them:",
    commands.MEASURE,
)
def speed(material: Material) -> Pieces:
    """Of one run on one machine, with another system's ratio where it was timed along."""
    part = _workload(material, "median_s")
    if part is None:
        return
    samples = costs.samples_of(material.records, part.rows)
    part.samples = samples.merge(part.rows[[*_CASE, "label"]], on=_CASE)
    other = SYSTEMS.get(costs.baseline(part.rows) or "")
    part.baseline = part.rows["speedup"].notna().any() and other is not None
    beside = f", and ×: how many times as fast as the {other.name}'s step of such a rule" if other else ""
    part.beside = beside if part.baseline else ""
    yield part
    yield _times(material, part.rows, part.work)
    for rows in part.others:
        yield _times(material, rows, material.names.work(rows), folded=True)
    if other is not None:
        yield sentences.as_it_is(other)
    yield from map(Note, material.names.other_runs(part.run))
    if not part.baseline:
        yield Commands(
            [commands.MEASURE],
            "The BrainPy notebook was not timed in this run, so that no ratio to it is shown. This times it"
            " along with the rest, where BrainPy is installed:",
        )
    yield from sentences.speed(ranking.own(part.rows), material.names.look, part.work, other)


def _times(material: Material, rows: pd.DataFrame, work: str, *, folded: bool = False) -> Table:
    table = material.names.cases(rows, f"Time of a training step. {work}")
    table.figure("step_s", "median_s", heading="median (ms)", best_within=["system", "rule"])
    table.span("quartiles (ms)", "step_s", "q25_s", "q75_s")
    table.span("range (ms)", "step_s", "min_s", "max_s")
    table.count("samples", "samples").count("processes", "processes")
    table.figure("step_ratio", "ratio_rule", heading="× fastest of its rule")
    table.figure("step_ratio", "ratio_all", heading="× fastest of all")
    if rows["speedup"].notna().any():
        other = SYSTEMS.get(costs.baseline(rows) or "")
        table.figure("speedup", "speedup", heading=f"as fast as the {other.name}" if other else "")
    for metric in METRICS.values():
        if metric.measure is not None and rows[metric.column].notna().any():
            table.figure(metric.column, metric.column, best_within=["system", "rule"])
    return table.build(folded=work if folded else "")


@section(
    "memory",
    "Memory",
    "No memory was measured. It is measured along with the time of a step:",
    commands.MEASURE,
)
def memory(material: Material) -> Pieces:
    """Peak memory of a step."""
    part = _workload(material, "peak_bytes", timed=True)
    if part is None:
        return
    yield part
    table = material.names.cases(part.rows, f"Memory, medians over processes. {part.work}")
    table.figure("peak_bytes", "peak_bytes", best_within=["system", "rule"])
    yield table.figure("batch_bytes", "batch_bytes").count("processes", "memory_processes").build()
    grown = costs.growth(_series(material, "n_steps", "peak_bytes"))
    yield from sentences.memory(ranking.own(part.rows), grown, material.names.look, part.work)


def _series(material: Material, size: str, figure: str, least: int = 2) -> pd.DataFrame:
    """Labelled rows of the newest sweep through sizes, of one machine and run."""
    rows = costs.size_series(material.costs[material.costs[figure].notna()], size, least)
    return rows if rows.empty else material.names.labelled(rows)


@section(
    "memory-growth",
    "Memory and the length of a trial",
    "Memory was not measured in trials of several lengths. This does it:",
    commands.MEASURE,
)
def growth(material: Material) -> Pieces:
    """How memory grows in each mode."""
    rows = _series(material, "n_steps", "peak_bytes")
    if rows.empty:
        return
    condition = material.names.work(rows, "n_steps")
    yield Part(lead=f"{condition} {material.names.run_of(rows)}", rows=rows, condition=condition)
    grown = costs.growth(rows).merge(rows[[*costs.RUNNER, "label"]].drop_duplicates(), on=costs.RUNNER)
    grown["label"] = grown["label"].astype(rows["label"].dtype)
    table = material.names.cases(grown, f"How peak memory grows with the trial. {condition}")
    table.span("steps of a trial", "step", "shortest", "longest")
    table.figure("peak_bytes", "shortest_bytes", heading="at the shortest (MiB)")
    table.figure("peak_bytes", "longest_bytes", heading="at the longest (MiB)")
    yield table.figure("bytes_per_step", "bytes_per_step", best_within=["rule"]).build()
    yield sentences.memory_growth(grown)


@section("scaling", "Scaling with neurons and batch", _UNSCALED, commands.SCALING)
def scaling(material: Material) -> Pieces:
    """Time and memory against each size: columns, metrics and rows, and what the rows have in common."""
    columns: dict[str, list[tuple[str, Any, pd.DataFrame]]] = {}
    for size in _SIZES:
        found = [
            (column, METRICS[metric], _series(material, size, column, least=3))  # two may meet by chance
            for column, metric in (("median_s", "step_s"), ("peak_bytes", "peak_bytes"))
        ]
        columns[size] = [column for column in found if len(column[-1])]
    there = {size: found[0][-1] for size, found in columns.items() if found}
    if not there:
        return
    conditions = {size: material.names.work(rows, size) for size, rows in there.items()}
    lead = material.names.run_of(next(iter(there.values())))
    yield Part(lead=lead, columns=columns, conditions=conditions)
    for size, heading in _SIZES.items():
        if size not in there:
            yield Commands([commands.SCALING], _UNSCALED)
            continue
        rows = pd.concat([rows for *_, rows in columns[size]]).drop_duplicates([*costs.RUNNER, size])
        rows["label"] = rows["label"].astype(there[size]["label"].dtype)
        table = material.names.cases(rows, f"Against {heading}. {conditions[size]}", size)
        table.count(heading, size)
        table.figure("step_s", "median_s", heading="median step (ms)")
        table.span("range (ms)", "step_s", "min_s", "max_s").count("samples", "samples")
        yield table.figure("peak_bytes", "peak_bytes").build(folded=f"Figures against {heading}")


@section("start", "Before the first step: import and compilation")
def start(material: Material) -> Pieces:
    """What a process pays once."""
    part = _workload(material, "first_step_s", "import_s", lead="What a process pays once. ")
    if part is None:
        return
    yield part
    table = material.names.cases(
        part.rows,
        "Import of the backend, building the learner, loading the batch, and the first training step, which"
        " includes compiling, or loading what an earlier process compiled. Medians over processes."
        f" {part.work}",
    )
    for name in ("import_s", "build_s", "load_s", "first_step_s"):
        table.figure(name, name)
    yield table.figure("step_s", "median_s", heading="warm step (ms)").build()
