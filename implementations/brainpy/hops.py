"""Backward over a number of recurrent connections: a chain of networks, each of which hears the next one.

Their spikes are the same. But only the first is read out, and what the last one hears is given to it, so that
an error crosses a connection with each link of the chain.
"""

import brainpy.math as bm
import jax
import jax.numpy as jnp

from implementations.brainpy.dynamics import Neurons, Synapses, Weights
from implementations.brainpy.replay import Replay, send
from implementations.network import Network
from implementations.rules import Rule


class Chain(Replay):
    """The first network of the chain, and the neurons of the others.

    Attributes:
        others: with states (hops, batch, n_rec), in the order of the chain.
    """

    def __init__(self, network: Network, weights: Weights, n_batch: int, rule: Rule) -> None:
        super().__init__(network, weights, n_batch, rule)
        self.others = Neurons(network, (int(rule.hops), n_batch), weights.w_in.dtype, rule.cut)

    def fire(self, current: jax.Array, known: jax.Array, synapses: Synapses) -> jax.Array:
        """See the base."""
        spikes = self.others.z.value
        # one product for all links; copies, as the gradient of a broadcast is a sum, slower than additions
        links = jnp.stack([current] * len(spikes))
        links = send(links, spikes, self.from_neurons(synapses, reset=False))
        z, psi = self.neurons.update_with_slope(self.by_itself(self.neurons, links[0]), known)
        currents = jnp.concatenate([links[1:], current[None]])
        self.others.follow(self.by_itself(self.others, currents), known, psi)
        return z

    def begin(self, start: dict[str, jax.Array]) -> None:
        """See the base."""
        super().begin(start)
        for name, state in self._of_others.items():
            state.value = jnp.broadcast_to(start[name], state.value.shape)

    @property
    def by_states(self) -> dict[str, bm.Variable]:
        """See the base."""
        return super().by_states | {f"others_{name}": state for name, state in self._of_others.items()}

    @property
    def _of_others(self) -> dict[str, bm.Variable]:
        return {"v": self.others.v, "a": self.others.a, "z": self.others.z}
