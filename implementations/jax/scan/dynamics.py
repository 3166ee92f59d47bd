"""The forward pass, in blocks of time steps, as pure functions; states, trials, products of blocks.

    here               README.md               unit or scaling
    v, a, z, y         v[t], a[t], z[t], y[t]  as there; z as numbers
    theta_u            u[t]                    times theta, as is v: v[t] - theta - beta a[t]
    with_reset(w_rec)  W_rec                   W_rec - theta I: the reset is a weight
    rest               refractory              silent steps left, n_ref - 1 after a spike: silent where > 0
    height             dampening               over theta^2, as psi is found from theta u

Arrays are time-major, (time, batch, n). A trial whose length is no multiple of the block gets silent steps in
front, which change nothing at all: with v = a = 0, u = -1 and psi = 0.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.jax.arrays import Weights
from implementations.network import Network

BLOCK = 32  # steps at most; what a block needs at once stays in the cache
FOREVER = 2**30  # refractory steps that 32 bits can still count down


class State(NamedTuple):
    """The network after a step. Each (batch, n_rec), y (batch, n_out)."""

    v: jax.Array
    a: jax.Array
    rest: jax.Array  # int32, silent where > 0
    z: jax.Array  # in the dtype of v, as the next step's product needs it
    y: jax.Array

    @classmethod
    def zeros(cls, network: Network, n_batch: int, dtype: np.dtype) -> "State":
        """Before the first step."""
        shape = (n_batch, network.n_rec)
        return cls(
            jnp.zeros(shape, dtype),
            jnp.zeros(shape, dtype),
            jnp.zeros(shape, jnp.int32),
            jnp.zeros(shape, dtype),
            jnp.zeros((n_batch, network.n_out), dtype),
        )


class Chunk(NamedTuple):
    """Some trials of a batch, in blocks of steps.

    Attributes:
        x: (blocks, steps, trials, n_in) bool.
        targets: (trials,) int32 classes, or (blocks, steps, trials, n_out) curves.
        shares: (blocks, steps, trials) by how much each step counts, 0 outside the window; None where all in
            it count alike.
    """

    x: jax.Array
    targets: jax.Array
    shares: jax.Array | None = None


def block_length(n_steps: int) -> int:
    """Steps per block: at most `BLOCK`, with as few silent steps in front as may be."""
    n_blocks = -(-n_steps // BLOCK)
    return -(-n_steps // n_blocks)


def with_reset(theta: float, w_rec: jax.Array) -> jax.Array:
    """W_rec - theta I: the reset is a weight."""
    return w_rec - theta * jnp.eye(len(w_rec), dtype=w_rec.dtype)


def without_diagonal(w_rec: jax.Array) -> jax.Array:
    """A neuron has no connection to itself."""
    return jnp.where(jnp.eye(len(w_rec), dtype=bool), 0, w_rec)


def decays(factor: float, n_steps: int) -> np.ndarray:
    """factor^k for k = 0 .. n_steps, float64."""
    return factor ** np.arange(n_steps + 1)


def filtering(factor: float, n_steps: int) -> np.ndarray:
    """(n_steps, n_steps) float64 F for which (F x)[t] = sum_{s <= t} factor^(t-s) x[s]."""
    lag = np.subtract.outer(np.arange(n_steps), np.arange(n_steps))
    return np.where(lag >= 0, factor ** np.maximum(lag, 0), 0.0)


def integrate(
    network: Network, state: State, z_before: jax.Array, current: jax.Array
) -> tuple[State, jax.Array, jax.Array]:
    """From t-1 to the potentials of t, all (batch, n_rec).

    Args:
        network: constants.
        state: of step t-1; its z and y are not looked at.
        z_before: z[t-1], bool.
        current: x[t] W_in + z[t-1] (W_rec - theta I).

    Returns:
        The state with v[t], a[t] and rest; theta u[t]; silent[t].
    """
    dtype = state.v.dtype
    theta, beta = network.threshold, jnp.asarray(network.beta, dtype)
    # a[t] = rho a[t-1] + z[t-1]
    a = network.rho * state.a + z_before.astype(dtype)
    # v[t] = alpha v[t-1] + x[t] W_in + z[t-1] (W_rec - theta I)
    v = network.alpha * state.v + current
    # theta u[t] = v[t] - (theta + beta a[t])
    theta_u = v - (theta + beta * a)
    # n_ref - 1 silent steps after a spike
    rest = jnp.where(z_before, min(network.refractory_steps, FOREVER) - 1, state.rest - 1)
    return state._replace(v=v, a=a, rest=rest), theta_u, rest > 0


def slope(network: Network, theta_u: jax.Array, silent: jax.Array) -> jax.Array:
    """psi[t] = dampening/theta max(0, 1 - |u[t]|) if not silent[t] else 0."""
    height = network.dampening / network.threshold**2
    return jnp.where(silent, 0, height * jnp.maximum(0, network.threshold - jnp.abs(theta_u)))


def advance(
    network: Network, weights: Weights, state: State, x: jax.Array, *, with_psi: bool
) -> tuple[State, jax.Array, jax.Array | None, jax.Array]:
    """A block of steps.

    Args:
        network: constants.
        weights: of the network.
        state: before the block.
        x: (steps, batch, n_in) bool.
        with_psi: whether psi is wanted.

    Returns:
        State after the block; z (steps, batch, n_rec) bool; psi, as z, or None; y (steps, batch, n_out).
    """
    dtype = state.v.dtype
    w_rec = with_reset(network.threshold, weights.w_rec)

    def step(state: State, current: jax.Array) -> tuple[State, tuple[jax.Array, jax.Array | None]]:
        current = current + state.z @ w_rec
        state, theta_u, silent = integrate(network, state, state.z > 0, current)
        # z[t] = 1 if u[t] > 0 and not silent[t]
        z = (theta_u > 0) & ~silent
        return state._replace(z=z.astype(dtype)), (z, slope(network, theta_u, silent) if with_psi else None)

    # the input of all steps in one product
    state, (z, psi) = jax.lax.scan(step, state, product(x.astype(dtype), weights.w_in))
    y = readout(network, weights.w_out, state.y, z)
    return state._replace(y=y[-1]), z, psi, y


def readout(network: Network, w_out: jax.Array, y_before: jax.Array, z: jax.Array) -> jax.Array:
    """y[t] = kappa y[t-1] + (1-kappa) z[t] W_out of a block: linear, so one product instead of steps."""
    dtype, kappa, n = w_out.dtype, network.kappa, len(z)
    projected = product(z.astype(dtype), (1 - kappa) * w_out)
    filtered = jnp.einsum("ts,sbo->tbo", filtering(kappa, n).astype(dtype), projected)
    return filtered + decays(kappa, n)[1:, None, None].astype(dtype) * y_before


def slopes(
    network: Network, weights: Weights, state: State, x: jax.Array, z: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """psi of a block once more, from its spikes: cheaper than to keep it, as all products are one.

    Args:
        network: constants.
        weights: of the network.
        state: before the block.
        x: (steps, batch, n_in) bool.
        z: (steps, batch, n_rec) bool.

    Returns:
        pre (steps, batch, n_in + n_rec), which is [x[t], z[t-1]], and psi (steps, batch, n_rec).
    """
    z_before = jnp.concatenate([state.z[None] > 0, z[:-1]])
    pre = jnp.concatenate([x, z_before], axis=-1).astype(state.v.dtype)
    w = jnp.concatenate([weights.w_in, with_reset(network.threshold, weights.w_rec)])

    def step(state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        current, z_before = inputs
        state, theta_u, silent = integrate(network, state, z_before, current)
        return state, slope(network, theta_u, silent)

    _, psi = jax.lax.scan(step, state, (product(pre, w), z_before))
    return pre, psi


def product(rows: jax.Array, matrix: jax.Array) -> jax.Array:
    """rows (..., n) @ matrix (n, m) as one plain matrix product."""
    flat = rows.reshape(-1, rows.shape[-1]) @ matrix
    return flat.reshape(*rows.shape[:-1], matrix.shape[-1])


def outer(left: jax.Array, right: jax.Array) -> jax.Array:
    """sum over steps and trials of left^T right: (steps, batch, n) and (.., m) to (n, m)."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])
