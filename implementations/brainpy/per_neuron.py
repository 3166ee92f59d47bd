"""What each neuron does by itself on the way back, through v and a: the recursion of README.md without W_rec.

It is all that is left of the gradient in e-prop, and a part of it in BPTT. Here it is once as a network that
BrainPy differentiates, and once as the recursion itself, which online.py runs over a block.
"""

import brainpy.math as bm
import jax
import jax.numpy as jnp
from brainpy.dyn import NeuDyn
from jax.lax import stop_gradient

from implementations.brainpy.dynamics import SpikingNetwork
from implementations.network import Network


class Eprop(SpikingNetwork):
    """The network whose neurons keep their gradients to themselves."""

    def heard(self, z: jax.Array) -> jax.Array:
        """Spikes arrive, no gradient leaves. In a[t], which is the neuron's own, it does."""
        return stop_gradient(z)


class PerNeuron(NeuDyn):
    """The recursion of each neuron by itself, backward in time.

    Attributes:
        lam_v, lam_a: (batch, n) of the step after.
    """

    def __init__(self, network: Network, psi: jax.Array, first: int = 0, lam_a: float = 0.0) -> None:
        super().__init__(network.n_rec - first, mode=bm.TrainingMode(psi.shape[1]))
        self._alpha, self._rho = network.alpha, network.rho
        self._first = first
        self._beta = jnp.asarray(network.beta[first:], psi.dtype)
        self.lam_v = bm.Variable(jnp.zeros_like(psi[0, :, first:]))
        self.lam_a = bm.Variable(jnp.full_like(psi[0, :, first:], lam_a))

    def update(self, psi: jax.Array, drive: jax.Array | float) -> jax.Array:
        """lam_v[t] from psi[t] (batch, n_rec) and what dz[t] gets from outside the neuron."""
        g = psi[:, self._first :] * (drive + self.lam_a.value)
        self.lam_a.value = self._rho * self.lam_a.value - self._beta * g
        self.lam_v.value = self._alpha * self.lam_v.value + g
        return self.lam_v.value
