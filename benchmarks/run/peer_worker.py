"""What runs in a library's own environment: measuring by our clock and meters, and gradients for parity.

Weights and trials come in a file, as this NumPy may draw others than the suite's; gradients and spikes go out
in one. Nothing that is imported here needs more than NumPy, which a test holds.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.define.cases import Case
from benchmarks.define.systems import Peer, peers
from benchmarks.define.systems.learners.learner import PeerLearner
from benchmarks.run.measure import measure
from implementations import Batch, Parameters
from implementations.interface import Setting

_WEIGHTS = ("w_in", "w_rec", "w_out", "feedback")


@dataclass(frozen=True)
class Measured:
    """A case to measure, and the file with its weights and trials, those of `case.tiny()` too."""

    case: Case
    inputs: str


@dataclass(frozen=True)
class Asked:
    """A network of a system, and the files that its weights and trials come in and its results go out in.

    Attributes:
        curve: whether the losses of training steps are wanted, one on each batch, instead of gradients.
    """

    system: str
    setting: Setting
    inputs: str
    outputs: str
    curve: bool = False


def write(path: str, parameters: Parameters, batches: Mapping[str, Batch]) -> None:
    """The file that goes in: weights, and batches by name."""
    arrays = {name: getattr(parameters, name) for name in _WEIGHTS}
    for name, batch in batches.items():
        arrays[f"{name}/spikes"] = np.packbits(batch.spikes)
        arrays[f"{name}/shape"] = np.array(batch.spikes.shape)
        arrays[f"{name}/targets"] = batch.targets
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def _read(path: str) -> tuple[Parameters, dict[str, Batch]]:
    with np.load(path) as file:
        found = dict(file)
    names = sorted({name.rpartition("/")[0] for name in found if "/" in name})
    batches = {}
    for name in names:
        shape = found[f"{name}/shape"]
        spikes = np.unpackbits(found[f"{name}/spikes"])[: shape.prod()].reshape(shape).astype(bool)
        batches[name] = Batch(spikes, found[f"{name}/targets"])
    return Parameters(*(found[name] for name in _WEIGHTS)), batches


class _FromFile:
    """A library whose weights and trials come from a file; see `measure.Source`."""

    def __init__(self, peer: Peer, path: str, tiny: Case) -> None:
        self._peer, self._tiny = peer, tiny
        self._parameters, self._batches = _read(path)

    def module(self, case: Case) -> str:
        return self._peer.module(case)

    def learner(self, case: Case) -> PeerLearner:
        return self._peer.taught(self._peer.setting(case), self._parameters)

    def batch(self, case: Case, number: int = 0) -> Batch:
        if number:
            raise ValueError("on a CPU one batch is measured")
        return self._batches["tiny" if case == self._tiny else "case"]


def measured(item: Measured) -> dict[str, Any]:
    """The fields of a record that hold what was measured."""
    _keep_to(item.case.threads)
    case = item.case
    return measure(case, _FromFile(peers()[case.system], item.inputs, case.tiny()))


def computed(item: Asked) -> dict[str, Any]:
    """Spikes, loss and gradients of the first batch, or the losses of a training: all in a file."""
    _keep_to(item.setting.threads)
    parameters, batches = _read(item.inputs)
    learner = peers()[item.system].taught(item.setting, parameters)
    if item.curve:
        np.savez(item.outputs, losses=learner.curve(list(batches.values())))
        return {}
    loaded = learner.load(next(iter(batches.values())))
    activity = learner.simulate(loaded)
    gradients, loss = learner.gradients(loaded)
    np.savez(item.outputs, spikes=activity.spikes, loss=loss, **vars(gradients))
    return {}


def _keep_to(threads: int | None) -> None:
    """So many cores for this process, before its library starts threads, each in its own way, for all."""
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
