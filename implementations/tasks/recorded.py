"""Somebody's own trials, out of a file: spikes or events, and what the readout is to make of them."""

import hashlib
import os
import re
import zipfile
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import ACCURACY, NMSE, Measure
from implementations.tasks.raster import Raster
from implementations.tasks.task import SPLITS, Recipe, Task, of_split
from implementations.types import Batch

_KNOWN = (
    *("spikes", "event_trial", "event_step", "event_input", "n_in", "n_steps", "labels", "targets"),
    *("mask", "lengths", "split"),
)
_SHARES = (0.7, 0.1, 0.2)  # of the trials for training, validation and testing, where the file does not say


@dataclass(frozen=True)
class Recorded(Task):
    """Trials of a .npz file, in steps of 1 ms.

    The file holds, by these names:

    - `spikes` (trials, time, n_in) bool, or 0 and 1; or events instead, one entry per spike in each of
      `event_trial`, `event_step` and `event_input`, whole numbers from 0, with the numbers `n_in` and, unless
      the last event is in the last step, `n_steps`.
    - `labels` (trials,), the class of each trial, whole numbers from 0; or `targets` (trials, time, n_out)
      float, what the readout is to be at each step.
    - `mask` (trials, time) bool, the steps that count; all steps where there is none.
    - `lengths` (trials,), steps of each trial, where they differ: what comes later is padding, and counts for
      nothing but the firing rates.
    - `split` (trials,), "train", "validation" or "test", or 0, 1 and 2; by default 70, 10 and 20 %, drawn
      once.

    The network has as many inputs and outputs as the file, and is else that of evidence accumulation.

    Args:
        path: of the file.

    Attributes:
        file: its name, without the folder.
        sha256: of what it holds: runs on other data are other runs.

    Raises:
        InvalidArgument: (a ValueError) for a file that is something else; the text names array and shape.
        OSError: the file can't be read.
    """

    path: InitVar[str | os.PathLike[str]]

    given: ClassVar[bool] = True
    name = "recorded"

    file: str = field(init=False)
    sha256: str = field(init=False)

    def __post_init__(self, path: str | os.PathLike[str]) -> None:
        content = Path(path).read_bytes()
        self._set(_path=Path(path), file=Path(path).name, sha256=hashlib.sha256(content).hexdigest())
        arrays = _read(Path(path))
        trials = _Trials.of(self.file, arrays)
        n_out = trials.targets.shape[2] if trials.targets.ndim == 3 else int(trials.targets.max()) + 1
        network = Network(n_in=trials.spikes.shape[2], n_out=max(n_out, 2 - (trials.targets.ndim == 3)))
        self._set(
            _trials=trials,
            name=re.sub(r"[^a-z0-9_]+", "_", Path(path).stem.lower()).strip("_") or "recorded",
            network=network,
            n_in=network.n_in,
            measure=_MEASURES[trials.targets.ndim],
            recipe=Recipe(batch=min(64, len(trials.by_split["train"]))),
        )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """The file, not what is in it."""
        return type(self), (self._path,)  # type: ignore[attr-defined]

    @property
    def n_out(self) -> int:
        """Classes, or outputs of the targets."""
        return self.network.n_out

    @property
    def window(self) -> int:
        """All steps: the mask says which of them count."""
        return self.n_steps

    @property
    def n_steps(self) -> int:
        """Of the longest trial."""
        return self._own.spikes.shape[1]

    @property
    def objective(self) -> Objective:
        """Cross-entropy of labels, squared error of targets; rates count for a tenth."""
        loss = "squared_error" if self._own.targets.ndim == 3 else "cross_entropy"
        return Objective(loss, self.window, rate_cost=0.1)

    @property
    def raster(self) -> Raster:
        """All inputs alike."""
        if self._own.targets.ndim == 3:
            return Raster()
        return Raster((), tuple(map(str, range(self.n_out))), self.window)

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Trials for training; see `trials`."""
        return self.trials(size, seed, "train")

    def trials(self, size: int, seed: int | np.random.SeedSequence, split: str) -> Batch:
        """`size` trials of a split in random order, each once before any comes again."""
        checks.integer("size", size, 1)
        own, rng = self._own, np.random.default_rng(seed_sequence(seed))
        there = own.by_split[checks.choice("split", split, SPLITS)]
        chosen = there[of_split(rng, len(there), size)]
        mask = None if own.mask is None else own.mask[chosen]
        return Batch.without_copies(own.spikes[chosen], own.targets[chosen], mask)

    @property
    def _own(self) -> "_Trials":
        return self._trials  # type: ignore[attr-defined]


_OWN = "ours: that of evidence accumulation"
_MEASURES: dict[int, Measure] = {
    1: replace(ACCURACY, criterion_source=_OWN),
    3: replace(NMSE, criterion_error=0.1, criterion_source="ours: a tenth of the variance"),
}
"""By the axes of the targets."""


def as_class(path: Path) -> type[Recorded]:
    """A class of tasks without arguments, as those of the package are, whose trials are those of a file.

    Raises:
        InvalidArgument: (a ValueError) as of `Recorded`.
        OSError: the file can't be read.
    """
    known = Recorded(path)

    def make(self: Recorded) -> None:
        # what is read once serves all: nothing of it ever changes
        vars(self).update(vars(known))

    members = {name: getattr(known, name) for name in ("name", "measure", "network", "recipe")}
    return type(
        "Own", (Recorded,), {**members, "__init__": make, "__reduce__": lambda self: (type(self), ())}
    )


class _Trials:
    """What a file holds, checked: arrays that are read-only, and the trials of each split by number."""

    def __init__(self, spikes: np.ndarray, targets: np.ndarray, mask: np.ndarray | None, split: Any) -> None:
        self.spikes, self.targets, self.mask = spikes, targets, mask
        self.by_split: dict[str, np.ndarray] = {name: np.flatnonzero(split == name) for name in SPLITS}
        for array in (spikes, targets, mask):
            if array is not None:
                array.setflags(write=False)

    @classmethod
    def of(cls, file: str, arrays: dict[str, np.ndarray]) -> "_Trials":
        """Of the arrays of a file.

        Raises:
            InvalidArgument: (a ValueError) for one that is not what it may be.
        """
        for name in arrays:
            if name not in _KNOWN:
                _fail(
                    file, name, "an array that is not known", "left out; " + ", ".join(_KNOWN) + " are known"
                )
        lengths = arrays.get("lengths")
        spikes = _spikes(file, arrays)
        n_trials, n_steps, _ = spikes.shape
        targets = _targets(file, arrays, n_trials, n_steps)
        mask = arrays.get("mask")
        if mask is not None:
            mask = _truth(file, "mask", mask, (n_trials, n_steps))
        if lengths is not None:
            _whole(file, "lengths", lengths, (n_trials,), 1, n_steps)
            padded = np.arange(n_steps) >= lengths[:, None]
            late = np.flatnonzero((spikes & padded[..., None]).any(axis=(1, 2)))
            if len(late):
                was = f"{lengths[late[0]]} of trial {late[0]}, which has spikes after that"
                _fail(file, "lengths", was, "the number of steps that each trial has")
            mask = ~padded if mask is None else mask & ~padded
        if mask is not None:
            empty = np.flatnonzero(~mask.any(axis=1))
            if len(empty):
                was = f"False in all steps of trial {empty[0]}"
                _fail(file, "mask", was, "True in one or more steps of each trial")
        return cls(spikes, targets, mask, _split(file, arrays.get("split"), n_trials))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        with found:
            return {name: found[name] for name in found.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        checks.fail(
            "data",
            checks.Description(f"{path.name!r}, which is damaged or something else ({error})"),
            "a .npz file of arrays, as numpy.savez writes it",
        )


def _spikes(file: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(trials, time, n_in) bool."""
    events = [name for name in ("event_trial", "event_step", "event_input") if name in arrays]
    if "spikes" in arrays:
        if events:
            _fail(file, events[0], "there beside spikes", "left out where spikes are given")
        spikes = arrays["spikes"]
        if spikes.ndim != 3 or spikes.size == 0:
            _fail(file, "spikes", f"of shape {spikes.shape}", "of shape (trials, time, n_in), none of them 0")
        return _truth(file, "spikes", spikes, spikes.shape)
    if len(events) < 3:
        missing = (
            "spikes"
            if not events
            else next(n for n in ("event_trial", "event_step", "event_input") if n not in events)
        )
        wanted = (
            "bool of shape (trials, time, n_in), or event_trial, event_step and event_input (events,) instead"
        )
        _fail(file, missing, "missing", wanted)
    trial, step, number = (arrays[name] for name in events)
    for name, array in zip(events, (trial, step, number), strict=True):
        _whole(file, name, array, (len(trial),) if trial.ndim == 1 else (-1,), 0, 2**31 - 1)
    labelled = arrays.get("labels", arrays.get("targets"))
    if labelled is None:
        _fail(file, "labels", "missing", "whole numbers of shape (trials,), or targets (trials, time, n_out)")
    n_trials = len(labelled) if labelled.ndim else 0
    sizes = {
        "event_trial": (trial, n_trials),
        "event_step": (step, _size(file, arrays, "n_steps", int(step.max(initial=0)) + 1)),
        "event_input": (number, _size(file, arrays, "n_in", None)),
    }
    for name, (array, size) in sizes.items():
        if array.size and array.max() >= size:
            _fail(file, name, f"as high as {array.max()}", f"less than {size}")
    spikes = np.zeros(tuple(size for _, size in sizes.values()), np.bool_)
    spikes[trial, step, number] = True
    if spikes.size == 0:
        _fail(file, "spikes", f"of shape {spikes.shape}", "of shape (trials, time, n_in), none of them 0")
    return spikes


