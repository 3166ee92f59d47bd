"""e-prop: no gradient between neurons or through the reset, and a feedback matrix of one's choice.

What is left is the recursion of each neuron by itself, through v and a.
"""

import jax
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import SpikingNetwork, Synapses


class Eprop(SpikingNetwork):
    """The network with symmetric feedback: errors come back through W_out."""

    def heard(self, z: jax.Array) -> jax.Array:
        """Spikes arrive, no gradient leaves. In a[t], which is the neuron's own, it does."""
        return stop_gradient(z)

    def read_out(self, z: jax.Array, synapses: Synapses) -> jax.Array:
        """A plain product."""
        return z @ synapses.readout


class RandomEprop(Eprop):
    """The network with fixed random feedback."""

    def read_out(self, z: jax.Array, synapses: Synapses) -> jax.Array:
        """A product whose gradient comes back through `feedback`."""
        return project(z, synapses.readout, synapses.feedback)


@jax.custom_vjp
def project(z: jax.Array, forward: jax.Array, feedback: jax.Array) -> jax.Array:
    """z @ forward, (batch, n_out); the gradient of z goes through feedback (n_rec, n_out) instead."""
    return z @ forward


def _project_forward(
    z: jax.Array, forward: jax.Array, feedback: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return z @ forward, (z, feedback)


def _project_backward(
    kept: tuple[jax.Array, jax.Array], error: jax.Array
) -> tuple[jax.Array, jax.Array, None]:
    z, feedback = kept
    return error @ feedback.T, z.T @ error, None


project.defvjp(_project_forward, _project_backward)
