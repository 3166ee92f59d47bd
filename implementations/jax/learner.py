"""The JAX backend: what it keeps between calls, and the programs that are compiled."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from implementations import checks, registry
from implementations.interface import Activity, Gradients, Metrics, Setting, check_loaded
from implementations.interface import Learner as Interface
from implementations.jax import adjoint, compiled, online
from implementations.jax.adjoint import forward
from implementations.jax.dynamics import Chunk, Weights, block_length, run
from implementations.jax.loss import Figures, figures, rate_loss
from implementations.network import Parameters
from implementations.optimizer import Adam
from implementations.tasks import Batch

_LEAST_TRIALS = 4  # of a chunk


def unavailable(device: str) -> str | None:
    """Why the backend can't run on the device; None where it can. Looks for GPUs only if asked for one."""
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    if device == "cpu":
        if platforms and "cpu" not in platforms.split(","):
            return f"JAX is set to the platforms {platforms!r}, of which 'cpu' is none"
        return None
    try:
        jax.devices(device)
    except RuntimeError as error:
        return f"JAX finds no CUDA device: {str(error).splitlines()[0]}"
    return None


class Train(NamedTuple):
    """What training changes. Its arrays are given up (donated) to the program that makes the next ones."""

    weights: Weights
    optimizer: optax.OptState


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


