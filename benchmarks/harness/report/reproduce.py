"""The commands that made the records, from what the records say."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

import implementations as impl

TRAIN = "python -m benchmarks train"
MEASURE = "python -m benchmarks measure"
REPORT = "python -m benchmarks report"

# Part of the settings -> the dataclass whose fields are options of the same names and defaults.
_PARTS = {
    "network": impl.Network,
    "task": impl.EvidenceAccumulation,
    "objective": impl.Objective,
    "optimizer": impl.Adam,
}
# Follow from others: the window is the task's recall, and the network has the task's inputs.
_DERIVED = {("objective", "window"), ("task", "n_in")}


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
            words = [TRAIN, f"--backend {','.join(backends)}", f"--rule {','.join(rules)}"]
            words += [f"--mode {row['mode']}", f"--device {row['device']}", f"--steps {row['steps']}"]
            if row["threads"] != "all":
                words.append(f"--threads {row['threads']}")
            experiment = settings.loc[row["experiment"]]
            words += [f"--dtype {experiment['dtype']}", f"--batch {experiment['batch']}"]
            words += _options(experiment["settings"])
            commands += [" ".join([*words, seed]) for seed in _seeds(row["seeds"])]
    return commands


def measure(measurements: pd.DataFrame) -> list[str]:
    """The command of the newest run."""
    if measurements.empty:
        return [MEASURE]
    newest = measurements[measurements["run"] == measurements.sort_values("started")["run"].iloc[-1]]
    words = [MEASURE, f"--rounds {int(newest['round'].max()) + 1}"]
    timed = newest[newest["first_step_s"].notna()]
    for name in ("batch", "dtype", "device"):
        words += [f"--{name} {value}" for value in timed[name].unique()[:1]]
    return [" ".join(words)]


def _products(part: pd.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    """Backends by the rules that they share, as a command runs all of its rules on all of its backends."""
    of_backend = part.groupby("backend", sort=False)["rule"].agg(tuple)
    for rules in dict.fromkeys(of_backend):
        yield [str(backend) for backend in of_backend.index[of_backend == rules]], list(rules)


def _seeds(seeds: tuple[int, ...]) -> list[str]:
    if seeds == tuple(range(len(seeds))):
        return [f"--seeds {len(seeds)}"]
    return [f"--seed {seed}" for seed in seeds]


def _options(settings: Mapping[str, Any]) -> list[str]:
    """The settings that are not the default."""
    words = []
    for part, kind in _PARTS.items():
        recorded = settings.get(part)
        for field in dataclasses.fields(kind):
            default = field.default
            value = recorded.get(field.name, default) if isinstance(recorded, dict) else default
            if value != default and (part, field.name) not in _DERIVED:
                words.append(f"--{field.name.replace('_', '-')} {value}")
    plan = [name for name in ("evaluate_every", "test_trials") if name in settings]
    return words + [f"--{name.replace('_', '-')} {settings[name]}" for name in plan]
