"""A step once more, its spikes known, to be differentiated: what a rule leaves out of its gradient.

What goes back to the neurons from each other is left to the classes of per_neuron.py, hops.py and bptt.py;
from the readout it is, for all of them, the signal through F.
"""

from abc import abstractmethod

import brainpy.math as bm
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import Neurons, Readout, SpikingNetwork, Synapses, Weights
from implementations.network import Network
from implementations.optimizer import TRAINED
from implementations.rules import Rule


class Replay(SpikingNetwork):
    """The network that a rule differentiates.

    Attributes:
        rule: which.
        told: the readout as the neurons are told of it; None where that is as W_out is.
    """

    def __init__(self, network: Network, weights: Weights, n_batch: int, rule: Rule) -> None:
        super().__init__(network, weights, n_batch, rule.cut)
        self.rule = rule
        self.told = None
        if rule.signal != "error" or "readout" in rule.cut:
            self.told = Readout(network, n_batch, weights.w_in.dtype, rule.cut)

    @abstractmethod
    def fire(self, current: jax.Array, known: jax.Array, synapses: Synapses) -> jax.Array:
        """z[t], whose gradient goes back to z[t-1] as far as the rule has it; arguments as of `replay`."""

    def replay(
        self, current: jax.Array, output: jax.Array, known: jax.Array, synapses: Synapses
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """The step.

        Args:
            current: (batch, n_rec), [x[t], z[t-1]] times the weights.
            output: (batch, n_out), z[t] W_out.
            known: (batch, n_rec) bool, z[t].
            synapses: what spikes send back through.

        Returns:
            z[t]; y[t], and where the neurons are told something else than W_out, y[t] for them.
        """
        z = self.fire(current, known, synapses)
        if self.told is None:
            return z, (self.readout(send(output, z, synapses.feedback)),)
        return z, (self.readout(output), self.told(send(stop_gradient(output), z, synapses.feedback)))

    def from_neurons(self, synapses: Synapses, *, reset: bool) -> jax.Array:
        """(n_rec, n_rec), W_rec by which spikes arrive, with the reset on its diagonal or without."""
        w_rec = synapses.arriving[self._n_in :]
        return w_rec if reset else w_rec * (1 - jnp.eye(len(w_rec), dtype=w_rec.dtype))

    def by_itself(self, neurons: Neurons, current: jax.Array) -> jax.Array:
        """`current` into neurons; where the rule keeps the reset, its gradient comes back to their z[t-1]."""
        if not self.rule.reset_gradient:
            return current
        z = neurons.z.value
        return current - self._theta * (z - stop_gradient(z))  # as it is: the reset is in it already

    def begin(self, start: dict[str, jax.Array]) -> None:
        """Take up the states before a block, by name as `states` has them."""
        for name, state in self.states.items():
            state.value = start[name]
        if self.told is not None:
            self.told.y.value = start["y"]

    @property
    def trained(self) -> dict[str, bm.Variable]:
        """All weights that a gradient is by."""
        return {name: getattr(self.weights, name) for name in TRAINED}

    @property
    def by_weights(self) -> dict[str, bm.Variable]:
        """Those of them that the rule differentiates by; the others' gradients are 0."""
        return {name: weights for name, weights in self.trained.items() if name in self.rule.trained}

    @property
    def by_states(self) -> dict[str, bm.Variable]:
        """The states that its gradient flows through."""
        found = self.states
        del found["r"]
        if self.rule.feedback == "none":
            return {"y": found["y"]}
        return found if self.told is None else found | {"told": self.told.y}


@jax.custom_vjp
def send(current: jax.Array, z: jax.Array, feedback: jax.Array) -> jax.Array:
    """What z (.., batch, n) causes elsewhere, `current` (.., batch, m), already computed from known spikes.

    Gradients by it go on to `current`, and come back to z through feedback (n, m).
    """
    return current


def _send_forward(current: jax.Array, z: jax.Array, feedback: jax.Array) -> tuple[jax.Array, jax.Array]:
    return current, feedback


def _send_backward(feedback: jax.Array, error: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    return error, error @ feedback.T, None


send.defvjp(_send_forward, _send_backward)