class Learner(Interface):
    """Programs compiled by XLA, once for each setting and shape; calls return before they are done.

    `threads` is the number of chunks of trials that are computed at the same time (at most a core each). XLA has
    a thread pool of its own for large matrix products, as wide as the machine, which no program can narrow:
    with `threads=1` these products still use it.
    """

    rules = ("bptt", "eprop_symmetric", "eprop_random")

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._setting = setting
        # what the programs depend on: learners that differ in the rest share them
        self._problem = dataclasses.replace(setting, optimizer=Adam(), device="", threads=None)
        self._device = jax.devices(setting.device)[0]
        threads = (setting.threads or registry.available_cores()) if setting.device == "cpu" else 1
        self._threads = threads
        with self._scope():
            weights = Weights(parameters.w_in, parameters.w_rec, parameters.w_out)  # type: ignore[arg-type]
            weights = self._put(jax.tree.map(lambda array: np.array(array, setting.dtype), weights))
            self._feedback = self._put(np.array(parameters.feedback, setting.dtype))
            self._train = Train(weights, _start(setting.optimizer, weights))
        self._pending: Any = None

    def load(self, batch: Batch) -> Loaded:
        """To the device, time-major, in chunks and blocks."""
        checks.instance("batch", batch, Batch)
        objective, dtype = self._setting.objective, self._setting.dtype
        batch.check_fits(self._setting.network, objective)
        n_batch, n_steps, _ = batch.spikes.shape
        n = block_length(n_steps)
        bounds = np.linspace(0, n_batch, min(self._threads, max(n_batch // _LEAST_TRIALS, 1)) + 1).astype(int)
        chunks = []
        for first, last in zip(bounds[:-1], bounds[1:], strict=True):
            targets = batch.targets[first:last]
            if objective.loss == "squared_error":
                targets = _blocks(targets.astype(dtype), n)
            else:
                targets = targets.astype(np.int32)
            chunks.append(Chunk(_blocks(batch.spikes[first:last], n), targets))  # type: ignore[arg-type]
        with self._scope():
            return Loaded(self._put(chunks), (n_batch, n_steps), self._setting)

    def gradients(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        """See the interface."""
        found, metrics = self._gradients(loaded)
        return Gradients(*(np.array(array) for array in found)), metrics

    def step(self, loaded: Loaded) -> Metrics:
        """See the interface; returns before it is done."""
        found, metrics = self._gradients(loaded)
        with self._scope():
            self._train = _update(self._setting.optimizer, self._train, found)
        return metrics

    def evaluate(self, loaded: Loaded) -> Metrics:
        """See the interface; returns before it is done."""
        check_loaded(loaded, Loaded, self._setting)
        with self._scope():
            found = _evaluate(self._problem, loaded.shape, self._train.weights, loaded.chunks)
        return self._metrics(found)

    def simulate(self, loaded: Loaded) -> Activity:
        """See the interface."""
        check_loaded(loaded, Loaded, self._setting)
        with self._scope():
            z, y = _simulate(self._problem, loaded.shape, self._train.weights, loaded.chunks)
        return Activity(np.array(z), np.array(y))

    def synchronize(self) -> None:
        """Waits for the latest programs, which run in the order in which they were called."""
        jax.block_until_ready((self._train, self._pending))

    def parameters(self) -> Parameters:
        """Copies."""
        return Parameters(*map(np.asarray, self._train.weights), np.asarray(self._feedback))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of optax's state, named by where they are in it."""
        return {name: np.array(array) for name, array in self._named(self._train).items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See the interface."""
        names = self._named(self._train)
        arrays = [np.array(state[name], array.dtype) for name, array in names.items()]
        with self._scope():
            self._train = self._put(jax.tree.unflatten(jax.tree.structure(self._train), arrays))

    @staticmethod
    def compilations() -> int:
        """See the interface."""
        return compiled.compilations()

    def _gradients(self, loaded: Loaded) -> tuple[Weights, Metrics]:
        check_loaded(loaded, Loaded, self._setting)
        weights = self._train.weights
        feedback = weights.w_out if self._setting.rule.feedback == "readout" else self._feedback
        with self._scope():
            found, numbers = _gradients(self._problem, loaded.shape, weights, feedback, loaded.chunks)
        return found, self._metrics(numbers)

    def _metrics(self, found: Figures) -> Metrics:
        self._pending = found
        return Metrics(*found)

    def _put(self, arrays: Any) -> Any:
        return jax.device_put(arrays, self._device)

    def _scope(self) -> Any:
        return compiled.scope(self._setting.dtype)

    @staticmethod
    def _named(train: Train) -> dict[str, jax.Array]:
        leaves, _ = jax.tree_util.tree_flatten_with_path(train)
        return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _blocks(array: np.ndarray, n: int) -> np.ndarray:
    """(trials, time, ..) to (blocks, n, trials, ..), with zeros in front."""
    n_trials, n_steps, *rest = array.shape
    n_blocks = -(-n_steps // n)
    found = np.zeros((n_blocks * n, n_trials, *rest), array.dtype)
    found[n_blocks * n - n_steps :] = array.swapaxes(0, 1)
    return found.reshape(n_blocks, n, n_trials, *rest)


def _optimizer(settings: Adam) -> optax.GradientTransformation:
    return optax.adam(settings.learning_rate, settings.beta1, settings.beta2, settings.epsilon)


@partial(jax.jit, static_argnums=0)
def _start(settings: Adam, weights: Weights) -> optax.OptState:
    return _optimizer(settings).init(weights)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _update(settings: Adam, train: Train, gradients: Weights) -> Train:
    updates, optimizer = _optimizer(settings).update(gradients, train.optimizer, train.weights)
    return Train(optax.apply_updates(train.weights, updates), optimizer)  # type: ignore[arg-type]


@partial(jax.jit, static_argnums=(0, 1))
def _gradients(
    problem: Setting, shape: tuple[int, int], weights: Weights, feedback: jax.Array, chunks: list[Chunk]
) -> tuple[Weights, Figures]:
    form = online if problem.mode == "online" else adjoint
    return form.gradients(problem, shape, weights, feedback, chunks)


@partial(jax.jit, static_argnums=(0, 1))
def _evaluate(problem: Setting, shape: tuple[int, int], weights: Weights, chunks: list[Chunk]) -> Figures:
    network, objective = problem.network, problem.objective
    sums = [forward(problem, shape, weights, chunk, keep=False)[1] for chunk in chunks]
    counts = sum(part.counts for part in sums)
    rate = rate_loss(network, objective, counts, shape[0] * shape[1], problem.dtype)
    return figures(objective, weights, sums, [chunk.targets for chunk in chunks], rate)


@partial(jax.jit, static_argnums=(0, 1))
def _simulate(
    problem: Setting, shape: tuple[int, int], weights: Weights, chunks: list[Chunk]
) -> tuple[jax.Array, jax.Array]:
    parts = [run(problem.network, weights, chunk.x) for chunk in chunks]
    z, y = (jnp.concatenate(arrays, axis=2) for arrays in zip(*parts, strict=True))
    # (blocks, steps, batch, n) to (batch, time, n), without the silent steps in front
    return tuple(array.reshape(-1, *array.shape[2:])[-shape[1] :].swapaxes(0, 1) for array in (z, y))  # type: ignore[return-value]
