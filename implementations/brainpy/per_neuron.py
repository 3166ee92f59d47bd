"""What each neuron does by itself on the way back, through v and a: the recursion of README.md without W_rec.

It is all that is left of the gradient in e-prop, and a part of it in BPTT. Here it is once as a network that
BrainPy differentiates, and once as the recursion itself, which online.py runs over a block.
"""

import brainpy.math as bm
import jax
import jax.numpy as jnp
from brainpy.dyn import NeuDyn

from implementations.brainpy.dynamics import Synapses
from implementations.brainpy.replay import Replay
from implementations.way_back import WayBack


class Eprop(Replay):
    """The network whose neurons keep their gradients to themselves, those through the reset or none at it."""

    def fire(self, current: jax.Array, known: jax.Array, synapses: Synapses) -> jax.Array:
        """Spikes arrive, no gradient leaves. In a[t], which is the neuron's own, it does."""
        return self.neurons(self.by_itself(self.neurons, current), known)


class PerNeuron(NeuDyn):
    """The recursion of each neuron by itself, backward in time.

    Attributes:
        lam_v, lam_a: (batch, n) of the step after.
    """

    def __init__(
        self, way: WayBack, psi: jax.Array, first: int = 0, lam_v: float = 0.0, lam_a: float = 0.0
    ) -> None:
        super().__init__(way.beta.size - first, mode=bm.TrainingMode(psi.shape[1]))
        self._way = way
        self._first = first
        self._beta = jnp.asarray(way.beta[first:], psi.dtype)
        self.lam_v = bm.Variable(jnp.full_like(psi[0, :, first:], lam_v))
        self.lam_a = bm.Variable(jnp.full_like(psi[0, :, first:], lam_a))

    def update(self, psi: jax.Array, drive: jax.Array | float) -> jax.Array:
        """lam_v[t] from psi[t] (batch, n_rec) and what dz[t] gets from outside the neuron."""
        way, lam_v, lam_a = self._way, self.lam_v.value, self.lam_a.value
        dz = drive + lam_a
        if way.theta:
            dz -= way.theta * lam_v
        g = psi[:, self._first :] * dz
        self.lam_a.value = way.rho * lam_a - self._beta * g
        self.lam_v.value = way.alpha * lam_v + g
        return self.lam_v.value
