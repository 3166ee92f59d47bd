"""The commands that made the records, from what the records say."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

import implementations as impl
from benchmarks.define.problem import PROBLEMS, SYSTEM, TASK_NAME
from benchmarks.judge import learning as compared
from benchmarks.judge import sweeps
from benchmarks.show.commands import FIGURE, MEASURE, TRAIN
from benchmarks.store.records import Records

# Follow from others: the task says window and loss, the network has the task's inputs and outputs.
_DERIVED = {("objective", "window"), ("objective", "loss"), ("task", "n_in"), ("network", "n_out")}


def training(records: Records) -> list[str]:
    """The commands of all runs: of sweeps where a cluster trained them, of `figure`, else of `train`."""
    runs = records.runs[records.runs["last_step"] > 0]
    swept = sweeps.planned(runs)
    files = {file for _, rows in swept for file in rows["file"]}
    judged = compared.judged(records)
    figures, drawn = figure(judged[~judged["file"].isin(files)])
    rest = runs[~runs["file"].isin(files | drawn)]
    return [*train(rest), *figures[:1], *(sweep.command for sweep, _ in swept), *figures[1:]]


def figure(judged: pd.DataFrame) -> tuple[list[str], set[str]]:
    """The commands that made the comparisons of rules at published settings, and the files of their runs.

    Those of tuned settings come last, as they need a sweep.

    Args:
        judged: of `compared.judged`, without runs of sweeps.
    """
    plain, tuned, files = [], [], set()
    for part in compared.main(judged):
        first = part.iloc[0]
        task, seeds = str(first["task"]), sorted(set(part["seed"]))
        if not compared.published(task, first["settings"], int(first["batch"])):
            continue
        if seeds != list(range(len(seeds))) or first["mode"] != "adjoint" or first["dtype"] != "float32":
            continue
        words = [FIGURE] if task == TASK_NAME else [FIGURE, f"--task {task}"]
        words += [f"--backend {first['backend']}", f"--rule {','.join(dict.fromkeys(part['rule']))}"]
        words += [f"--steps {first['last_step']}", f"--device {first['device']}"]
        if first["threads"] != "all":
            words.append(f"--threads {first['threads']}")
        plain.append(" ".join([*words, f"--seeds {len(seeds)}"]))
        files |= set(part["file"])
        like = ["task", "backend", "mode", "device", "threads", "last_step"]
        fresh = judged[(judged["seed"] >= compared.FRESH) & (judged[like] == list(first[like])).all(axis=1)]
        if len(fresh):
            tuned.append(" ".join([*words, "--tuned", f"--seeds {fresh['seed'].nunique()}"]))
            files |= set(fresh["file"])
    return [*plain, *tuned], files


def train(runs: pd.DataFrame) -> list[str]:
    """One command for all runs that differ in backend, rule and seed only."""
    same = ["experiment", "mode", "device", "threads", "seeds", "steps"]
    runner = ["experiment", "backend", "rule", "mode", "device", "threads"]
    rows = []
    for names, part in runs.groupby(runner, dropna=False, sort=False):
        row = dict(zip(runner, names, strict=True))
        rows.append({**row, "seeds": tuple(sorted(set(part["seed"]))), "steps": part["last_step"].max()})
    if not rows:
        return []
    settings = runs.drop_duplicates("experiment").set_index("experiment")
    commands = []
    for names, part in pd.DataFrame(rows).groupby(same, dropna=False, sort=False):
        row: dict[str, Any] = dict(zip(same, names, strict=True))
        for backends, rules in _products(part):
            experiment = settings.loc[row["experiment"]]
            if experiment["system"] != SYSTEM:
                words = [TRAIN, f"--system {experiment['system']}", f"--rule {','.join(rules)}"]
                words += [f"--device {row['device']}", f"--steps {row['steps']}"]
                commands += [" ".join([*words, seed]) for seed in _seeds(row["seeds"])]
                continue
            task = experiment["task"]
            words = [TRAIN] if task == TASK_NAME else [TRAIN, f"--task {task}"]
            words += [f"--backend {','.join(backends)}", f"--rule {','.join(rules)}"]
            words += [f"--mode {row['mode']}", f"--device {row['device']}", f"--steps {row['steps']}"]
            if row["threads"] != "all":
                words.append(f"--threads {row['threads']}")
            words += [f"--dtype {experiment['dtype']}", f"--batch {experiment['batch']}"]
            words += _options(task, experiment["settings"])
            commands += [" ".join([*words, seed]) for seed in _seeds(row["seeds"])]
    return commands


def measure(measurements: pd.DataFrame) -> list[str]:
    """The command of each machine's newest run, and of its newest sweep through sizes if that is another."""
    own = measurements[
        measurements["round"].notna() & ~measurements["file"].str.startswith("asv/").astype(bool)
    ]
    if own.empty and len(measurements):
        commits = measurements.sort_values("started", ascending=False)["commit"]
        return [f"asv run --record-samples {commit[:10]}^!" for commit in commits.unique()[:1]]
    if own.empty:
        return [MEASURE]
    newest: dict[str, None] = {}
    started = own.groupby("run")["started"].min().sort_values(ascending=False)
    for run in started.index:
        newest.setdefault(_measure(own[own["run"] == run]))
    # The same command again, or one of other backends or rules, adds nothing to know.
    plain = [text for text in newest if "--scaling" not in text][:1]
    return plain + [text for text in newest if "--scaling" in text][:1]


