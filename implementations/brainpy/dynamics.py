"""The network as BrainPy dynamical systems, one step of a batch of trials at a time.

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

from implementations.network import Network, Parameters
from implementations.optimizer import TRAINED


class Weights(bp.BrainPyObject):
    """The weights of a learner.

    Attributes:
        w_in: (n_in, n_rec); w_rec: (n_rec, n_rec); w_out: (n_rec, n_out). Trained.
        feedback: (n_rec, n_out). Fixed.
    """

    def __init__(self, parameters: Parameters, dtype: np.dtype) -> None:
        super().__init__()
        self.w_in = bm.TrainVar(jnp.asarray(parameters.w_in, dtype))
        self.w_rec = bm.TrainVar(jnp.asarray(parameters.w_rec, dtype))
        self.w_out = bm.TrainVar(jnp.asarray(parameters.w_out, dtype))
        self.feedback = bm.Variable(jnp.asarray(parameters.feedback, dtype))

    @property
    def trained(self) -> dict[str, bm.TrainVar]:
        """What an optimizer changes, by name."""
        return {name: getattr(self, name) for name in TRAINED}


class Synapses(NamedTuple):
    """Weights as the network uses them. Read before a loop, as a loop carries along all that it reads."""

    arriving: jax.Array  # (n_in + n_rec, n_rec), [W_in; W_rec - theta I]: the reset is a weight
    readout: jax.Array  # (n_rec, n_out)
    feedback: jax.Array  # (n_rec, n_out)


class Neurons(bp.dyn.NeuDyn):
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

    def update(self, current: jax.Array) -> jax.Array:
        """z[t] (batch, n_rec) from the current (batch, n_rec) into each neuron, reset included."""
        return self.update_with_slope(current)[0]

    def update_with_slope(self, current: jax.Array) -> tuple[jax.Array, jax.Array]:
        """z[t] and psi[t], both (batch, n_rec)."""
        # a[t] = rho a[t-1] + z[t-1];  v[t] = alpha v[t-1] + current
        self.a.value = self._rho * self.a.value + self.z.value
        self.v.value = self._alpha * self.v.value + current
        # theta u[t] = v[t] - theta - beta a[t]
        distance = self.v.value - (self._theta + self._beta * self.a.value)
        silent = self.r.value > 0
        self.z.value = spike(distance, silent, self._theta, self._height)
        if self._rest:
            fired = self.z.value.astype(jnp.int32)
            self.r.value = jnp.maximum(self.r.value - 1, 0) + self._rest * fired
        return self.z.value, slope(distance, silent, self._theta, self._height)


class Readout(bp.dyn.NeuDyn):
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

    What a rule sends back through the two connections is left to its own class.
    """

    def __init__(self, network: Network, weights: Weights, n_batch: int, dtype: np.dtype) -> None:
        super().__init__(mode=bm.TrainingMode(n_batch))
        self._theta = network.threshold
        self.weights = weights
        self.neurons = Neurons(network, n_batch, dtype)
        self.readout = Readout(network, n_batch, dtype)

    @abstractmethod
    def heard(self, z: jax.Array) -> jax.Array:
        """z[t-1] as it arrives at the recurrent synapses and at the reset."""

    @abstractmethod
    def read_out(self, z: jax.Array, synapses: Synapses) -> jax.Array:
        """z[t] W_out."""

    def synapses(self) -> Synapses:
        """The weights as they are now."""
        w_rec = self.weights.w_rec.value
        itself = jnp.eye(len(w_rec), dtype=w_rec.dtype)
        # no connection to itself: the diagonal is 0, and so is its gradient
        reset = self._theta * itself
        arriving = jnp.concatenate([self.weights.w_in.value, w_rec * (1 - itself) - reset])
        return Synapses(arriving, self.weights.w_out.value, self.weights.feedback.value)

    def update(self, x: jax.Array, synapses: Synapses) -> tuple[jax.Array, jax.Array]:
        """Spikes z[t] (batch, n_rec) and readout y[t] (batch, n_out) from input x[t] (batch, n_in) bool."""
        current = arrive(x, self.heard(self.neurons.z.value), synapses.arriving)
        z = self.neurons(current)
        return z, self.readout(self.read_out(z, synapses))

    @property
    def states(self) -> dict[str, bm.Variable]:
        """All that one step hands to the next."""
        return self.differentiable | {"r": self.neurons.r}

    @property
    def differentiable(self) -> dict[str, bm.Variable]:
        """The states that gradients flow through."""
        return {"v": self.neurons.v, "a": self.neurons.a, "z": self.neurons.z, "y": self.readout.y}


@jax.custom_vjp
def spike(distance: jax.Array, silent: jax.Array, theta: float, height: float) -> jax.Array:
    """z: 1 where `distance` = theta u > 0 and the neuron is not silent; its derivative by v is psi.

    height is dampening/theta^2, as psi is found from theta u instead of u.
    """
    return ((distance > 0) & ~silent).astype(distance.dtype)


def slope(distance: jax.Array, silent: jax.Array, theta: float, height: float) -> jax.Array:
    """psi[t] = dampening/theta max(0, 1 - |u[t]|) if not silent[t], from theta u."""
    return jnp.where(silent, 0, height * jnp.maximum(theta - jnp.abs(distance), 0))


def _spike_forward(
    distance: jax.Array, silent: jax.Array, theta: float, height: float
) -> tuple[jax.Array, jax.Array]:
    return spike(distance, silent, theta, height), slope(distance, silent, theta, height)


def _spike_backward(psi: jax.Array, dz: jax.Array) -> tuple[jax.Array, None, None, None]:
    return psi * dz, None, None, None


spike.defvjp(_spike_forward, _spike_backward)


@jax.custom_vjp
def arrive(x: jax.Array, z: jax.Array, weights: jax.Array) -> jax.Array:
    """[x, z] @ weights: one product for input, recurrence and reset.

    The gradient is the usual one; only, spikes are kept for it as bool, a quarter of what numbers take.
    """
    return jnp.concatenate([x.astype(z.dtype), z], axis=1) @ weights


def _arrive_forward(
    x: jax.Array, z: jax.Array, weights: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return arrive(x, z, weights), (jnp.concatenate([x, z > 0], axis=1), weights)


def _arrive_backward(
    kept: tuple[jax.Array, jax.Array], lam_v: jax.Array
) -> tuple[None, jax.Array, jax.Array]:
    pre, weights = kept
    n_in = weights.shape[0] - weights.shape[1]
    return None, lam_v @ weights[n_in:].T, pre.astype(lam_v.dtype).T @ lam_v


arrive.defvjp(_arrive_forward, _arrive_backward)
