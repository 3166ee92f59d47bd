"""e-prop: no gradient between neurons or through the reset, and a feedback matrix of one's choice.

What is left is the recursion of each neuron by itself, through v and a.
"""

import jax
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import SpikingNetwork, Synapses


class Eprop(SpikingNetwork):
    """The network with symmetric feedback."""

    def heard(self, z: jax.Array) -> jax.Array:
        """Spikes arrive, no gradient leaves. In a[t], which is the neuron's own, it does."""
        return stop_gradient(z)

    def error_feedback(self, synapses: Synapses) -> jax.Array:
        """W_out."""
        return synapses.readout


class RandomEprop(Eprop):
    """The network with feedback of its own, random at first."""

    def error_feedback(self, synapses: Synapses) -> jax.Array:
        """`feedback`."""
        return synapses.feedback
