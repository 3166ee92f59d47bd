"""Backward through time: nothing is left out of the gradient, or the reset alone."""

import jax

from implementations.brainpy.dynamics import Synapses
from implementations.brainpy.replay import Replay, send


class ThroughTime(Replay):
    """The network whose gradient flows through all connections and, unless detached, the reset."""

    def fire(self, current: jax.Array, known: jax.Array, synapses: Synapses) -> jax.Array:
        """See the base."""
        w_back = self.from_neurons(synapses, reset=self.rule.reset_gradient)
        return self.neurons(send(current, self.neurons.z.value, w_back), known)
