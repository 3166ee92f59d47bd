"""e-prop: no gradient between neurons or through the reset.

What is left is the recursion of each neuron by itself, through v and a.
"""

import jax
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import SpikingNetwork


class Eprop(SpikingNetwork):
    """The network whose neurons keep their gradients to themselves."""

    def heard(self, z: jax.Array) -> jax.Array:
        """Spikes arrive, no gradient leaves. In a[t], which is the neuron's own, it does."""
        return stop_gradient(z)
