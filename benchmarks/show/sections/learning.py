"""The sections on training: what the runs of each experiment came to, and how sure rules differ."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.define.metrics import METRICS, Metric
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.judge import hyperparameters, learning, statistics
from benchmarks.show import sentences
from benchmarks.show.commands import FIGURE, TRAIN
from benchmarks.show.material import Material, Part
from benchmarks.show.names import Names, task_title, threads_text
from benchmarks.show.record_texts import stem
from benchmarks.show.section import Commands, Note, Pieces, section
from benchmarks.show.tables import BAND, Builder, Table
from implementations import rules


def _in_comparisons(material: Material) -> set[str]:
    """Files of the runs that the comparison of rules shows, or the sections on the ladder and on settings."""
    experiments = {name for part in material.comparisons for name in part["experiment"]}
    runs = material.records.runs
    beside = runs["timing"].notna() | (runs["seed"] >= hyperparameters.FRESH)
    shown = (*material.comparisons, *material.climbed)
    files = {str(file) for part in shown for file in part["file"]}
    return files | set(runs.loc[runs["experiment"].isin(experiments) & beside, "file"])


@section(
    "learning",
    "How well each rule learns",
    "No training run is recorded: accuracy curves, final accuracy and the stopping criterion are missing."
    " This adds them:",
    f"{TRAIN} --seeds 3",
    wanted=lambda material: not _in_comparisons(material),
)
def training(material: Material) -> Pieces:
    """A part for each experiment that no other section shows, the one with the most runs first.

    Its figures have `runs` and `points`, labelled, `labels`, and `chance`, what guessing scores.
    """
    runs = material.records.runs
    swept = hyperparameters.swept(runs)  # shown together, in a section of their own
    shown = _in_comparisons(material)
    files = runs.groupby("experiment")["file"].agg(set)
    names = [
        name
        for name in learning.experiments(material.records)
        if name not in swept and not files[name] <= shown
    ]
    for index, name in enumerate(names):
        part = _experiment(material, name)
        part.suffix = "" if len(names) == 1 else f"-{index + 1}"
        part.subtitle = "" if index == 0 else f": other settings ({index})"
        yield part
        yield from _ends(part, material.names)
        if index == 0:
            yield from sentences.learning(part.rows, material.names.look)
            if part.figure == "test_accuracy":
                yield from sentences.accuracy(part.rows, material.names.look, part.lead)


def _experiment(material: Material, name: str) -> Part:
    runs = material.ended[material.ended["experiment"] == name]
    settings: Mapping[str, Any] = runs["settings"].iloc[0]
    rows = material.names.labelled(learning.over_seeds(runs, learning.SEEDS, "late"), machines=True)
    runs = runs.merge(rows[[*learning.SEEDS, "label"]], on=learning.SEEDS)
    runs["label"] = runs["label"].astype(rows["label"].dtype)
    columns = ["file", "rule", "mode", "label", "criterion_step"]
    points = material.records.points.merge(runs[columns], on="file")
    figure = learning.figure_of(points)
    n_out = _object(settings, "network").get("n_out")
    guess = 1.0 / n_out if isinstance(n_out, int) and n_out > 0 else None
    return Part(
        lead=_condition(runs, settings),
        criterion=sentences.criterion_name(str(runs["task"].iloc[0])),
        runs=runs,
        rows=rows.sort_values(["label", "rule"], key=material.names.order),
        labels=", ".join(rows["label"].cat.categories),
        points=points,
        figure=figure,
        metric=METRICS[figure],
        chance=guess if figure == "test_accuracy" else None,
    )


def _condition(runs: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    first = runs.iloc[0]
    network = _object(settings, "network")
    sizes = [network.get(name) for name in ("n_in", "n_regular", "n_adaptive", "n_out")]
    parts = [f"Task {str(first['task']).replace('_', ' ')}"]
    if all(isinstance(size, int) for size in sizes):
        n_in, regular, adaptive, n_out = sizes
        parts.append(f"{n_in} inputs, {regular} regular and {adaptive} adaptive neurons, {n_out} outputs")
    parts += [f"batch {first['batch']}", str(first["dtype"]), threads_text(runs["threads"])]
    rate = _object(settings, "optimizer").get("learning_rate")
    if rate is not None:
        parts.append(f"learning rate {rate:g}")
    if settings.get("test_trials") is not None:
        parts.append(f"{settings['test_trials']} fresh test trials per point")
    return "; ".join(parts) + "."


def _object(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the settings; empty where the records lack it."""
    part = settings.get(name)
    return part if isinstance(part, dict) else {}


