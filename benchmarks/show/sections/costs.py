"""The sections on costs: time of a step, memory, scaling, and what comes before the first step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.judge import costs, main_run, ranking
from benchmarks.show import sentences
from benchmarks.show.commands import MEASURE
from benchmarks.show.commands import SCALING as SCALING_COMMAND
from benchmarks.show.material import Material
from benchmarks.show.section import Commands, Note, Part, Piece, Section
from benchmarks.show.tables import Builder, Table

_CASE = [*costs.RUN, *costs.WORKLOAD, *costs.RUNNER]


@dataclass(frozen=True, kw_only=True)
class Workload(Part):
    """One workload of one run.

    Attributes:
        rows: of `costs.costs`, labelled.
        others: rows of the run's other workloads.
        work: the workload, as a sentence.
        samples: the raw samples behind `rows`, labelled.
    """

    run: costs.TimingRun
    rows: pd.DataFrame
    others: list[pd.DataFrame]
    work: str
    samples: pd.DataFrame

    @property
    def baseline(self) -> bool:
        """Whether another system was timed, which rows are set in relation to."""
        return bool(self.rows["speedup"].notna().any())

    @property
    def beside(self) -> str:
        """What the figure shows beside medians."""
        return (
            ", and ×: how many times as fast as the notebook's step of such a rule" if self.baseline else ""
        )


def _workload(material: Material, columns: list[str], timed: bool = False, lead: str = "") -> list[Workload]:
    """The main workload among the rows that have a figure in any of `columns`; none where there is no row."""
    rows = material.costs
    here = rows[rows[columns].notna().any(axis=1)]
    found = main_run.shown(material.records, here, rows[rows["median_s"].notna()] if timed else None)
    if found is None:
        return []
    names = material.names
    main = names.labelled(found.main)
    samples = costs.samples_of(material.records, main).merge(main[[*_CASE, "label"]], on=_CASE)
    work = names.work(main)
    return [
        Workload(
            lead=f"{lead}{work} {names.run_note(found.run)}",
            run=found.run,
            rows=main,
            others=[names.labelled(part) for part in found.others],
            work=work,
            samples=samples,
        )
    ]


def _speed(material: Material, part: Workload) -> Iterator[Piece]:
    yield _times(material, part.rows, part.work)
    for rows in part.others:
        yield _times(material, rows, material.names.work(rows), folded=True)
    if part.baseline:
        yield Note(sentences.OTHER_NETWORK)
    yield from map(Note, material.names.other_runs(part.run))
    if not part.baseline:
        yield Commands(
            [MEASURE],
            "The BrainPy notebook was not timed in this run, so that no ratio to it is shown. This times it"
            " along with the rest, where BrainPy is installed:",
        )
    own = ranking.own(part.rows)
    yield from sentences.speed(own, material.names.look, part.work)


def _times(material: Material, rows: pd.DataFrame, work: str, *, folded: bool = False) -> Table:
    table = Builder(material.names.by_rule(rows), f"Time of a training step. {work}")
    material.names.case(table)
    table.figure("step_s", "median_s", heading="median (ms)", best_within=["system", "rule"])
    table.span("quartiles (ms)", "step_s", "q25_s", "q75_s")
    table.span("range (ms)", "step_s", "min_s", "max_s")
    table.count("samples", "samples").count("processes", "processes")
    table.figure("step_ratio", "ratio_rule", heading="× fastest of its rule")
    table.figure("step_ratio", "ratio_all", heading="× fastest of all")
    if rows["speedup"].notna().any():
        table.figure("speedup", "speedup", heading="as fast as the notebook")
    return table.build(folded=work if folded else "")


def _memory(material: Material, part: Workload) -> Iterator[Piece]:
    table = Builder(material.names.by_rule(part.rows), f"Memory, medians over processes. {part.work}")
    material.names.case(table)
    table.figure("peak_bytes", "peak_bytes", best_within=["system", "rule"])
    yield table.figure("batch_bytes", "batch_bytes").count("processes", "memory_processes").build()
    grown = costs.growth(_swept(material, "n_steps", "peak_bytes"))
    yield from sentences.memory(ranking.own(part.rows), grown, material.names.look, part.work)


def _swept(material: Material, size: str, figure: str, least: int = 2) -> pd.DataFrame:
    """Labelled rows of the newest sweep through sizes, of one machine and run."""
    rows = costs.sweep(material.costs[material.costs[figure].notna()], size, least)
    return rows if rows.empty else material.names.labelled(rows)


@dataclass(frozen=True, kw_only=True)
class Growth(Part):
    """A sweep through lengths of trials; `condition`: what its rows have in common."""

    rows: pd.DataFrame
    condition: str


def _growth_parts(material: Material) -> list[Growth]:
    rows = _swept(material, "n_steps", "peak_bytes")
    if rows.empty:
        return []
    condition = material.names.work(rows, "n_steps")
    return [Growth(lead=f"{condition} {material.names.run_of(rows)}", rows=rows, condition=condition)]


def _growth(material: Material, part: Growth) -> Iterator[Piece]:
    grown = costs.growth(part.rows)
    grown = grown.merge(part.rows[[*costs.RUNNER, "label"]].drop_duplicates(), on=costs.RUNNER)
    grown["label"] = grown["label"].astype(part.rows["label"].dtype)
    table = Builder(material.names.by_rule(grown), f"How peak memory grows with the trial. {part.condition}")
    material.names.case(table)
    table.span("steps of a trial", "step", "shortest", "longest")
    table.figure("peak_bytes", "shortest_bytes", heading="at the shortest (MiB)")
    table.figure("peak_bytes", "longest_bytes", heading="at the longest (MiB)")
    yield table.figure("bytes_per_step", "bytes_per_step", best_within=["rule"]).build()
    yield sentences.memory_growth(grown)


class Sizes(NamedTuple):
    """A sweep through one size: (column, its metric, labelled rows), and what the rows have in common."""

    columns: list[tuple[str, Metric, pd.DataFrame]]
    condition: str


@dataclass(frozen=True, kw_only=True)
class Scaling(Part):
    """The sizes that were swept."""

    sizes: dict[str, Sizes]


_SIZES = {"n_rec": "recurrent neurons", "batch": "trials per step"}
_SCALED = {"median_s": "step_s", "peak_bytes": "peak_bytes"}
_UNSCALED = "Time and memory were not measured against the size of the network or of the batch. This does it:"


def _scaling_parts(material: Material) -> Sequence[Scaling]:
    found = {}
    for size in _SIZES:
        columns = [
            (column, METRICS[metric], rows)
            for column, metric in _SCALED.items()
            if len(rows := _swept(material, size, column, least=3))  # two may meet by chance
        ]
        if columns:
            found[size] = Sizes(columns, material.names.work(columns[0][-1], size))
    if not found:
        return []
    first, *_ = found.values()
    return [Scaling(lead=material.names.run_of(first.columns[0][-1]), sizes=found)]


def _scaling(material: Material, part: Scaling) -> Iterator[Piece]:
    for size, heading in _SIZES.items():
        if size not in part.sizes:
            yield Commands([SCALING_COMMAND], _UNSCALED)
            continue
        columns, condition = part.sizes[size]
        rows = pd.concat([rows for *_, rows in columns]).drop_duplicates([*costs.RUNNER, size])
        rows["label"] = rows["label"].astype(columns[0][-1]["label"].dtype)
        rows = rows.sort_values(["rule", "label", "mode", size], key=material.names.order, kind="stable")
        table = Builder(rows, f"Against {heading}. {condition}")
        material.names.case(table)
        table.count(heading, size)
        table.figure("step_s", "median_s", heading="median step (ms)")
        table.span("range (ms)", "step_s", "min_s", "max_s").count("samples", "samples")
        yield table.figure("peak_bytes", "peak_bytes").build(folded=f"Figures against {heading}")


def _start(material: Material, part: Workload) -> Iterator[Piece]:
    table = Builder(
        material.names.by_rule(part.rows),
        "Import of the backend, building the learner, loading the batch, and the first training step, which"
        " includes compiling, or loading what an earlier process compiled. Medians over processes."
        f" {part.work}",
    )
    material.names.case(table)
    for name in ("import_s", "build_s", "load_s", "first_step_s"):
        table.figure(name, name)
    yield table.figure("step_s", "median_s", heading="warm step (ms)").build()


SPEED = Section(
    "speed",
    "Time of a training step",
    lambda material: _workload(material, ["median_s"]),
    _speed,
    missing="No step was timed: seconds per training step are missing. This measures them:",
    command=MEASURE,
)

MEMORY = Section(
    "memory",
    "Memory",
    lambda material: _workload(material, ["peak_bytes"], timed=True),
    _memory,
    missing="No memory was measured. It is measured along with the time of a step:",
    command=MEASURE,
)

GROWTH = Section(
    "memory-growth",
    "Memory and the length of a trial",
    _growth_parts,
    _growth,
    missing="Memory was not measured in trials of several lengths. This does it:",
    command=MEASURE,
)

SCALING = Section(
    "scaling",
    "Scaling with neurons and batch",
    _scaling_parts,
    _scaling,
    missing=_UNSCALED,
    command=SCALING_COMMAND,
)

START = Section(
    "start",
    "Before the first step: import and compilation",
    lambda material: _workload(material, ["first_step_s", "import_s"], lead="What a process pays once. "),
    _start,
)
