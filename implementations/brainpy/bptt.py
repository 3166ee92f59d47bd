"""Backward through time: nothing is left out of the gradient."""

import jax

from implementations.brainpy.dynamics import SpikingNetwork, Synapses


class ThroughTime(SpikingNetwork):
    """The network whose gradient flows through all connections and the reset."""

    def heard(self, z: jax.Array) -> jax.Array:
        """As it is."""
        return z

    def error_feedback(self, synapses: Synapses) -> jax.Array:
        """W_out, the way that spikes took."""
        return synapses.readout
