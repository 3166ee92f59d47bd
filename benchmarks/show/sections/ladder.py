"""The section on the ladder from e-prop to BPTT: how far credit must travel, and what that costs."""

import pandas as pd

import implementations as impl
from benchmarks.define.ladder import TRAINED
from benchmarks.define.metrics import METRICS
from benchmarks.define.problem import TASK_NAME
from benchmarks.judge import ladder, learning
from benchmarks.show.commands import LADDER, LADDER_TIMES
from benchmarks.show.ladder import Climb, name, said
from benchmarks.show.material import Material, Part
from benchmarks.show.names import Names, task_title
from benchmarks.show.section import Commands, Finding, Pieces, section
from benchmarks.show.sections.learning import judged_on, recipe, tests_table
from benchmarks.show.tables import BAND, Builder, Table

TASKS = (impl.EvidenceAccumulation.name, impl.PatternGeneration.name)
"""Those that the ladder is trained on: the ones that were published."""


def climbs(material: Material) -> list[Climb]:
    """The ladder on each task that it was trained on."""
    found = []
    for runs in material.climbed:
        task = str(runs["task"].iloc[0])
        figure = learning.measure(task)
        found.append(
            Climb(
                task,
                runs,
                ladder.rungs(material.records, runs),
                ladder.neighbours(runs),
                figure,
                METRICS[figure],
                judged_on(task, runs),
                recipe(runs, material.names),
            )
        )
    return found


def times(material: Material) -> pd.DataFrame:
    """Of `ladder.step_times`, labelled."""
    found = ladder.step_times(material.costs)
    return found if found.empty else material.names.labelled(found)


@section(
    "ladder",
    "How far must credit travel?",
    "No rule between e-prop and BPTT was trained and judged at its end: how gradients align with BPTT's, and"
    " what is learned, by the recurrent connections that an error may cross. This adds them:",
    LADDER,
)
def how_far(material: Material) -> Pieces:
    """One part: `climbs`, one for each task, and `times` of the rungs' steps."""
    every, steps = climbs(material), times(material)
    if not every:
        return
    names = material.names
    lead = "An error may cross so many recurrent connections on its way back, the reset kept but in e-prop."
    conditions = " ".join(f"{_words(climb.task)}: {climb.lead}" for climb in every)
    work = "" if steps.empty else f" Steps: {names.work(steps)} {names.run_of(steps)}"
    yield Part(
        lead=f"{lead} {conditions}{work}",
        climbs=every,
        times=steps,
        tasks=" and ".join(climb.words for climb in every),
    )
    yield from map(Finding, said(every, steps, names.look))
    for climb in every:
        yield _rungs(climb, names)
        if len(climb.tests):
            yield tests_table(climb.tests, climb.figure, climb.metric, names, "neighbouring rungs")
    if len(steps):
        yield _steps(steps, names)
    table = ladder.by_hops(material.records)
    if len(table):
        yield _by_hops(table)
    yield from _missing(every, steps, table)


def _rungs(climb: Climb, names: Names) -> Table:
    table = Builder(
        climb.rungs,
        f"{_words(climb.task)}: cosine of the gradient of W_in and W_rec to BPTT's, and its length over that"
        " of BPTT's, at the initial weights and after training, means over seeds; final"
        f" {climb.metric.name} on {climb.trials}, mean with its {BAND} bootstrapped interval; steps until"
        f" half of the seeds met the stopping criterion. {climb.lead}",
    )
    table.text("hops", lambda row: name(row["rule"])).text("rule", names.rule).count("seeds", "seeds")
    for figure, heading in (("cosine", "cosine"), ("norm_ratio", "length over BPTT's")):
        table.figure(figure, f"{figure}_fresh", heading=f"{heading}, fresh")
        table.figure(figure, f"{figure}_trained", heading=f"{heading}, trained")
    table.figure(climb.figure, "mean", heading=f"final {climb.metric.heading}", best_within=[])
    table.span(f"{BAND} interval", climb.figure, "low", "high")
    table.text("met the criterion", lambda row: f"{row['met']} of {row['seeds']}")
    return table.figure("step", "half_step", heading="median steps", best_within=[]).build()


def _steps(steps: pd.DataFrame, names: Names) -> Table:
    order = {rule: place for place, rule in enumerate(ladder.on(steps))}
    rows = steps.assign(place=steps["rule"].map(order).astype(int))
    rows = rows.sort_values(["label", "place"], kind="stable")
    table = Builder(rows, f"Time of a training step by rung. {names.work(steps)}")
    table.text("backend", "label").text("hops", lambda row: name(row["rule"])).text("rule", names.rule)
    table.figure("step_s", "median_s", heading="median (ms)")
    table.span("quartiles (ms)", "step_s", "q25_s", "q75_s")
    return table.count("samples", "samples").build(folded="Time of a step by rung")


def _by_hops(table: pd.DataFrame) -> Table:
    """Cosine and length by hops, with the reset's gradient and without, at first and after training."""
    of = table.attrs
    builder = Builder(
        table,
        "Gradients of W_in and W_rec over so many hops, with the gradient through the reset kept and cut:"
        " cosine to BPTT's, and length over that of BPTT's, at the initial weights and after steps of BPTT."
        f" e-prop is 0 hops with the reset cut. {of['batch']} trials of {_words(of['task']).lower()}, of"
        f" {of['n_steps']} steps and seed {of['trial_seed']}; {of['n_rec']} recurrent neurons, weights of"
        f" seed {of['seed']}; {of['backend']}, {of['dtype']}.",
    )
    builder.text("hops", "hops")
    for steps in TRAINED:
        when = f"{steps} steps" if steps else "initial"
        for reset in ("kept", "cut"):
            column = ladder.of_entry(steps, reset, "cosine")
            builder.figure("cosine", column, heading=f"{when}, reset {reset}: cosine")
            builder.figure("norm_ratio", ladder.of_entry(steps, reset, "norm_ratio"), heading="length")
    return builder.build()


def _missing(every: list[Climb], steps: pd.DataFrame, table: pd.DataFrame) -> Pieces:
    """What the figure lacks, with the commands that add it."""
    there = {climb.task: climb for climb in every}
    for task in TASKS:
        command = _command(task)
        if task not in there:
            yield Commands([command], f"The ladder was not trained on {_words(task).lower()}. This does it:")
        elif there[task].rungs["aligned"].lt(there[task].rungs["seeds"]).any():
            yield Commands([command], "Gradients of some runs were not compared with BPTT's. This adds them:")
    if table.empty:
        yield Commands([LADDER], "Gradients with the reset kept and cut were not compared. This does it:")
    if steps.empty:
        yield Commands([LADDER_TIMES], "No step between e-prop and BPTT was timed. This does it:")


def _command(task: str) -> str:
    return LADDER if task == TASK_NAME else f"{LADDER} --task {task}"


def _words(task: str) -> str:
    words = task_title(task)
    return words[:1].upper() + words[1:]