def _size(file: str, arrays: dict[str, np.ndarray], name: str, default: int | None) -> int:
    """A number that goes with events."""
    if name not in arrays and default is not None:
        return default
    value = arrays.get(name)
    if value is None:
        _fail(file, name, "missing", "a whole number >= 1, as events do not say how many there are")
    _whole(file, name, value, (), 1, 2**31 - 1)
    return int(value)


def _targets(file: str, arrays: dict[str, np.ndarray], n_trials: int, n_steps: int) -> np.ndarray:
    """(trials,) classes, or (trials, time, n_out)."""
    if ("labels" in arrays) == ("targets" in arrays):
        was = "there beside targets" if "labels" in arrays else "missing, as are targets"
        _fail(
            file,
            "labels",
            was,
            "(trials,) classes, or left out where targets (trials, time, n_out) are given",
        )
    if "labels" in arrays:
        labels = arrays["labels"]
        _whole(file, "labels", labels, (n_trials,), 0, 2**15)
        return labels.astype(np.int64)
    targets = arrays["targets"]
    right = targets.ndim == 3 and targets.shape[:2] == (n_trials, n_steps) and targets.shape[2] > 0
    if not right or targets.dtype.kind != "f":
        was = f"of dtype {targets.dtype} and shape {targets.shape}"
        _fail(file, "targets", was, f"float of shape ({n_trials}, {n_steps}, n_out)")
    if not np.isfinite(targets).all():
        _fail(
            file, "targets", "an array with NaN or infinity", "finite everywhere; mask says which steps count"
        )
    return targets.astype(np.float64)