def _ends(part: Part, names: Names) -> Pieces:
    """Final figures, and where the criterion was met."""
    rows, metric = part.rows, part.metric
    last = f"each seed's median over its last {learning.LATE_STEPS} training steps"
    table = _runners(rows, names, f"Final {metric.name}: median and range over seeds of {last}.")
    table.count("seeds", "seeds")
    table.figure(part.figure, "median", heading=f"final {metric.heading}", best_within=["label"])
    table.span("range", part.figure, "least", "most")
    table.span("training steps", "step", "least_steps", "most_steps")
    yield table.figure("train_s", "train_s").build()
    table = _runners(
        rows,
        names,
        f"Until {sentences.criterion(str(part.runs['task'].iloc[0]))}: medians and ranges over the seeds that"
        " met it.",
    )
    table.text("seeds that met it", _met)
    table.figure("step", "criterion_step", heading="median training steps", best_within=["label"])
    table.span("range", "step", "criterion_step_min", "criterion_step_max")
    table.figure("train_s", "criterion_s", heading="median seconds", best_within=["machine"])
    yield table.span("range (s)", "train_s", "criterion_s_min", "criterion_s_max").build()
    unfinished = int(rows["unfinished"].sum())
    if unfinished:
        yield Note(
            f"{unfinished} of {int(rows['seeds'].sum())} runs have no end: interrupted, or still running."
            " They count as far as they went."
        )
    yield from sentences.cautions(part.runs["timing"], int(rows["diverged"].sum()))
    if rows["machine"].nunique() > 1:
        text = "The runs come from several machines, each shown on its own: their seconds do not compare."
        yield Note(text)


def _runners(rows: pd.DataFrame, names: Names, caption: str) -> Builder:
    table = Builder(rows, caption).text("backend", "label").text("rule", names.rule)
    return table.text("mode", "mode") if rows["mode"].nunique() > 1 else table


def _met(row: Mapping[Any, Any]) -> str:
    return f"{row['met']} of {row['seeds']}"


@section(
    "compared",
    "Rules compared",
    "No two rules were trained and judged at their end: tests between rules, intervals of final figures and"
    " the time to the stopping criterion are missing. This adds them:",
    FIGURE,
)
def comparison(material: Material) -> Pieces:
    """A part for each task: `runs` that compare, `points`, and `trials`, what they were judged on."""
    names = material.names
    for every, tests in zip(material.comparisons, material.tests, strict=True):
        runs = learning.drawn(every)
        task = str(runs["task"].iloc[0])
        title, figure = task_title(task), learning.measure(task)
        points = material.records.points.merge(runs[["file", "rule", "mode", "criterion_step"]], on="file")
        part = Part(
            lead=recipe(runs, names),
            suffix=f"-{stem(task)}",
            subtitle=f": {title}",
            runs=runs,
            points=points.sort_values(["file", "step"]),
            task=task,
            figure=figure,
            metric=METRICS[figure],
            trials=judged_on(task, runs),
            network=network_of(runs),
        )
        yield part
        ends = learning.over_seeds(runs, ["rule"], "final").sort_values("rule", key=names.order)
        yield _rules(part, ends, names).build()
        yield from _others(part, every, names)
        yield from _networks(part, names)
        yield from _references(part)
        lost = learning.diverged(material.records, runs)
        lost = lost[lost["experiment"].isin(runs["experiment"])]
        yield from sentences.cautions(runs["timing"], len(lost))
        yield from sentences.compared(ends, tests, part.metric, names.look, title, part.lead)
        if len(tests):
            yield tests_table(tests, part.figure, part.metric, names, "rules")
            continue
        option = "" if task == TASK_NAME else f" --task {task}"
        text = "No two rules share two seeds, so that no test between them can be made. This adds them:"
        yield Commands([f"{FIGURE}{option}"], text)


def network_of(runs: pd.DataFrame) -> str:
    """Which network of a run the final figures are of, for people."""
    if (runs["chosen"] == "best").all():
        return "of the network of the best point (chosen on the trials of the points, judged on others)"
    return "of the network of the last step"


def _networks(part: Part, names: Names) -> Pieces:
    """The same figure of all networks that runs kept, where they kept any."""
    runs = part.runs
    if not (runs["chosen"] == "best").all():
        return
    rows = []
    for rule, of_rule in runs.groupby("rule"):
        row: dict[str, Any] = {"rule": str(rule), "best_step": of_rule["best_step"].median()}
        for name in ("last", "best", "at_criterion"):
            values = of_rule[name].dropna().to_numpy(float)
            row |= {name: float(statistics.iqm(values)) if len(values) else float("nan")}
            row |= dict(zip((f"{name}_low", f"{name}_high"), _interval(values), strict=True))
        rows.append(row)
    table = Builder(
        pd.DataFrame(rows).sort_values("rule", key=names.order),
        f"{part.metric.title} on {part.trials}: interquartile means over seeds, with their {BAND} intervals,"
        " of the network of the last step, that of the best point, and that which met the stopping criterion"
        " (of the seeds that did).",
    )
    table.text("rule", names.rule)
    for name, heading in (
        ("last", "last step"),
        ("best", "best point"),
        ("at_criterion", "at the criterion"),
    ):
        table.figure(part.figure, name, heading=heading)
        table.span(f"{BAND} interval", part.figure, f"{name}_low", f"{name}_high")
    table.figure("step", "best_step", heading="median step of the best point")
    yield table.build(folded="Other networks of the same runs")


