"""The JAX backend: what it keeps between calls, and the programs that are compiled."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import jax
import numpy as np
import optax

from implementations import checks, registry
from implementations.interface import Activity, Gradients, Metrics, Setting, check_loaded
from implementations.interface import Learner as Interface
from implementations.jax import adjoint, data_parallel, online
from implementations.jax.adjoint import Trace
from implementations.jax.dynamics import Chunk, Weights, block_length
from implementations.jax.loss import Sums, figures
from implementations.jax.workers import concurrently
from implementations.network import Parameters
from implementations.optimizer import Adam
from implementations.rules import Rule
from implementations.tasks import Batch
from implementations.xla import Calls, make_room

_LEAST_TRIALS = 4  # of a chunk
_calls = Calls()

T = TypeVar("T")


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
    feedback: jax.Array
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

    `threads` is the number of chunks of trials that are computed at the same time. XLA has a thread pool of
    its own, as wide as the machine, for large products and elementwise work; no setting of a program narrows
    it. So `threads=1` is one chunk, whose large products still use all cores.
    """

    data_parallel = True
    rules = ("bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive", "bptt_detached")

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        make_room()
        self._setting = setting
        # what the programs depend on: learners that differ in the rest share them
        self._problem = dataclasses.replace(setting, optimizer=Adam(), device="", threads=None)
        self._mesh = data_parallel.mesh(setting)
        # where arrays go: weights, and a chunk of trials
        self._everywhere: Any = jax.devices(setting.device)[0]
        self._by_trial: Any = self._everywhere
        if setting.devices > 1:
            self._everywhere = data_parallel.everywhere(self._mesh)
            self._by_trial = data_parallel.shared_out(self._mesh, setting.objective.loss)
        threads = (setting.threads or registry.available_cores()) if setting.device == "cpu" else 1
        threads = 1 if setting.devices > 1 else threads
        self._threads = threads
        with self._scope():
            weights = Weights(parameters.w_in, parameters.w_rec, parameters.w_out)  # type: ignore[arg-type]
            weights = self._put(jax.tree.map(lambda array: np.array(array, setting.dtype), weights))
            feedback = self._put(np.array(parameters.feedback, setting.dtype))
            # put there, as all later ones will be: what no input decides, JAX would leave free to move
            optimizer = _start(setting.optimizer, setting.rule, weights, feedback)
            self._train = Train(weights, feedback, self._put(optimizer))
        self._pending: Any = None

    def load(self, batch: Batch) -> Loaded:
        """To the device, time-major, in chunks and blocks."""
        checks.instance("batch", batch, Batch)
        objective, dtype = self._setting.objective, self._setting.dtype
        batch.check_fits(self._setting.network, objective)
        n_batch, n_steps, _ = batch.spikes.shape
        batch.check_shared_out(self._setting.devices)
        n = block_length(n_steps)
        n_chunks = min(self._threads, max(n_batch // _LEAST_TRIALS, 1))
        bounds = [n_batch * k // n_chunks for k in range(n_chunks + 1)]
        chunks = []
        for first, last in itertools.pairwise(bounds):
            targets = batch.targets[first:last]
            if objective.loss == "squared_error":
                targets = _blocks(targets.astype(dtype), n)
            else:
                targets = targets.astype(np.int32)
            chunks.append(Chunk(_blocks(batch.spikes[first:last], n), targets))  # type: ignore[arg-type]
        with self._scope():
            on_device = [jax.device_put(chunk, self._by_trial) for chunk in chunks]
        jax.block_until_ready(on_device)
        return Loaded(on_device, (n_batch, n_steps), self._setting)

    def gradients(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        """See the interface."""
        parts, metrics = self._gradients(loaded)
        return Gradients(
            *(sum(map(np.asarray, arrays[1:]), np.array(arrays[0])) for arrays in zip(*parts, strict=True))
        ), metrics

    def step(self, loaded: Loaded) -> Metrics:
        """See the interface; returns before it is done."""
        parts, metrics = self._gradients(loaded)
        with self._scope():
            self._train = _update(self._setting.optimizer, self._setting.rule, self._train, parts)
        return metrics

    def evaluate(self, loaded: Loaded) -> Metrics:
        """See the interface; returns before it is done."""
        check_loaded(loaded, Loaded, self._setting)
        forward = self._forward(loaded, keep=False)
        return self._figures(loaded, [sums for _, sums in forward])[0]

    def simulate(self, loaded: Loaded) -> Activity:
        """See the interface; the program is that of the gradients."""
        check_loaded(loaded, Loaded, self._setting)
        n_steps = loaded.shape[1]
        traces = [trace for trace, _ in self._forward(loaded, keep=True) if trace is not None]
        z = _by_trial([trace.z for trace in traces], n_steps)
        y = _by_trial([trace.y for trace in traces], n_steps)
        return Activity(z, y)

    def synchronize(self) -> None:
        """Waits for the latest programs, which run in the order in which they were called."""
        jax.block_until_ready((self._train, self._pending))

    def parameters(self) -> Parameters:
        """Copies."""
        w_in, w_rec, w_out = map(np.asarray, self._train.weights)
        return Parameters(w_in, w_rec, w_out, np.asarray(self._train.feedback))

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
        return _calls.compilations

    def _gradients(self, loaded: Loaded) -> tuple[list[Weights], Metrics]:
        """Gradients of each chunk, to be added up, and the metrics of all."""
        check_loaded(loaded, Loaded, self._setting)
        n_batch, weights = loaded.shape[0], self._train.weights
        feedback = weights.w_out if self._setting.rule.feedback == "readout" else self._train.feedback
        if self._setting.devices > 1:
            with self._scope():
                part, self._pending = data_parallel.gradients(
                    self._mesh, self._problem, loaded.shape, weights, feedback, loaded.chunks[0]
                )
            return [part], Metrics(*self._pending)
        if self._setting.mode == "online":
            found = self._each(
                [
                    partial(_online, self._problem, n_batch, weights, feedback, chunk)
                    for chunk in loaded.chunks
                ]
            )
            metrics, c = self._figures(loaded, [sums for _, sums in found])
            parts = [partial(_online_gradients, self._problem, totals, c) for totals, _ in found]
        else:
            forward = self._forward(loaded, keep=True)
            metrics, c = self._figures(loaded, [sums for _, sums in forward])
            parts = [
                partial(_backward, self._problem, n_batch, weights, feedback, chunk, trace, c)
                for chunk, (trace, _) in zip(loaded.chunks, forward, strict=True)
            ]
        return self._each(parts), metrics

    def _forward(self, loaded: Loaded, *, keep: bool) -> list[tuple[Trace | None, Sums]]:
        weights = self._train.weights
        return self._each([partial(_forward, self._problem, keep, weights, chunk) for chunk in loaded.chunks])

    def _figures(self, loaded: Loaded, sums: list[Sums]) -> tuple[Metrics, jax.Array]:
        targets = [chunk.targets for chunk in loaded.chunks]
        with self._scope():
            found, c = _figures(self._problem, loaded.shape, self._train.weights, sums, targets)
        self._pending = found
        return Metrics(*found), c

    def _each(self, calls: list[Callable[[], T]]) -> list[T]:
        """Results of programs that run at the same time, one for each chunk."""

        def scoped(call: Callable[[], T]) -> T:
            with self._scope():  # settings are those of a thread
                return call()

        return concurrently([partial(scoped, call) for call in calls])

    def _put(self, arrays: Any) -> Any:
        return jax.device_put(arrays, self._everywhere)

    def _scope(self) -> Any:
        return _calls.scope(self._setting.dtype)

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


def _by_trial(parts: list[jax.Array], n_steps: int) -> np.ndarray:
    """(batch, time, n) from chunks of (blocks, steps, trials, n), without the silent steps in front."""
    flat = [part.reshape(-1, *part.shape[2:])[-n_steps:] for part in map(np.asarray, parts)]
    return np.concatenate([part.swapaxes(0, 1) for part in flat])


def _optimizer(settings: Adam) -> optax.GradientTransformation:
    return optax.adam(settings.learning_rate, settings.beta1, settings.beta2, settings.epsilon)


def _trained(rule: Rule, weights: Weights, feedback: jax.Array) -> dict[str, jax.Array]:
    """By name, what the optimizer changes."""
    by_name = {**weights._asdict(), "feedback": feedback}
    return {name: by_name[name] for name in rule.trained}


@partial(jax.jit, static_argnums=(0, 1))
def _start(settings: Adam, rule: Rule, weights: Weights, feedback: jax.Array) -> optax.OptState:
    return _optimizer(settings).init(_trained(rule, weights, feedback))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _update(settings: Adam, rule: Rule, train: Train, parts: list[Weights]) -> Train:
    gradients = jax.tree.map(lambda first, *others: sum(others, first), *parts)
    found = {name: getattr(gradients, followed) for name, followed in rule.trained.items()}
    trained = _trained(rule, train.weights, train.feedback)
    updates, optimizer = _optimizer(settings).update(found, train.optimizer, trained)
    trained = {**trained, **cast(dict[str, jax.Array], optax.apply_updates(trained, updates))}
    for name in rule.decayed:
        trained[name] *= 1.0 - settings.readout_decay
    feedback = trained.pop("feedback", train.feedback)
    return Train(Weights(**trained), feedback, optimizer)


@partial(jax.jit, static_argnums=(0, 1))
def _forward(problem: Setting, keep: bool, weights: Weights, chunk: Chunk) -> tuple[Trace | None, Sums]:
    return adjoint.forward(problem, weights, chunk, keep=keep)


_backward = jax.jit(adjoint.backward, static_argnums=(0, 1))
_online = jax.jit(online.forward, static_argnums=(0, 1))
_online_gradients = jax.jit(online.gradients, static_argnums=0)
_figures = jax.jit(figures, static_argnums=(0, 1))
