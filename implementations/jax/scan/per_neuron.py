"""The backward recursion of each neuron by itself: all of adjoint e-prop, and a part of each step of BPTT."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.network import Network


class Adjoints(NamedTuple):
    """lam_v[t] and lam_a[t], each (batch, n_rec)."""

    v: jax.Array
    a: jax.Array

    @classmethod
    def zeros(cls, shape: tuple[int, int], dtype: np.dtype) -> "Adjoints":
        """After the last step."""
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def back(network: Network, beta: jax.Array, lam: Adjoints, psi: jax.Array, drive: jax.Array) -> Adjoints:
    """One step back, from lam[t+1] to lam[t]; `drive` is what dz[t] gets from outside the neuron.

    `beta` (n_rec,) belongs to the neurons of `psi`, which may be some of the network's only.
    """
    # g[t] = psi[t] dz[t],  dz[t] = drive + lam_a[t+1]
    g = psi * (drive + lam.a)
    # lam_v[t] = alpha lam_v[t+1] + g[t];  lam_a[t] = rho lam_a[t+1] - beta g[t]
    return Adjoints(network.alpha * lam.v + g, network.rho * lam.a - beta * g)