def _references(part: Part) -> Pieces:
    """What the figures are held against, where the task says any."""
    references = PROBLEMS[part.task].task.references() if part.task in PROBLEMS else ()
    if not references:
        return
    table = Builder(
        pd.DataFrame([asdict(reference) for reference in references]),
        f"{part.metric.title} of others, of which no run is recorded here: to be held against, not compared.",
    )
    table.text("of", "who").figure(part.figure, "figure")
    table.figure(part.figure, "spread", heading="standard deviation")
    yield table.text("source", "source", long=True).build()


def _interval(values: np.ndarray) -> tuple[float, float]:
    return statistics.iqm_interval([values]) if len(values) else (float("nan"), float("nan"))


def judged_on(task: str, runs: pd.DataFrame) -> str:
    """The trials that trained networks were judged on, for people."""
    if task in PROBLEMS and PROBLEMS[task].task.frozen:
        return "the trials that they were trained on, as the task has no others"
    counts = sorted({int(count) for count in runs["trials"]})
    return f"{' or '.join(map(str, counts))} fresh trials that no curve uses"


def recipe(runs: pd.DataFrame, names: Names) -> str:
    """How the runs of one comparison were trained, and where, as a sentence."""
    first = runs.iloc[0]
    settings, batch = first["settings"], int(first["batch"])
    usual = hyperparameters.published(str(first["task"]), settings, batch)
    rate = hyperparameters.value(settings, batch, "learning_rate")
    text = "The recipe of the task" if usual else "Other settings than the recipe of the task"
    text += f": batch {batch}" + (f", learning rate {rate:g}" if rate is not None else "")
    text += f"; {first['last_step']} steps, {first['backend']}, {first['dtype']},"
    text += f" {threads_text(runs['threads'])}"
    if len(names.letters) > 1:
        text += f", machine {names.machine(str(first['machine']))}"
    return text + "."


def _others(part: Part, every: pd.DataFrame, names: Names) -> Pieces:
    """Rules that were trained along, and are shown neither here nor in the section on the ladder."""
    rows = every[~every["rule"].isin({*part.runs["rule"], *rules.ladder(every["rule"])})]
    if len(rows):
        ends = learning.over_seeds(rows, ["rule"], "final").sort_values("rule", key=names.order)
        yield _rules(part, ends, names).build(folded="Other rules, trained on the same seeds")


def _rules(part: Part, ends: pd.DataFrame, names: Names) -> Builder:
    table = Builder(
        ends,
        f"Final {part.metric.name} {part.network} on {part.trials}, mean and interquartile mean (of the"
        f" middle half of the seeds) with their {BAND} bootstrapped intervals;"
        " steps and seconds until half of the seeds met the stopping criterion (Kaplan-Meier: a dash where"
        " fewer did).",
    )
    table.text("rule", names.rule).count("seeds", "seeds")
    table.figure(part.figure, "mean", heading=f"mean {part.metric.heading}", best_within=[])
    table.span(f"{BAND} interval", part.figure, "low", "high").span("range", part.figure, "least", "most")
    table.figure(part.figure, "iqm", heading="interquartile mean", best_within=[])
    table.span(f"its {BAND} interval", part.figure, "iqm_low", "iqm_high")
    table.text("met the criterion", _met)
    table.figure("step", "half_step", heading="median steps", best_within=[])
    return table.figure("train_s", "half_s", heading="median seconds", best_within=[])


def tests_table(tests: pd.DataFrame, figure: str, metric: Metric, names: Names, which: str) -> Table:
    """Paired tests between rules.

    Args:
        tests: of `learning.pairs`, one at least.
        figure: column of what a network is judged by, and its metric.
        which: rules that are compared: "rules", say.
    """
    table = Builder(
        tests,
        f"Between {which}, over the same seeds: mean difference of final {metric.name}, first minus second,"
        f" with its {BAND} bootstrapped interval; Wilcoxon's signed-rank test, two-sided and exact, and"
        " adjusted for all pairs by Holm's method; matched-pairs rank-biserial correlation (+1: the first is"
        " higher with every seed); how often a run of the first is higher than one of the second (ties count"
        " half); and the difference that would be seen 9 times of 10, with these seeds and this spread.",
    )
    table.text("first", lambda row: names.look.title(row["first"]))
    table.text("second", lambda row: names.look.title(row["second"])).count("seeds", "seeds")
    unit = f" ({sentences.points(metric)})" if metric.unit else ""
    table.figure(figure, "difference", heading=f"difference{unit}")
    table.span(f"{BAND} interval", figure, "low", "high").figure("p", "p")
    table.figure("p", "adjusted", heading="p, Holm").figure("effect", "rank_biserial")
    table.figure("share", "improvement", heading="first is higher (%)")
    return table.figure(figure, "detectable", heading=f"would be seen{unit}").build()
