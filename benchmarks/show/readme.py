"""The tables of README.md, from records: what stands between `<!-- NAME -->` and `<!-- end of NAME -->`.

Whoever reads the figures there can repeat them with the command that is named beside them.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.define.names import SYSTEM
from benchmarks.judge import learning, main_run, roofline
from benchmarks.judge import over_tasks as judged
from benchmarks.show import over_tasks, sentences
from benchmarks.show.ladder import fastest, name, said
from benchmarks.show.libraries import FASTEST, of_libraries
from benchmarks.show.markdown import cell
from benchmarks.show.material import Material
from benchmarks.show.sections import ladder as sections_ladder
from benchmarks.store import records
from implementations import rules


class NotFilled(Exception):
    """README.md can't be filled; the text says why."""


def fill(text: str, results_dir: Path) -> str:
    """`text` with each of its marked blocks replaced by a table of what `results_dir` holds.

    Raises:
        NotFilled: a block has no end or an unknown name, or there are no records for it.
    """
    material = Material(records.read(results_dir), Path())

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n{_TABLES[name](material)}\n<!-- end of {name} -->"

    names = "|".join(map(re.escape, _TABLES))
    filled, count = re.subn(
        rf"<!-- (?P<name>{names}) -->\n.*?<!-- end of (?P=name) -->", table, text, flags=re.DOTALL
    )
    if count != text.count("<!-- end of ") or count == 0:
        raise NotFilled(
            f"{count} blocks were found; each begins with a line <!-- NAME --> and ends with a line"
            f" <!-- end of NAME -->, where NAME is one of {', '.join(_TABLES)}"
        )
    return filled


def _costs(material: Material) -> str:
    """Median time and peak memory of a step: a row per rule and mode, a column per backend."""
    found, names, rows = material.records, material.names, material.costs
    shown = main_run.shown(found, rows[rows["median_s"].notna()])
    if shown is None:
        raise NotFilled("no step was timed; `measure` does it")
    main = names.labelled(shown.main)
    labels = list(main["label"].cat.categories)
    modes = main[["rule", "mode"]].drop_duplicates().groupby("rule")["mode"].nunique()
    cases = [
        (rule, mode)
        for rule in rules.costly()  # a step of the others costs what one of these does
        for mode in rules.get(rule).modes
        if ((main["rule"] == rule) & (main["mode"] == mode)).any()
    ]
    lines = [
        _line([f"training step, {METRICS['step_s'].unit}", *map(cell, labels)]),
        _line(["---", *["---:"] * len(labels)]),
    ]
    for column, metric in (("median_s", METRICS["step_s"]), ("peak_bytes", METRICS["peak_bytes"])):
        if column == "peak_bytes":
            lines.append(_line([f"**memory of a step, {metric.unit}**", *[""] * len(labels)]))
        for rule, mode in cases:
            here = main[(main["rule"] == rule) & (main["mode"] == mode)]
            title = rules.get(rule).title + (f", {mode}" if modes[rule] > 1 else "")
            lines.append(_line([title, *_cells(here, column, metric, labels)]))
    return "\n".join(lines)


def _card(material: Material) -> str:
    """Steps of the published size on a card: a row per rule, mode and backend."""
    found = roofline.newest(material.records)
    if found is None:
        return "No step on a card is recorded yet; `make gpu-check` measures them."
    run, processes = found
    names = material.names
    rows = names.by_rule(names.labelled(roofline.main_size(roofline.steps(material.records, processes))))
    step = METRICS["step_s"]
    environments = material.records.environments
    card = sentences.cards(environments[environments["machine"] == run.machine])
    lines = [cell(f"{names.work(rows)} {card}".strip()), ""]
    columns = [
        "training step",
        "backend",
        f"time, {step.unit}",
        "its engine",
        f"own loop, {step.unit}",
        "× as fast",
    ]
    columns += [f"floor, {step.unit}", "time over floor"]
    lines += [_line(columns), _line(["---", "---", "---:", "---", *["---:"] * 4])]
    for row in rows.to_dict("records"):
        title = rules.get(str(row["rule"])).title + f", {row['mode']}"
        figures = [step.format(row[name]) for name in ("loop_s", "floor_s")]
        ratios = [METRICS[name].format(row[name]) for name in ("gain", "over")]
        lines.append(
            _line(
                [
                    *(title, cell(str(row["label"])), step.format(row["step_s"]), cell(str(row["engine"]))),
                    *(figures[0], ratios[0], figures[1], ratios[1]),
                ]
            )
        )
    return "\n".join(lines)


