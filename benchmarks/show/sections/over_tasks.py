"""The section on all tasks at once: a matrix of tasks and rules, and scores over all of them."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from benchmarks.define.metrics import METRICS
from benchmarks.define.reasons import listed
from benchmarks.judge import learning, over_tasks
from benchmarks.show import sentences
from benchmarks.show.material import Material, Part
from benchmarks.show.names import task_title
from benchmarks.show.over_tasks import of_pairs
from benchmarks.show.section import Finding, Pieces, section
from benchmarks.show.sections.learning import network_of
from benchmarks.show.tables import BAND, Builder

_FEWEST = 2  # tasks that are worth a section of their own


@section("tasks", "Rules over all tasks")
def matrix(material: Material) -> Pieces:
    """One part: `parts`, the runs of each task, and `scored`, those with scores."""
    parts = [learning.drawn(every) for every in material.comparisons]
    if len(parts) < _FEWEST:
        return
    names = material.names
    networks = list(dict.fromkeys(network_of(runs) for runs in parts))
    lead = f"Final figures are {' or '.join(networks)}."
    yield Part(lead=lead, parts=parts, scored=pd.concat([over_tasks.scores(runs) for runs in parts]))
    rows = over_tasks.matrix(parts, material.tests)
    table = Builder(
        rows,
        f"Interquartile mean over seeds of the final figure, with its {BAND} bootstrapped interval; the rules"
        " that end worse (paired tests, Holm's method over the pairs of a task); steps and seconds until half"
        " of the seeds met the stopping criterion.",
    )
    table.text("task", lambda row: _task(str(row["task"])))
    table.text("rule", names.rule).count("seeds", "seeds")
    table.text("interquartile mean", lambda row: _figure(row, "iqm"))
    table.text(f"{BAND} interval", lambda row: f"{_figure(row, 'iqm_low')} – {_figure(row, 'iqm_high')}")
    table.text("better than", lambda row: listed([*map(names.look.title, row["beats"])] or ["–"]), long=True)
    table.figure("step", "half_step", heading="median steps")
    yield table.figure("train_s", "half_s", heading="median seconds").build()
    yield from sentences.cautions(pd.concat([runs["timing"] for runs in parts]), 0)
    overall = over_tasks.overall(parts)
    if len(overall):
        table = Builder(
            overall,
            "Scores over all tasks: 0 for what guesses, 1 for what makes no error. Interquartile mean over"
            f" the runs of all tasks with its {BAND} interval (bootstrap of seeds within tasks), and how"
            " often a run scores higher than one of the rule with the best, mean over tasks.",
        )
        table.text("rule", names.rule).count("tasks", "tasks").count("runs", "runs")
        table.text("interquartile mean", lambda row: f"{row['iqm']:.3f}")
        table.text(f"{BAND} interval", lambda row: f"{row['low']:.3f} – {row['high']:.3f}")
        yield table.figure("share", "improves", heading="beats the best (%)").build()
    pairs = over_tasks.told(parts, material.tests)
    headings, cells = of_pairs(pairs, names)
    table = Builder(
        pd.DataFrame(cells, columns=headings),
        "Pairs of rules: on which tasks either ends better (paired tests, Holm's method over the pairs of a"
        " task) and by how much in the mean; and those that tell nothing, with the difference that would have"
        " been seen 9 times of 10.",
    )
    for place, heading in enumerate(headings):
        table.text(heading, heading, long=place > 1)
    yield table.build()
    open_ = [pair for pair in pairs if not pair.first_on and not pair.second_on]
    for pair in open_:
        yield Finding(f"No task tells {names.look.title(pair.first)} from {names.look.title(pair.second)}.")
    if not open_:
        yield Finding("Every pair of rules is told apart on at least one task.")


def _task(name: str) -> str:
    return f"{task_title(name)} ({METRICS[learning.measure(name)].heading})"


def _figure(row: Mapping[Hashable, Any], name: str) -> str:
    return METRICS[learning.measure(str(row["task"]))].format(row[name])
