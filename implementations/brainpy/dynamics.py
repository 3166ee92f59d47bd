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

from abc import abstractmethod
from typing import NamedTuple

import brainpy as bp
import brainpy.math as bm
import jax
import jax.numpy as jnp
import numpy as np
from brainpy.dyn import NeuDyn
from jax.lax import stop_gradient

from implementations.network import Network
from implementations.optimizer import TRAINED


class Weights(bp.DynamicalSystem):
    """The weights of a network.

    Attributes:
        w_in: (n_in, n_rec); w_rec: (n_rec, n_rec); w_out: (n_rec, n_out).
        feedback: (n_rec, n_out). Trained by a rule that learns it.
    """

    def __init__(self, w_in: jax.Array, w_rec: jax.Array, w_out: jax.Array, feedback: jax.Array) -> None:
        super().__init__(mode=bm.TrainingMode())
        self.w_in = bm.TrainVar(w_in)
        self.w_rec = bm.TrainVar(w_rec)
        self.w_out = bm.TrainVar(w_out)
        self.feedback = bm.TrainVar(feedback)

    @property
    def differentiated(self) -> dict[str, bm.Variable]:
        """What gradients are by, by name."""
        return {name: getattr(self, name) for name in TRAINED}


class Synapses(NamedTuple):
    """Weights as the network uses them. Read before a loop, as a loop carries along all that it reads."""

    arriving: jax.Array  # (n_in + n_rec, n_rec), [W_in; W_rec - theta I]: the reset is a weight
    readout: jax.Array  # (n_rec, n_out)
    feedback: jax.Array  # (n_rec, n_out), F, through which errors come back from the readout


class Neurons(NeuDyn):
    """Regular and adaptive neurons.

    Attributes:
        v, a: (batch, n_rec) potential and adaptation; z: (batch, n_rec) spikes of the latest step, as
            numbers; r: (batch, n_rec) silent steps that are left.
    """

    def __init__(self, network: Network, n_batch: int, dtype: np.dtype) -> None:
        super().__init__(network.n_rec, mode=bm.TrainingMode(n_batch))
        self._alpha, self._rho, self._theta = network.alpha, network.rho, network.threshold
        self._height = network.dampening / network.threshold**2
        self._beta = jnp.asarray(network.beta, dtype)
        # r[t+1] = max(r[t] - 1, 0) + (n_ref - 1) z[t], as a silent neuron does not spike
        self._rest = min(max(network.refractory_steps - 1, 0), np.iinfo(np.int32).max)
        shape = (n_batch, network.n_rec)
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
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + current
        self.a.value = self._rho * self.a.value + self.z.value
        self.v.value = self._alpha * self.v.value + current
        # theta u[t] = v[t] - theta - beta a[t]
        distance = self.v.value - (self._theta + self._beta * self.a.value)
        silent = self.r.value > 0
        psi = self._height * jnp.maximum(self._theta - jnp.abs(stop_gradient(distance)), 0)
        psi = jnp.where(silent, 0, psi)
        fired = (distance > 0) & ~silent if known is None else known
        if self._rest:
            left = jnp.maximum(self.r.value - 1, 0)
            self.r.value = left + self._rest * fired.astype(jnp.int32)
        self.z.value = spike(distance, fired, psi)
        return self.z.value, psi


class Readout(NeuDyn):
    """Leaky outputs; y: (batch, n_out)."""

    def __init__(self, network: Network, n_batch: int, dtype: np.dtype) -> None:
        super().__init__(network.n_out, mode=bm.TrainingMode(n_batch))
        self._kappa = network.kappa
        self.y = bm.Variable(jnp.zeros((n_batch, network.n_out), dtype))

    def update(self, current: jax.Array) -> jax.Array:
        """y[t] = kappa y[t-1] + (1-kappa) z[t] W_out, from z[t] W_out."""
        self.y.value = self._kappa * self.y.value + (1.0 - self._kappa) * current
        return self.y.value


