"""The JAX backend: what it keeps between calls, and which engine computes."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from implementations import checks
from implementations.interface import Learner as Interface
from implementations.interface import Setting, check_loaded
from implementations.jax.arrays import Weights
from implementations.jax.calls import CALLS
from implementations.jax.engines import engine
from implementations.jax.scan import data_parallel
from implementations.network import Parameters
from implementations.optimizer import Adam
from implementations.rules import Rule
from implementations.state import checked, entries
from implementations.types import Activity, Batch, Gradients, Metrics
from implementations.xla import clipped, make_room


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
    """What training changes: replaced as a whole, so that Ctrl-C finds the one before a step, or after it."""

    weights: Weights
    feedback: jax.Array
    optimizer: optax.OptState


class Learner(Interface):
    """Programs compiled by XLA, once for each setting and shape; calls return before they are done.

    Loops by `lax.scan` on the CPU, Triton kernels on a card: see engines.py.
    `threads` is the number of chunks of trials that are computed at the same time. XLA has a thread pool of
    its own, as wide as the machine, for large products and elementwise work; no setting of a program narrows
    it. So `threads=1` is one chunk, whose large products still use all cores.
    """

    data_parallel = True

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        make_room()
        self._setting = setting
        self._everywhere: Any = jax.devices(setting.device)[0]
        if setting.devices > 1:
            self._everywhere = data_parallel.everywhere(data_parallel.mesh(setting))
        self._name, self._engine = engine(setting)
        with self._scope():
            weights = Weights(parameters.w_in, parameters.w_rec, parameters.w_out)  # type: ignore[arg-type]
            weights = self._put(jax.tree.map(lambda array: np.array(array, setting.dtype), weights))
            feedback = self._put(np.array(parameters.feedback, setting.dtype))
            # put there, as all later ones will be: what no input decides, JAX would leave free to move
            optimizer = _start(setting.optimizer, setting.rule, weights, feedback)
            self._train = Train(weights, feedback, self._put(optimizer))

    @property
    def engine(self) -> str:
        """See the interface."""
        return self._name

    def load(self, batch: Batch) -> Any:
        """See the interface."""
        checks.instance("batch", batch, Batch)
        setting = self._setting
        batch.check_fits(setting.network, setting.objective, setting.dtype)
        batch.check_shared_out(setting.devices)
        return self._engine.load(batch)

    def gradients(self, loaded: Any) -> tuple[Gradients, Metrics]:
        """See the interface."""
        parts, metrics = self._gradients(loaded)
        return Gradients(
            *(sum(map(np.asarray, arrays[1:]), np.array(arrays[0])) for arrays in zip(*parts, strict=True))
        ), metrics

    def step(self, loaded: Any) -> Metrics:
        """See the interface; returns before it is done."""
        parts, metrics = self._gradients(loaded)
        with self._scope():
            self._train = _update(self._setting.optimizer, self._setting.rule, self._train, parts)
        return metrics

    def evaluate(self, loaded: Any) -> Metrics:
        """See the interface; returns before it is done."""
        check_loaded(loaded, self._engine.loaded, self._setting)
        return self._engine.evaluate(self._train.weights, self._feedback, loaded)

    def simulate(self, loaded: Any) -> Activity:
        """See the interface."""
        check_loaded(loaded, self._engine.loaded, self._setting)
        return self._engine.simulate(self._train.weights, self._feedback, loaded)

    def synchronize(self) -> None:
        """Waits for the latest programs, which run in the order in which they were called."""
        jax.block_until_ready((self._train, self._engine.pending))

    def parameters(self) -> Parameters:
        """Copies."""
        w_in, w_rec, w_out = map(np.asarray, self._train.weights)
        return Parameters(w_in, w_rec, w_out, np.asarray(self._train.feedback))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights and of optax's state."""
        return {name: np.array(array) for name, array in _named(self._train).items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See the interface."""
        found = checked(state, entries(self._setting))
        arrays = [found[name].astype(array.dtype, copy=False) for name, array in _named(self._train).items()]
        with self._scope():
            self._train = self._put(jax.tree.unflatten(jax.tree.structure(self._train), arrays))

    @staticmethod
    def compilations() -> int:
        """See the interface."""
        return CALLS.compilations

    def _gradients(self, loaded: Any) -> tuple[list[Weights], Metrics]:
        """Gradients, to be added up, and the metrics."""
        check_loaded(loaded, self._engine.loaded, self._setting)
        return self._engine.gradients(self._train.weights, self._feedback, loaded)

    @property
    def _feedback(self) -> jax.Array:
        """F (n_rec, n_out), which sends the error back."""
        train = self._train
        return train.feedback if self._setting.rule.feedback_weights == "feedback" else train.weights.w_out

    def _put(self, arrays: Any) -> Any:
        return jax.device_put(arrays, self._everywhere)

    def _scope(self) -> Any:
        return CALLS.scope(self._setting.dtype)


def _named(train: Train) -> dict[str, jax.Array]:
    """The leaves, in their order, by the names of state.py."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(train)
    return {_name(jax.tree_util.keystr(path, simple=True, separator=".")): leaf for path, leaf in leaves}


def _name(path: str) -> str:
    """Of a leaf, from where it is in `Train` or in optax's state."""
    *inside, last = path.split(".")
    if last == "count":
        return "adam_step"
    return {"mu": "adam_mean_", "nu": "adam_square_"}.get(inside[-1] if inside else "", "") + last


def _optimizer(settings: Adam, rate: Any) -> optax.GradientTransformation:
    return optax.adam(rate, settings.beta1, settings.beta2, settings.epsilon)


def _trained(rule: Rule, weights: Weights, feedback: jax.Array) -> dict[str, jax.Array]:
    """By name, what the optimizer changes."""
    by_name = {**weights._asdict(), "feedback": feedback}
    return {name: by_name[name] for name in rule.trained}


def _steps(state: optax.OptState) -> jax.Array:
    """Steps done, of optax's state, in the dtype of the weights."""
    adam = cast(optax.ScaleByAdamState, cast(Any, state)[0])
    weights = cast(list[jax.Array], jax.tree.leaves(adam.mu))
    return cast(jax.Array, adam.count).astype(weights[0].dtype)


@partial(jax.jit, static_argnums=(0, 1))
def _start(settings: Adam, rule: Rule, weights: Weights, feedback: jax.Array) -> optax.OptState:
    return _optimizer(settings, settings.learning_rate).init(_trained(rule, weights, feedback))


@partial(jax.jit, static_argnums=(0, 1))
def _update(settings: Adam, rule: Rule, train: Train, parts: list[Weights]) -> Train:
    gradients = jax.tree.map(lambda first, *others: sum(others, first), *parts)
    if settings.clip_norm:
        gradients = Weights(*clipped(gradients, settings.clip_norm))
    found = {name: getattr(gradients, followed) for name, followed in rule.trained.items()}
    trained = _trained(rule, train.weights, train.feedback)
    # a rate that stays is a number of Python, which is no argument of the program
    rate = settings.rate(_steps(train.optimizer) + 1, jnp) if settings.scheduled else settings.learning_rate
    updates, optimizer = _optimizer(settings, rate).update(found, train.optimizer, trained)
    if settings.weight_decay:
        trained = {name: array - rate * settings.weight_decay * array for name, array in trained.items()}
    trained = {**trained, **cast(dict[str, jax.Array], optax.apply_updates(trained, updates))}
    for name in rule.decayed:
        trained[name] *= 1.0 - settings.readout_decay
    feedback = trained.pop("feedback", train.feedback)
    return Train(train.weights._replace(**trained), feedback, optimizer)
