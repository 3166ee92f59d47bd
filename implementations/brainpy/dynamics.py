"""The network as BrainPy dynamical systems, one step of a batch of trials at a time.

    here        README.md               unit or scaling
    v, a, z, y  v[t], a[t], z[t], y[t]  as there, of the latest step; z as numbers
    distance    u[t]                    times theta, as is v: v[t] - theta - beta a[t]
    arriving    W_in, W_rec             [W_in; W_rec - theta I]: the reset is a weight
    r           refractory              silent steps that are left, n_ref - 1 after a spike: silent where > 0
    _height     dampening               over theta^2, as psi is found from theta u

Arrays are time-major, (time, batch, n). A network is built where it is used, inside a compiled program: its
states are local to that program, so that nothing is left over between batches, learners or threads.
"""

from typing import NamedTuple

import brainpy as bp
import brainpy.math as bm
import jax
import jax.numpy as jnp
import numpy as np
from brainpy.dyn import NeuDyn
from jax.lax import stop_gradient

from implementations.network import Network


class Weights(bp.DynamicalSystem):
    """The weights of a network.

    Attributes:
        w_in: (n_in, n_rec); w_rec: (n_rec, n_rec); w_out: (n_rec, n_out).
        feedback: (n_rec, n_out), trained by a rule that learns it. In a program it is F, whatever the rule.
    """

    def __init__(self, w_in: jax.Array, w_rec: jax.Array, w_out: jax.Array, feedback: jax.Array) -> None:
        super().__init__(mode=bm.TrainingMode())
        self.w_in = bm.TrainVar(w_in)
        self.w_rec = bm.TrainVar(w_rec)
        self.w_out = bm.TrainVar(w_out)
        self.feedback = bm.TrainVar(feedback)


class Synapses(NamedTuple):
    """Weights as the network uses them. Read before a loop, as a loop carries along all that it reads."""

    arriving: jax.Array  # (n_in + n_rec, n_rec), [W_in; W_rec - theta I]: the reset is a weight
    readout: jax.Array  # (n_rec, n_out)
    feedback: jax.Array  # (n_rec, n_out), F, through which errors come back from the readout