def _split(file: str, split: np.ndarray | None, n_trials: int) -> np.ndarray:
    """(trials,) names, each of which there is."""
    if split is None:
        order = np.random.default_rng(0).permutation(n_trials)
        edges = np.rint(np.cumsum(_SHARES) * n_trials).astype(int)
        names = np.empty(n_trials, "U10")
        for name, numbers in zip(SPLITS, np.split(order, edges[:-1]), strict=True):
            names[numbers] = name
    elif split.dtype.kind in "iu":
        _whole(file, "split", split, (n_trials,), 0, len(SPLITS) - 1)
        names = np.array(SPLITS)[split]
    else:
        if split.shape != (n_trials,) or split.dtype.kind != "U" or not np.isin(split, SPLITS).all():
            was = f"of dtype {split.dtype} and shape {split.shape}"
            if split.shape == (n_trials,) and split.dtype.kind == "U":
                was = repr(str(split[~np.isin(split, SPLITS)][0])) + " somewhere"
            _fail(
                file, "split", was, f"of shape ({n_trials},), each {', '.join(map(repr, SPLITS))} or 0, 1, 2"
            )
        names = split
    for name in SPLITS:
        if name not in names:
            was = f"without any trial for {name}"
            _fail(
                file, "split", was, f"such that each of {', '.join(SPLITS)} has some of the {n_trials} trials"
            )
    return names


def _truth(file: str, name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """As bool, of this shape."""
    if array.shape != shape:
        _fail(file, name, f"of shape {array.shape}", f"of shape {shape}")
    if array.dtype.kind not in "biuf" or (array.dtype != np.bool_ and not np.isin(array, (0, 1)).all()):
        _fail(file, name, f"of dtype {array.dtype} with other values than 0 and 1", "bool, or 0 and 1")
    return array.astype(np.bool_)


def _whole(file: str, name: str, array: np.ndarray, shape: tuple[int, ...], least: int, most: int) -> None:
    """Fail unless these are whole numbers of this shape, within these bounds."""
    if array.shape != shape or array.dtype.kind not in "iu":
        _fail(
            file,
            name,
            f"of dtype {array.dtype} and shape {array.shape}",
            f"whole numbers of shape {_told(shape)}",
        )
    for value in (array.min(initial=least), array.max(initial=least)):
        if not least <= value <= most:
            _fail(file, name, f"{value} somewhere", f"{least} to {most}")


def _told(shape: tuple[int, ...]) -> str:
    return "(events,)" if shape == (-1,) else str(shape)


def _fail(file: str, name: str, was: str, allowed: str) -> NoReturn:
    checks.fail("data", checks.Description(f"{file!r}, whose {name} is {was}"), allowed)
