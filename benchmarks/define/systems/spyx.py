"""spyx: spiking layers on JAX and Flax, trained by backpropagation through a scan."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner, only_loss
from benchmarks.define.systems.peer import Peer
from implementations.interface import Setting


class Spyx(Peer):
    """A layer of its `StatefulLayer` contract with the step of README.md, and its own readout."""

    name = "spyx"
    title = "spyx"
    environment = "spyx"
    package = "spyx"
    imports = "spyx.nn"
    licence = "MIT"
    same = "Neurons, surrogate derivative, readout, loss and gradients are those of README.md."
    differs = "Nothing is; the recurrent layer is ours, run by its scan, and the readout is its LI."
    followed = (
        "The guide of release 1.0: layers as Flax modules with initial_state, nn.run over time, axn.custom"
        " for the derivative, nnx.Optimizer with optax's Adam, and nnx.jit around the training step."
    )
    cannot = "It has no e-prop, and its own ALIF no recurrent weights."
    computes = {"bptt": ("adjoint",), "bptt_detached": ("adjoint",)}  # noqa: RUF012
    own = False

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        return SpyxLearner(setting, parameters, self.own)


class SpyxRlif(Spyx):
    """Its own `RLIF` and `LI`, as they are."""

    name = "spyx_rlif"
    title = "spyx RLIF"
    cost_alone = "its own network"
    same = "Sizes, trials, input and readout weights, loss and optimizer are those of README.md."
    differs = (
        "Neurons do not adapt, are reset in the step of their spike, are never refractory, and have its own"
        " derivative; recurrent weights are its own."
    )
    computes = {"bptt": ("adjoint",)}  # noqa: RUF012
    own = True


class SpyxLearner(PeerLearner):
    """Flax modules and optax, updated in place.

    Args:
        setting: what it is to do.
        parameters: initial weights.
        own: with its own recurrent layer.
    """

    engine = "scan"

    def __init__(self, setting: Setting, parameters: impl.Parameters, own: bool) -> None:
        import jax
        import optax
        from flax import nnx  # pyright: ignore[reportMissingImports]

        from benchmarks.define.systems.learners import trees

        super().__init__(setting)
        self._jax, self._nnx, self._trees = jax, nnx, trees
        self._net = _network(setting, parameters, own)
        adam, objective, dt_ms = setting.optimizer, setting.objective, setting.network.dt_ms
        kept = nnx.All(nnx.Param, lambda path, _: path[-1] in ("w_in", "w_rec", "w_out", "recurrent_w"))
        rule = optax.adam(adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon)
        self._optimizer = nnx.Optimizer(self._net, rule, wrt=kept)

        def loss(net: Any, inputs: Any, targets: Any) -> Any:
            spikes, readout = net(inputs)
            within = readout[-objective.window :]
            classes = targets[None].repeat(objective.window, 0)
            task = optax.softmax_cross_entropy_with_integer_labels(within, classes).mean()
            rates = spikes.mean((0, 1)) / dt_ms
            return task + objective.rate_cost * ((rates - objective.rate_target_per_ms) ** 2).sum()

        with_gradient = nnx.value_and_grad(loss, argnums=nnx.DiffState(0, kept))

        @nnx.jit
        def train(net: Any, optimizer: Any, inputs: Any, targets: Any) -> Any:
            value, gradients = with_gradient(net, inputs, targets)
            optimizer.update(net, gradients)
            return value

        self._train, self._with_gradient = train, nnx.jit(with_gradient)
        self._run = nnx.jit(lambda net, inputs: net(inputs))

    def load(self, batch: impl.Batch) -> Any:
        """See `PeerLearner`."""
        return self._trees.on_device(batch, self.setting.dtype)

    def step(self, loaded: Any) -> impl.Metrics:
        """See `PeerLearner`."""
        return only_loss(self._train(self._net, self._optimizer, *loaded))

    def gradients(self, loaded: Any) -> tuple[impl.Gradients, float]:
        """See `PeerLearner`."""
        value, found = self._with_gradient(self._net, *loaded)
        w_rec = np.array(found["cell"]["w_rec"][...])
        np.fill_diagonal(w_rec, 0.0)
        w_in, w_out = (np.array(found[name][...]) for name in ("w_in", "w_out"))
        return impl.Gradients(w_in, w_rec, w_out), float(value)

    def simulate(self, loaded: Any) -> impl.Activity:
        """See `PeerLearner`."""
        spikes, readout = (np.asarray(part).swapaxes(0, 1) for part in self._run(self._net, loaded[0]))
        return impl.Activity(spikes > 0.0, readout)

    def state(self) -> dict[str, np.ndarray]:
        """See `PeerLearner`."""
        return self._trees.as_arrays(self._all())

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `PeerLearner`."""
        there = self._all()
        for module, of in zip((self._net, self._optimizer), self._trees.as_tree(there, state), strict=True):
            self._nnx.update(module, of)

    def synchronize(self) -> None:
        """See `PeerLearner`."""
        self._jax.block_until_ready(self._jax.tree.leaves(self._all()))

    def _all(self) -> Any:
        return tuple(self._nnx.state(module) for module in (self._net, self._optimizer))