class Neurons(NeuDyn):
    """Regular and adaptive neurons.

    Attributes:
        v, a: (batch, n_rec) potential and adaptation; z: (batch, n_rec) spikes of the latest step, as
            numbers; r: (batch, n_rec) silent steps that are left. All (levels, batch, n_rec) of the levels of
            a ladder.
    """

    def __init__(
        self, network: Network, shape: tuple[int, ...], dtype: np.dtype, cut: tuple[str, ...] = ()
    ) -> None:
        super().__init__(network.n_rec, mode=bm.TrainingMode(shape[-1]))
        self._alpha, self._rho, self._theta = network.alpha, network.rho, network.threshold
        self._height = network.dampening / network.threshold**2
        self._beta = jnp.asarray(network.beta, dtype)
        # r[t+1] = max(r[t] - 1, 0) + (n_ref - 1) z[t], as a silent neuron does not spike
        self._rest = min(max(network.refractory_steps - 1, 0), np.iinfo(np.int32).max)
        self._cut = cut
        shape = (*shape, network.n_rec)
        self.v = bm.Variable(jnp.zeros(shape, dtype))
        self.a = bm.Variable(jnp.zeros(shape, dtype))
        self.z = bm.Variable(jnp.zeros(shape, dtype))
        self.r = bm.Variable(jnp.zeros(shape, jnp.int32))

    def update(self, current: jax.Array, known: jax.Array | None = None) -> jax.Array:
        """One step.

        Args:
            current: (batch, n_rec) into each neuron, reset included.
            known: (batch, n_rec) bool, the spikes, where the trial has been run before.

        Returns:
            z[t] (batch, n_rec); its derivative by v is psi[t].
        """
        return self.update_with_slope(current, known)[0]

    def update_with_slope(
        self, current: jax.Array, known: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """z[t] and psi[t], both (batch, n_rec)."""
        distance = self._integrate(current)
        silent = self.r.value > 0
        psi = self._height * jnp.maximum(self._theta - jnp.abs(stop_gradient(distance)), 0)
        psi = jnp.where(silent, 0, psi)
        fired = (distance > 0) & ~silent if known is None else known
        if self._rest:
            left = jnp.maximum(self.r.value - 1, 0)
            self.r.value = left + self._rest * fired.astype(jnp.int32)
        self.z.value = spike(distance, fired, psi)
        return self.z.value, psi

    def follow(self, current: jax.Array, known: jax.Array, psi: jax.Array) -> None:
        """The same step as neurons that have been updated, whose z[t] and psi[t] (batch, n_rec) these are."""
        self.z.value = spike(self._integrate(current), known, psi)

    def _integrate(self, current: jax.Array) -> jax.Array:
        """theta u[t], whose gradient flows through all filters but those that the rule cuts."""
        v = stop_gradient(self.v.value) if "membrane" in self._cut else self.v.value
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + current
        self.a.value = self._rho * self.a.value + self.z.value
        self.v.value = self._alpha * v + current
        a = stop_gradient(self.a.value) if "adaptation" in self._cut else self.a.value
        # theta u[t] = v[t] - theta - beta a[t]
        return self.v.value - (self._theta + self._beta * a)


class Readout(NeuDyn):
    """Leaky outputs; y: (batch, n_out)."""

    def __init__(self, network: Network, n_batch: int, dtype: np.dtype, cut: tuple[str, ...] = ()) -> None:
        super().__init__(network.n_out, mode=bm.TrainingMode(n_batch))
        self._kappa = network.kappa
        self._cut = cut
        self.y = bm.Variable(jnp.zeros((n_batch, network.n_out), dtype))

    def update(self, current: jax.Array) -> jax.Array:
        """y[t] = kappa y[t-1] + (1-kappa) z[t] W_out, from z[t] W_out."""
        y = stop_gradient(self.y.value) if "readout" in self._cut else self.y.value
        self.y.value = self._kappa * y + (1.0 - self._kappa) * current
        return self.y.value


class SpikingNetwork(bp.DynSysGroup):
    """Neurons that hear the input and each other, and a readout that hears them."""

    def __init__(self, network: Network, weights: Weights, n_batch: int, cut: tuple[str, ...] = ()) -> None:
        super().__init__(mode=bm.TrainingMode(n_batch))
        dtype = weights.w_in.dtype
        self._theta = network.threshold
        self._n_in = network.n_in
        self.weights = weights
        self.neurons = Neurons(network, (n_batch,), dtype, cut)
        self.readout = Readout(network, n_batch, dtype)

    def synapses(self) -> Synapses:
        """The weights as they are now."""
        w_rec = self.weights.w_rec.value
        itself = jnp.eye(len(w_rec), dtype=w_rec.dtype)
        # no connection to itself: the diagonal is 0, and so is its gradient
        from_neurons = w_rec * (1 - itself) - self._theta * itself
        arriving = jnp.concatenate([self.weights.w_in.value, from_neurons])
        return Synapses(arriving, self.weights.w_out.value, self.weights.feedback.value)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: jax.Array, synapses: Synapses
    ) -> tuple[jax.Array, jax.Array]:
        """Spikes z[t] (batch, n_rec) and readout y[t] (batch, n_out) from input x[t] (batch, n_in) bool."""
        before = self.neurons.z.value
        # one product for input, recurrence and reset
        z = self.neurons(jnp.concatenate([x.astype(before.dtype), before], axis=1) @ synapses.arriving)
        return z, self.readout(z @ synapses.readout)

    @property
    def states(self) -> dict[str, bm.Variable]:
        """All that one step hands to the next."""
        neurons = self.neurons
        return {"v": neurons.v, "a": neurons.a, "z": neurons.z, "r": neurons.r, "y": self.readout.y}


@jax.custom_vjp
def spike(distance: jax.Array, fired: jax.Array, psi: jax.Array) -> jax.Array:
    """z as numbers, from `fired` (bool); its derivative by `distance` = theta u is psi, as that by v is.

    `distance` (.., batch, n_rec) may have levels, `fired` and `psi` (batch, n_rec) are the same on each.
    """
    return jnp.broadcast_to(fired.astype(distance.dtype), distance.shape)


def _spike_forward(distance: jax.Array, fired: jax.Array, psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    return spike(distance, fired, psi), psi


def _spike_backward(psi: jax.Array, dz: jax.Array) -> tuple[jax.Array, None, None]:
    return psi * dz, None, None


spike.defvjp(_spike_forward, _spike_backward)
