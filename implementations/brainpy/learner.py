"""The BrainPy backend: what it keeps between calls, and the programs that it compiles."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from brainpy.math import defaults  # type: ignore[attr-defined]
from brainpy.math.defaults import env

from implementations import checks, registry
from implementations.brainpy.optimizer import Arrays, training_step
from implementations.brainpy.programs import programs
from implementations.divergence import weights_used
from implementations.interface import Learner as Interface
from implementations.interface import Setting, check_loaded
from implementations.network import Parameters
from implementations.optimizer import TRAINED, HostAdam
from implementations.state import checked, entries
from implementations.types import Activity, Batch, Gradients, Metrics
from implementations.xla import Calls, compiled_as, make_room, worker

WEIGHTS = (*TRAINED, "feedback")
_BLOCK = 50  # steps of a block, at most; a block of 64 trials fits into the cache of a core
_GROUP = 16  # trials that a thread gets at least
_calls = Calls()

Group = tuple[jax.Array, jax.Array, float | jax.Array]


def unavailable(device: str) -> str | None:
    """Why the backend can't run on the device; None where it can."""
    if device == "cuda" and not _devices(device):
        return "this JAX finds no CUDA device: install jax[cuda12] on a machine that has one, or use 'cpu'"
    return None


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch on the device, in groups of trials that may be computed at the same time.

    Attributes:
        groups: x (blocks, steps, trials, n_in) bool, and targets: (trials,) classes, or (window, trials,
            n_out) where the loss is "squared_error". Before the first step of a trial there are as many
            without input as fill up a block: a network at rest stays at rest. Last the scale of the loss,
            1/(trials of the batch x window), times how much each step counts, (window, trials), where not
            all count alike.
        shape: (batch, time) of the batch.
        setting: of the learner that loaded it.
    """

    groups: tuple[Group, ...]
    shape: tuple[int, int]
    setting: Setting


class Learner(Interface):
    """A BrainPy network, differentiated by BrainPy and trained by BrainPy's Adam.

    On the CPU, a batch is cut into one group of trials per thread, and each group's programs run in a
    thread. `threads` = 1 computes a batch as a whole; XLA, whose threads are the process's, still shares
    out the largest products, so that more than one core is at work for a part of the time.
    """

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        make_room()
        self._setting = setting
        self._device = _devices(setting.device)[0]
        on_cpu = setting.device == "cpu"
        self._threads = (setting.threads or registry.available_cores()) if on_cpu else 1
        weights = {name: np.array(getattr(parameters, name), setting.dtype) for name in WEIGHTS}
        # replaced as a whole, and never changed: Ctrl-C finds the state before a step, or the one after it
        self._state = self._on_device(HostAdam(setting.optimizer, setting.rule).start(weights))
        self._programs = programs(
            compiled_as(setting.rule),
            setting.mode,
            setting.network,
            setting.objective,
            setting.dtype.name,
            setting.device,
        )
        self._train = training_step(setting.optimizer, setting.rule, setting.dtype.name, setting.device)

    def load(self, batch: Batch) -> Loaded:
        """Blocks of steps, time-major, on the device."""
        checks.instance("batch", batch, Batch)
        setting = self._setting
        batch.check_fits(setting.network, setting.objective, setting.dtype)
        n_batch, n_steps, n_in = batch.spikes.shape
        n_blocks = -(-n_steps // _BLOCK)
        length = -(-n_steps // n_blocks)
        x = np.zeros((n_blocks * length, n_batch, n_in), np.bool_)
        x[len(x) - n_steps :] = batch.spikes.transpose(1, 0, 2)
        x = x.reshape(n_blocks, length, n_batch, n_in)
        targets = batch.targets
        if setting.objective.loss == "squared_error":
            targets = targets[:, -setting.objective.window :].transpose(1, 0, 2).astype(setting.dtype)
        else:
            targets = targets.astype(np.int32)
        scale = 1.0 / (n_batch * setting.objective.window)
        shares = None if batch.mask is None else scale * batch.shares(setting.objective, setting.dtype).T
        groups = []
        with self._scope():
            n_groups = min(self._threads, max(n_batch // _GROUP, 1))
            edges = np.arange(n_groups + 1) * n_batch // n_groups
            for first, stop in itertools.pairwise(edges):
                of_group = targets[..., first:stop, :] if targets.ndim == 3 else targets[first:stop]
                scales = scale if shares is None else self._put(shares[:, first:stop])
                groups.append((self._put(x[:, :, first:stop]), self._put(of_group), scales))
        return Loaded(tuple(groups), (n_batch, n_steps), setting)

    def gradients(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        """See the interface."""
        with self._scope_for(loaded):
            parts, metrics = self._gradients(loaded)
            host = jax.device_get(parts)
        total = {name: np.sum([part[name] for part in host], axis=0) for name in TRAINED}
        return Gradients(**total), _on_host(metrics)

    def step(self, loaded: Loaded) -> Metrics:
        """See the interface; on the CPU all but the update is done when it returns."""
        with self._scope_for(loaded):
            parts, metrics = self._gradients(loaded)
            self._state = self._train(self._state, parts)
        return metrics

    def evaluate(self, loaded: Loaded) -> Metrics:
        """See the interface."""
        with self._scope_for(loaded):
            return _on_host(self._figures(loaded, self._each("record", [*loaded.groups]))[0])

    def simulate(self, loaded: Loaded) -> Activity:
        """See the interface."""
        with self._scope_for(loaded):
            found = jax.device_get(self._each("run", [(x,) for x, *_ in loaded.groups]))
        n_steps = loaded.shape[1]
        spikes, readout = (
            np.concatenate([part[-n_steps:] for part in parts], axis=1).transpose(1, 0, 2)
            for parts in zip(*found, strict=True)
        )
        return Activity(np.ascontiguousarray(spikes), np.ascontiguousarray(readout))

    def synchronize(self) -> None:
        """See the interface."""
        jax.block_until_ready(self._state)

    def parameters(self) -> Parameters:
        """See the interface."""
        state = self.state()
        return Parameters(*(state[name] for name in WEIGHTS))

    def state(self) -> dict[str, np.ndarray]:
        """See the interface."""
        return {name: np.array(array) for name, array in self._state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See the interface."""
        self._state = self._on_device(checked(state, entries(self._setting)))

    @staticmethod
    def compilations() -> int:
        """See the interface."""
        return _calls.compilations

    def _on_device(self, state: Mapping[str, np.ndarray]) -> Arrays:
        with self._scope():
            return {name: self._put(array) for name, array in state.items()}

    def _gradients(self, loaded: Loaded) -> tuple[list[dict[str, jax.Array]], Metrics]:
        """The gradients of each group, which add up, and the metrics of the batch."""
        inputs = list(loaded.groups)
        found = self._each("forward", inputs)
        metrics, c = self._figures(loaded, found)
        kept = [(kept, c) for _, kept in found]
        return self._each("gradient", [a + b for a, b in zip(inputs, kept, strict=True)]), metrics

    def _figures(self, loaded: Loaded, found: Sequence[Any]) -> tuple[Metrics, jax.Array]:
        n_batch, n_steps = loaded.shape
        n_ms = n_batch * n_steps * self._setting.network.dt_ms
        weights = [self._state[name] for name in weights_used(self._setting.rule)]
        groups = [sums for sums, _ in found]
        figures, c = self._programs.summary(groups, weights, float(n_batch), float(n_ms))
        return Metrics(*figures), c

    def _each(self, name: str, inputs: Sequence[tuple[Any, ...]]) -> list[Any]:
        """A program's results for each group; in threads, once it is compiled for groups of this size."""
        program: Callable[..., Any] = getattr(self._programs, name)
        weights: Arrays = {name: self._state[name] for name in TRAINED}
        weights["feedback"] = self._state[self._setting.rule.feedback_weights]
        key = (name, *(tuple(map(np.shape, group[:3])) for group in inputs))
        if len(inputs) == 1 or key not in self._programs.compiled:
            found = [program(weights, *group) for group in inputs]
            self._programs.compiled.add(key)
            return found

        def work(group: tuple[Any, ...]) -> Any:
            with self._scope():  # JAX's settings are those of a thread
                return jax.block_until_ready(program(weights, *group))

        waits = [worker(number).give(partial(work, group)) for number, group in enumerate(inputs)]
        return [wait() for wait in waits]

    def _put(self, array: np.ndarray) -> jax.Array:
        return jax.device_put(array, self._device)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """JAX set for this learner's dtype and device, in this thread; as it was afterwards."""
        if "bp_object_as_pytree" not in env.settings:  # BrainPy's own, of the thread that imported it
            defaults.setting()  # type: ignore[attr-defined]
        with (
            _calls.scope(self._setting.dtype),
            jax.default_device(self._device),
            # BrainPy's own code moves scalars to the device, and does not pass JAX's checks of itself
            jax.transfer_guard("allow"),
            jax.enable_checks(False),
            jax.check_tracer_leaks(False),
        ):
            yield

    @contextmanager
    def _scope_for(self, loaded: Loaded) -> Iterator[None]:
        check_loaded(loaded, Loaded, self._setting)
        with self._scope():
            yield


def _devices(name: str) -> list[Any]:
    try:
        return jax.devices(name)
    except RuntimeError:
        return []


def _on_host(metrics: Metrics) -> Metrics:
    return Metrics(*(float(figure) for figure in jax.device_get(tuple(vars(metrics).values()))))