class SpikingNetwork(bp.DynSysGroup):
    """Neurons that hear the input and each other, and a readout that hears them.

    What goes back to the neurons from each other is left to its own class; from the readout it is the errors,
    through the weights that `feedback` names.
    """

    def __init__(self, network: Network, weights: Weights, n_batch: int, feedback: str) -> None:
        super().__init__(mode=bm.TrainingMode(n_batch))
        dtype = weights.w_in.dtype
        self._theta = network.threshold
        self._n_in = network.n_in
        self._feedback = feedback
        self.weights = weights
        self.neurons = Neurons(network, n_batch, dtype)
        self.readout = Readout(network, n_batch, dtype)

    @abstractmethod
    def heard(self, z: jax.Array) -> jax.Array:
        """z[t-1] as it arrives at the recurrent synapses and at the reset."""

    def back_to_neurons(self, synapses: Synapses) -> jax.Array:
        """(n_rec, n_rec), through which gradients come back from the neurons that heard a spike."""
        return synapses.arriving[self._n_in :]

    def synapses(self) -> Synapses:
        """The weights as they are now."""
        w_rec = self.weights.w_rec.value
        itself = jnp.eye(len(w_rec), dtype=w_rec.dtype)
        # no connection to itself: the diagonal is 0, and so is its gradient
        from_neurons = w_rec * (1 - itself) - self._theta * itself
        arriving = jnp.concatenate([self.weights.w_in.value, from_neurons])
        feedback = getattr(self.weights, self._feedback).value
        return Synapses(arriving, self.weights.w_out.value, feedback)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: jax.Array, synapses: Synapses
    ) -> tuple[jax.Array, jax.Array]:
        """Spikes z[t] (batch, n_rec) and readout y[t] (batch, n_out) from input x[t] (batch, n_in) bool."""
        before = self.neurons.z.value
        # one product for input, recurrence and reset
        z = self.neurons(jnp.concatenate([x.astype(before.dtype), before], axis=1) @ synapses.arriving)
        return z, self.readout(z @ synapses.readout)

    def replay(
        self, current: jax.Array, output: jax.Array, known: jax.Array, synapses: Synapses
    ) -> tuple[jax.Array, jax.Array]:
        """The same step once its spikes are known, to be differentiated.

        Args:
            current: (batch, n_rec), [x[t], z[t-1]] times the weights.
            output: (batch, n_out), z[t] W_out.
            known: (batch, n_rec) bool, z[t].
            synapses: what spikes send back through.
        """
        current = send(current, self.heard(self.neurons.z.value), self.back_to_neurons(synapses))
        z = self.neurons(current, known)
        return z, self.readout(send(output, z, synapses.feedback))

    @property
    def states(self) -> dict[str, bm.Variable]:
        """All that one step hands to the next."""
        return self.differentiable | {"r": self.neurons.r}

    @property
    def differentiable(self) -> dict[str, bm.Variable]:
        """The states that gradients flow through."""
        return {"v": self.neurons.v, "a": self.neurons.a, "z": self.neurons.z, "y": self.readout.y}


@jax.custom_vjp
def spike(distance: jax.Array, fired: jax.Array, psi: jax.Array) -> jax.Array:
    """z as numbers, from `fired` (bool); its derivative by `distance` = theta u is psi, as that by v is."""
    return fired.astype(distance.dtype)


def _spike_forward(distance: jax.Array, fired: jax.Array, psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    return spike(distance, fired, psi), psi


def _spike_backward(psi: jax.Array, dz: jax.Array) -> tuple[jax.Array, None, None]:
    return psi * dz, None, None


spike.defvjp(_spike_forward, _spike_backward)


@jax.custom_vjp
def send(current: jax.Array, z: jax.Array, feedback: jax.Array) -> jax.Array:
    """What z (batch, n) causes elsewhere, `current` (batch, m), already computed from known spikes.

    Gradients by it go on to `current`, and come back to z through feedback (n, m).
    """
    return current


def _send_forward(current: jax.Array, z: jax.Array, feedback: jax.Array) -> tuple[jax.Array, jax.Array]:
    return current, feedback


def _send_backward(feedback: jax.Array, error: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    return error, error @ feedback.T, None


send.defvjp(_send_forward, _send_backward)