def _learning(material: Material) -> str:
    """How each rule ends on each task, and which pairs of rules are told apart where."""
    parts = [learning.drawn(part) for part in material.comparisons]
    if not parts:
        raise NotFilled("no two rules were trained and judged at their end; `figure` does it")
    lines = []
    for headings, rows in (
        over_tasks.of_ends(parts, material.tests, material.names),
        over_tasks.of_pairs(judged.told(parts, material.tests), material.names),
    ):
        lines += ["", _line(list(map(cell, headings))), _line(["---"] * len(headings))]
        lines += [_line(list(map(cell, row))) for row in rows]
    return "\n".join(lines[1:])


def _ladder(material: Material) -> str:
    """What the ladder shows in two sentences, and a table for each task: a row per rung."""
    climbs, times = sections_ladder.climbs(material), sections_ladder.times(material)
    if not climbs:
        return "No rung between e-prop and BPTT is recorded yet; `make ladder` trains them."
    lines = list(map(cell, said(climbs, times, material.names.look)))
    label, seconds = fastest(times) if len(times) else ("", {})
    cosine, step = METRICS["cosine"], METRICS["step_s"]
    for climb in climbs:
        columns = ["hops", "rule", "cosine to BPTT, fresh", "trained", f"final {climb.metric.heading}"]
        columns += ["95 % interval", "met the criterion", "median steps"]
        columns += [f"step on {cell(label)} ({step.unit})"] if label else []
        lines += ["", f"*{cell(climb.words)}*", "", _line(columns)]
        lines.append(_line(["---", "---", *["---:"] * (len(columns) - 2)]))
        for row in climb.rungs.to_dict("records"):
            cells = [
                name(row["rule"]),
                cell(material.names.look.title(row["rule"])),
                cosine.format(row["cosine_fresh"]),
                cosine.format(row["cosine_trained"]),
                climb.metric.format(row["mean"]),
                f"{climb.metric.format(row['low'])} – {climb.metric.format(row['high'])}",
                f"{row['met']} of {row['seeds']}",
                METRICS["step"].format(row["half_step"]),
            ]
            cells += [step.format(seconds.get(row["rule"]))] if label else []
            lines.append(_line(cells))
    return "\n".join(lines)


def _libraries(material: Material) -> str:
    """What each library computes of this network, and what its steps cost: a row per rule and mode."""
    columns, rows = of_libraries(material.records)
    if not rows:
        return "No library is recorded yet; `make peers` and `measure --system all` do it."
    lines = [_line(columns), _line(["---"] * 4 + ["---:"] * (len(columns) - 4))]
    for first, *others in rows:
        name = f"**{cell(first)}**" if first == FASTEST else cell(first)
        lines.append(_line([name, *map(cell, others)]))
    return "\n".join(lines)


def _cells(here: pd.DataFrame, column: str, metric: Metric, labels: list[str]) -> list[str]:
    """A figure for each label, "" where there is none; the least of `SYSTEM`'s in bold."""
    own = here.loc[here["system"] == SYSTEM, column]
    figures: Mapping[str, float] = dict(zip(here["label"], here[column], strict=True))
    cells = []
    for label in labels:
        text = metric.format(figures[label]) if label in figures else ""
        best = label in figures and text == metric.format(own.min())
        cells.append(f"**{text}**" if best else text)
    return cells


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


_TABLES: dict[str, Callable[[Material], str]] = {
    **{"costs": _costs, "card": _card, "learning": _learning, "ladder": _ladder},
    "libraries": _libraries,
}
