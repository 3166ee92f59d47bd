"""Hyperparameters of recorded runs: their values, and which experiments have the published ones."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

import implementations as impl
from benchmarks.define.hyperparameters import HYPERPARAMETERS, PRESETS
from benchmarks.define.problem import PROBLEMS

TUNED = (*PRESETS["knobs"], *PRESETS["optimizer"])
"""Those of training and network, which are tuned."""

DIFFICULTY = tuple(PRESETS["difficulty"])
"""Those that make the task harder."""

FRESH = 100
"""Seeds from here on are of tuned settings, and select none."""


def value(settings: Mapping[str, Any], batch: int, name: str) -> Any:
    """A hyperparameter's value in the settings of a run; None where they lack it."""
    # of a plan, a record has the batch beside its settings
    part = HYPERPARAMETERS[name].part
    if part == "plan":
        return batch
    found = settings.get(part)
    # what records leave out is off
    off = getattr(impl.Adam(), name) if part == "optimizer" and isinstance(found, dict) else None
    return (found or {}).get(name, off)


def published(task: str, settings: Mapping[str, Any], batch: int, free: tuple[str, ...] = ()) -> bool:
    """Whether a run has the published settings, but for the hyperparameters in `free`."""
    if task not in PROBLEMS:
        return False
    problem = PROBLEMS[task]
    if batch != problem.recipe.batch and "batch" not in free:
        return False
    parts: dict[str, Any] = {"task": problem.task, "network": problem.network, "objective": problem.objective}
    parts["optimizer"] = impl.Adam(learning_rate=problem.recipe.learning_rate)
    for part, expected in parts.items():
        here = settings.get(part)
        there = json.loads(json.dumps(asdict(expected)))
        if not isinstance(here, dict):
            return False
        # what a record lacks is younger than it, and was as it is by default
        if any(here.get(name, there[name]) != there[name] for name in there if name not in free):
            return False
    return True


def as_published(task: str, rows: pd.DataFrame, free: tuple[str, ...] = ()) -> np.ndarray:
    """(rows,) which runs of a task are `published`."""
    settings = rows[["settings", "batch"]].to_dict("records")
    return np.array([published(task, row["settings"], row["batch"], free) for row in settings], bool)


def swept(runs: pd.DataFrame) -> set[str]:
    """The experiments that differ from a recorded published one by hyperparameters: members of a sweep."""
    free = (*TUNED, *DIFFICULTY)
    kinds = runs.drop_duplicates("experiment")[["experiment", "task", "settings", "batch"]].to_dict("records")
    usual = {row["task"] for row in kinds if published(row["task"], row["settings"], row["batch"])}
    return {
        row["experiment"]
        for row in kinds
        if row["task"] in usual
        and published(row["task"], row["settings"], row["batch"], free)
        and not published(row["task"], row["settings"], row["batch"])
    }
