"""sparx: spiking networks on JAX with e-prop of their own, online, and BPTT."""

# What is imported below is in an environment that a type checker does not see.
# pyright: reportCallIssue=false

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner, only_loss
from benchmarks.define.systems.peer import Comparison, Peer
from implementations.interface import Setting
from implementations.optimizer import TRAINED

_ONLINE_RULES = ("eprop_symmetric", "eprop_random")


class Sparx(Peer):
    """A cell of its `NeuronModel` protocol with the step of README.md, under its own `learn.eprop`."""

    name = "sparx"
    title = "sparx"
    environment = "sparx"
    package = "sparxml"
    imports = "sparx.learn"
    licence = "MIT"
    same = "Neurons, surrogate derivative, readout and gradients of the task are those of README.md."
    differs = (
        "Its eprop(), which is the online mode here, has no place for the regularisation of firing rates; the"
        " adjoint mode is its forward pass, cut at the recurrent spikes, under a loss of ours that has it."
    )
    followed = (
        "The reference of sparx.learn: eprop(cell, EPropParams, inputs, targets, loss) and eprop_forward,"
        " a cell with init_state and step, and optax's Adam in a jitted step."
    )
    cannot = "Its eprop() trains the loss of the readout alone, and its own ALIFCell resets in another step."
    computes = {  # noqa: RUF012
        "bptt": ("adjoint",),
        "bptt_detached": ("adjoint",),
        "eprop_symmetric": ("adjoint", "online"),
        "eprop_random": ("online",),
    }
    own = False

    def comparisons(self, rule: str, mode: str) -> tuple[Comparison, ...]:
        """The task's loss where it is all that it takes."""
        return (Comparison("task" if mode == "online" else "whole"),)

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        return SparxLearner(setting, parameters, self.own)


class SparxAlif(Sparx):
    """Its own `ALIFCell`, as it is, under its own `learn.eprop`."""

    name = "sparx_alif"
    title = "sparx ALIFCell"
    cost_alone = "its own network"
    same = "Sizes, trials, initial weights, readout, task loss and optimizer are those of README.md."
    differs = "Neurons are reset in the step of their spike, and firing rates are not regularised."
    computes = {"eprop_symmetric": ("online",)}  # noqa: RUF012
    own = True