def _measure(rows: pd.DataFrame) -> str:
    words = [MEASURE, f"--rounds {int(rows['round'].max()) + 1}"]
    timed = rows[rows["first_step_s"].notna()]
    swept = timed["n_rec"].nunique() > 1
    if swept:
        words.append("--scaling")
    if rows["n_steps"].nunique() == 1:
        words.append("--no-lengths")
    if swept and rows["n_steps"].nunique() == 1:
        words.append("--no-steps")
    for name in ("dtype", "device") if swept else ("batch", "dtype", "device"):
        words += [f"--{name} {value}" for value in timed[name].unique()[:1]]
    if rows["mode"].nunique() == 1:
        words.append(f"--mode {rows['mode'].iloc[0]}")
    backends, rules = (",".join(dict.fromkeys(rows[name])) for name in ("backend", "rule"))
    return " ".join([*words, f"--backend {backends}", f"--rule {rules}"])


def _products(part: pd.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    """Backends by the rules that they share, as a command runs all of its rules on all of its backends."""
    of_backend = part.groupby("backend", sort=False)["rule"].agg(tuple)
    for rules in dict.fromkeys(of_backend):
        yield [str(backend) for backend in of_backend.index[of_backend == rules]], list(rules)


def _seeds(seeds: tuple[int, ...]) -> list[str]:
    if seeds == tuple(range(len(seeds))):
        return [f"--seeds {len(seeds)}"]
    return [f"--seed {seed}" for seed in seeds]


def _options(task: str, settings: Mapping[str, Any]) -> list[str]:
    """The settings that are not the default; none of a task that this version does not have."""
    if task not in PROBLEMS:
        return []
    problem = PROBLEMS[task]
    # Part of the settings -> what has it in fields that are options of the same names
    parts = {
        "network": problem.network,
        "task": problem.task,
        "objective": problem.objective,
        "optimizer": impl.Adam(learning_rate=problem.recipe.learning_rate),
    }
    words = []
    for part, published in parts.items():
        recorded = settings.get(part)
        for field in dataclasses.fields(published):
            default = getattr(published, field.name)
            default = list(default) if isinstance(default, tuple) else default  # as JSON has it
            value = recorded.get(field.name, default) if isinstance(recorded, dict) else default
            if value != default and (part, field.name) not in _DERIVED:
                words.append(f"--{field.name.replace('_', '-')} {value}")
    names = ("evaluate_every",) if problem.task.frozen else ("evaluate_every", "test_trials")
    plan = [name for name in names if name in settings]
    return words + [f"--{name.replace('_', '-')} {settings[name]}" for name in plan]
