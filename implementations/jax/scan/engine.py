"""The engine: a batch in chunks and blocks on the device, and the calls of the programs."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import numpy as np

from implementations import registry
from implementations.interface import Setting
from implementations.jax.arrays import Weights
from implementations.jax.calls import CALLS
from implementations.jax.scan import adjoint, data_parallel, online
from implementations.jax.scan.adjoint import Trace
from implementations.jax.scan.dynamics import Chunk, block_length
from implementations.jax.scan.loss import Sums, figures
from implementations.jax.scan.workers import concurrently
from implementations.network import Network
from implementations.objective import Objective
from implementations.types import Activity, Batch, Metrics

_LEAST_TRIALS = 4  # of a chunk

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch on the device.

    Attributes:
        chunks: trials of the batch.
        shape: (batch, time).
        setting: of the learner that loaded it.
    """

    chunks: list[Chunk]
    shape: tuple[int, int]
    setting: Setting


class ScanEngine:
    """Calls the programs for one learner; on several devices, those of data_parallel.py.

    Args:
        setting: of the learner.
        static: what the programs of the gradients depend on.

    Attributes:
        pending: what the latest call returns when it is done.
    """

    loaded = Loaded

    def __init__(self, setting: Setting, static: Setting) -> None:
        self._setting, self._static = setting, static
        self._constants = setting.network, setting.objective  # no rule decides on a forward pass
        self._mesh = data_parallel.mesh(setting)
        threads = (setting.threads or registry.available_cores()) if setting.device == "cpu" else 1
        self._threads = 1 if setting.devices > 1 else threads
        self._by_trial: Any = jax.devices(setting.device)[0]
        if setting.devices > 1:
            self._by_trial = data_parallel.shared_out(self._mesh, setting.objective.loss)
        self.pending: Any = None

    def load(self, batch: Batch) -> Loaded:
        """To the device, time-major, in chunks and blocks."""
        objective, dtype = self._setting.objective, self._setting.dtype
        n_batch, n_steps, _ = batch.spikes.shape
        n = block_length(n_steps)
        n_chunks = min(self._threads, max(n_batch // _LEAST_TRIALS, 1))
        bounds = [n_batch * k // n_chunks for k in range(n_chunks + 1)]
        whole = None  # (batch, time)
        if batch.mask is not None:
            whole = np.zeros((n_batch, n_steps), dtype)
            whole[:, -objective.window :] = batch.shares(objective, dtype)
        chunks = []
        for first, last in itertools.pairwise(bounds):
            targets = batch.targets[first:last]
            if objective.loss == "squared_error":
                targets = _blocks(targets.astype(dtype), n)
            else:
                targets = targets.astype(np.int32)
            shares = None if whole is None else _blocks(whole[first:last], n)
            chunks.append(Chunk(_blocks(batch.spikes[first:last], n), targets, shares))  # type: ignore[arg-type]
        with self._scope():
            on_device = [jax.device_put(chunk, self._by_trial) for chunk in chunks]
        jax.block_until_ready(on_device)
        return Loaded(on_device, (n_batch, n_steps), self._setting)

    def gradients(
        self, weights: Weights, feedback: jax.Array, loaded: Loaded
    ) -> tuple[list[Weights], Metrics]:
        """Gradients of each chunk, to be added up, and the metrics of all."""
        n_batch = loaded.shape[0]
        if self._setting.devices > 1:
            with self._scope():
                part, self.pending = data_parallel.gradients(
                    self._mesh, self._static, loaded.shape, weights, feedback, loaded.chunks[0]
                )
            return [part], Metrics(*self.pending)
        if self._setting.mode == "online":
            found = self._each(
                [partial(_online, self._static, n_batch, weights, feedback, chunk) for chunk in loaded.chunks]
            )
            metrics, c = self._figures((*weights, feedback), loaded, [sums for _, sums in found])
            parts = [partial(_online_gradients, self._static, totals, c) for totals, _ in found]
        else:
            forward = self._forward(weights, loaded, keep=True)
            metrics, c = self._figures((*weights, feedback), loaded, [sums for _, sums in forward])
            parts = [
                partial(_backward, self._static, n_batch, weights, feedback, chunk, trace, c)
                for chunk, (trace, _) in zip(loaded.chunks, forward, strict=True)
            ]
        return self._each(parts), metrics

    def evaluate(self, weights: Weights, feedback: jax.Array, loaded: Loaded) -> Metrics:
        """The forward pass alone."""
        forward = self._forward(weights, loaded, keep=False)
        return self._figures((*weights, feedback), loaded, [sums for _, sums in forward])[0]

    def simulate(self, weights: Weights, feedback: jax.Array, loaded: Loaded) -> Activity:
        """Spikes and readout of all steps, by the program of the gradients."""
        n_steps = loaded.shape[1]
        traces = [trace for trace, _ in self._forward(weights, loaded, keep=True) if trace is not None]
        z = _by_trial([trace.z for trace in traces], n_steps)
        y = _by_trial([trace.y for trace in traces], n_steps)
        return Activity(z, y)

    def _forward(self, weights: Weights, loaded: Loaded, *, keep: bool) -> list[tuple[Trace | None, Sums]]:
        calls = [partial(_forward, *self._constants, keep, weights, chunk) for chunk in loaded.chunks]
        return self._each(calls)

    def _figures(
        self, weights: Sequence[jax.Array], loaded: Loaded, sums: list[Sums]
    ) -> tuple[Metrics, jax.Array]:
        targets = [chunk.targets for chunk in loaded.chunks]
        with self._scope():
            found, c = _figures(*self._constants, loaded.shape, weights, sums, targets)
        self.pending = found
        return Metrics(*found), c

    def _each(self, calls: list[Callable[[], T]]) -> list[T]:
        """Results of programs that run at the same time, one for each chunk."""

        def scoped(call: Callable[[], T]) -> T:
            with self._scope():  # settings are those of a thread
                return call()

        return concurrently([partial(scoped, call) for call in calls])

    def _scope(self) -> Any:
        return CALLS.scope(self._setting.dtype)


def _blocks(array: np.ndarray, n: int) -> np.ndarray:
    """(trials, time, ..) to (blocks, n, trials, ..), with zeros in front."""
    n_trials, n_steps, *rest = array.shape
    n_blocks = -(-n_steps // n)
    found = np.zeros((n_blocks * n, n_trials, *rest), array.dtype)
    found[n_blocks * n - n_steps :] = array.swapaxes(0, 1)
    return found.reshape(n_blocks, n, n_trials, *rest)


def _by_trial(parts: list[jax.Array], n_steps: int) -> np.ndarray:
    """(batch, time, n) from chunks of (blocks, steps, trials, n), without the silent steps in front."""
    flat = [part.reshape(-1, *part.shape[2:])[-n_steps:] for part in map(np.asarray, parts)]
    return np.concatenate([part.swapaxes(0, 1) for part in flat])


@partial(jax.jit, static_argnums=(0, 1, 2))
def _forward(
    network: Network, objective: Objective, keep: bool, weights: Weights, chunk: Chunk
) -> tuple[Trace | None, Sums]:
    return adjoint.forward(network, objective, weights, chunk, keep=keep)


_backward = jax.jit(adjoint.backward, static_argnums=(0, 1))
_online = jax.jit(online.forward, static_argnums=(0, 1))
_online_gradients = jax.jit(online.gradients, static_argnums=0)
_figures = jax.jit(figures, static_argnums=(0, 1, 2))