class SparxLearner(PeerLearner):
    """Weights in a dict, gradients by `sparx.learn`, Adam by optax.

    Args:
        setting: what it is to do.
        parameters: initial weights.
        own: with its own cell.
    """

    engine = "scan"

    def __init__(self, setting: Setting, parameters: impl.Parameters, own: bool) -> None:
        import jax
        import jax.numpy as jnp
        import optax
        from sparx.learn import EPropParams, eprop  # pyright: ignore[reportMissingImports]
        from sparx.learn.online import eprop_forward  # pyright: ignore[reportMissingImports]

        from benchmarks.define.systems.learners import trees

        super().__init__(setting)
        trees.configure(setting.dtype)
        self._jax, self._trees = jax, trees
        network, objective, rule = setting.network, setting.objective, setting.rule
        cell, tau, scale = _cell(setting, own), network.tau_readout_ms, 1.0 - network.kappa
        weights = {name: jnp.asarray(getattr(parameters, name), setting.dtype) for name in TRAINED}
        feedback = None
        if rule.feedback_weights == "feedback":
            feedback = scale * jnp.asarray(parameters.feedback, setting.dtype)
        others = jnp.asarray(1.0 - np.eye(network.n_rec), setting.dtype)

        def as_sparx(of: Any) -> Any:
            # its readout is y[t] = kappa y[t-1] + z[t] w_out + b
            return EPropParams(
                of["w_in"], of["w_rec"], scale * of["w_out"], jnp.zeros(network.n_out, setting.dtype)
            )

        def whole(of: Any, inputs: Any, targets: Any) -> Any:
            cut = rule.hops == 0
            readout, spikes = eprop_forward(cell, as_sparx(of), inputs, tau=tau, cut_recurrence=cut)
            classes = targets[None].repeat(objective.window, 0)
            within = readout[-objective.window :]
            task = optax.softmax_cross_entropy_with_integer_labels(within, classes).mean()
            rates = spikes.mean((0, 1)) / network.dt_ms
            return task + objective.rate_cost * ((rates - objective.rate_target_per_ms) ** 2).sum()

        def online(of: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
            steps = len(inputs)
            onehot = jax.nn.one_hot(targets, network.n_out, dtype=setting.dtype)
            share = jnp.zeros(steps, setting.dtype).at[-objective.window :].set(1.0 / objective.window)
            shown = jnp.broadcast_to(onehot, (steps, *onehot.shape)), share
            loss = lambda y, target: target[1] * optax.softmax_cross_entropy(y, target[0]).mean()  # noqa: E731
            value, found = eprop(cell, as_sparx(of), inputs, shown, loss, tau=tau, feedback=feedback)
            return value, {"w_in": found.w_in, "w_rec": found.w_rec, "w_out": scale * found.w_out}

        def gradients(of: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
            by = online if setting.mode == "online" else jax.value_and_grad(whole)
            value, found = by(of, inputs, targets)
            return value, {**found, "w_rec": others * found["w_rec"]}  # no connection to itself

        adam = setting.optimizer
        optimizer = optax.adam(adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon)

        def train(state: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
            of, moments = state
            value, found = gradients(of, inputs, targets)
            updates, moments = optimizer.update(found, moments)
            return (optax.apply_updates(of, updates), moments), value

        self._state = weights, optimizer.init(weights)
        self._train, self._gradients = jax.jit(train), jax.jit(gradients)
        self._forward = jax.jit(lambda of, inputs: eprop_forward(cell, as_sparx(of), inputs, tau=tau))

    def load(self, batch: impl.Batch) -> Any:
        """See `PeerLearner`."""
        return self._trees.on_device(batch, self.setting.dtype)

    def step(self, loaded: Any) -> impl.Metrics:
        """See `PeerLearner`."""
        self._state, loss = self._train(self._state, *loaded)
        return only_loss(loss)

    def gradients(self, loaded: Any) -> tuple[impl.Gradients, float]:
        """See `PeerLearner`."""
        value, found = self._gradients(self._state[0], *loaded)
        return impl.Gradients(**{name: np.asarray(of) for name, of in found.items()}), float(value)

    def simulate(self, loaded: Any) -> impl.Activity:
        """See `PeerLearner`."""
        readout, spikes = (np.asarray(of).swapaxes(0, 1) for of in self._forward(self._state[0], loaded[0]))
        return impl.Activity(spikes > 0.0, readout)

    def state(self) -> dict[str, np.ndarray]:
        """See `PeerLearner`."""
        return self._trees.as_arrays(self._state)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `PeerLearner`."""
        self._state = self._trees.as_tree(self._state, state)

    def synchronize(self) -> None:
        """See `PeerLearner`."""
        self._jax.block_until_ready(self._state)


def _cell(setting: Setting, own: bool) -> Any:
    """A cell of its protocol; its own one, or one that resets as README.md has it."""
    import jax
    import jax.numpy as jnp
    from flax import struct  # pyright: ignore[reportMissingImports]
    from sparx.dynamics import ALIFCell, Output  # pyright: ignore[reportMissingImports]
    from sparx.surrogate import Triangle  # pyright: ignore[reportMissingImports]

    network = setting.network
    theta, n_ref = network.threshold, float(network.refractory_steps)
    beta = jnp.asarray(network.beta, setting.dtype)
    spike = Triangle(width=theta, scale=network.dampening / theta)  # of potential minus threshold
    if own:
        return ALIFCell(
            *(network.alpha, network.rho, beta, theta),
            surrogate=spike,
            detach_reset=True,
            refractory=float(n_ref),
        )
    no_gradient = jax.lax.stop_gradient

    class State(NamedTuple):
        v: Any
        a: Any
        silent: Any

    @struct.dataclass
    class Cell:
        beta: Any
        graded = False

        def init_state(self, shape: Any, dtype: Any) -> State:
            return State(*(jnp.zeros(shape, dtype),) * 3)

        def step(self, s: State, inputs: Any, dt: Any) -> tuple[State, Any]:
            v = network.alpha * s.v + inputs.jump
            z = spike(v - jnp.where(s.silent > 0.0, jnp.inf, theta + self.beta * s.a))
            reset = z if setting.rule.reset_gradient else no_gradient(z)
            silent = no_gradient(jnp.clip(s.silent + n_ref * z - 1.0, 0.0, n_ref))
            # it resets at the spike, and README.md in the next step, before which v decays
            after = State(v - theta / network.alpha * reset, network.rho * s.a + z, silent)
            return after, Output(z, jnp.zeros_like(z))

        def is_refractory(self, s: State, dt: Any) -> Any:
            return s.silent > 0.0

        def after_threshold(self, s: State, jump: Any, fired: Any) -> State:
            return s

    return Cell(beta)
