"""Backward through time: nothing is left out of the gradient."""

import jax

from implementations.brainpy.dynamics import SpikingNetwork, Synapses


class ThroughTime(SpikingNetwork):
    """The network whose gradient flows through all connections and the reset."""

    def heard(self, z: jax.Array) -> jax.Array:
        """As it is."""
        return z

    def read_out(self, z: jax.Array, synapses: Synapses) -> jax.Array:
        """A plain product."""
        return z @ synapses.readout
