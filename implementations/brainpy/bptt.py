"""Backward through time: nothing is left out of the gradient, or the reset alone."""

import jax
import jax.numpy as jnp

from implementations.brainpy.dynamics import SpikingNetwork, Synapses


class ThroughTime(SpikingNetwork):
    """The network whose gradient flows through all connections and the reset."""

    def heard(self, z: jax.Array) -> jax.Array:
        """As it is."""
        return z


class DetachedReset(ThroughTime):
    """The same, but for the gradient of a neuron's reset by its own spike."""

    def back_to_neurons(self, synapses: Synapses) -> jax.Array:
        """W_rec, without the reset on its diagonal."""
        w_rec = super().back_to_neurons(synapses)
        return w_rec * (1 - jnp.eye(len(w_rec), dtype=w_rec.dtype))