def _network(setting: Setting, parameters: impl.Parameters, own: bool) -> Any:
    import jax
    import jax.numpy as jnp
    import spyx.axn as axn  # pyright: ignore[reportMissingImports]
    import spyx.nn as snn  # pyright: ignore[reportMissingImports]
    from flax import nnx  # pyright: ignore[reportMissingImports]

    from benchmarks.define.systems.learners import trees

    trees.configure(setting.dtype)
    network, dtype = setting.network, setting.dtype
    theta, n_ref = network.threshold, float(network.refractory_steps)
    beta = jnp.asarray(network.beta, dtype)
    spike = axn.custom(
        lambda u: network.dampening * jnp.maximum(0.0, 1.0 - jnp.abs(u)), lambda u: (u > 0.0).astype(u.dtype)
    )
    no_gradient = jax.lax.stop_gradient
    # no connection of a neuron to itself, from no update either
    others = jnp.asarray(1.0 - np.eye(network.n_rec), dtype)

    class Alif(nnx.Module):
        def __init__(self) -> None:
            self.w_rec = nnx.Param(jnp.asarray(parameters.w_rec, dtype))

        def initial_state(self, batch: int) -> tuple[Any, ...]:
            return (jnp.zeros((batch, network.n_rec), dtype),) * 4

        def __call__(self, current: Any, state: Any) -> tuple[Any, Any]:
            v, a, z, silent = state
            a = network.rho * a + z
            reset = z if setting.rule.reset_gradient else no_gradient(z)
            v = network.alpha * v + current + z @ (others * self.w_rec[...]) - theta * reset
            z = jnp.where(silent <= 0.0, spike((v - theta - beta * a) / theta), 0.0)
            return z, (v, a, z, jnp.clip(silent + n_ref * no_gradient(z) - 1.0, 0.0, n_ref))

    class Net(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            rlif = {"beta": network.alpha, "threshold": theta, "rngs": rngs}
            self.cell = snn.RLIF((network.n_rec,), **rlif) if own else Alif()
            self.readout = snn.LI((network.n_out,), beta=network.kappa, rngs=rngs)
            self.w_in = nnx.Param(jnp.asarray(parameters.w_in, dtype))
            self.w_out = nnx.Param(jnp.asarray(parameters.w_out, dtype))

        def __call__(self, inputs: Any) -> tuple[Any, Any]:
            spikes, _ = snn.run(self.cell, inputs @ self.w_in[...])
            drive = (1.0 - network.kappa) * (spikes @ self.w_out[...])
            return spikes, snn.run(self.readout, drive)[0]

    return Net()
