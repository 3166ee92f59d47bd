"""The backward recursion of each neuron by itself: all of adjoint e-prop, and a part of each step of BPTT."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.way_back import WayBack


class Adjoints(NamedTuple):
    """lam_v[t] and lam_a[t], each (batch, n_rec), or (levels, batch, n_rec) on the ladder."""

    v: jax.Array
    a: jax.Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: np.dtype) -> "Adjoints":
        """After the last step."""
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def back(way: WayBack, lam: Adjoints, psi: jax.Array, drive: jax.Array) -> Adjoints:
    """One step back, from lam[t+1] to lam[t]; `drive` is what dz[t] gets from outside the neuron.

    `way.beta` (n_rec,) belongs to the neurons of `psi`, which may be some of the network's only.
    """
    # g[t] = psi[t] dz[t],  dz[t] = drive + lam_a[t+1] - theta lam_v[t+1]
    dz = drive + lam.a
    if way.theta:
        dz -= way.theta * lam.v
    g = psi * dz
    # lam_v[t] = alpha lam_v[t+1] + g[t];  lam_a[t] = rho lam_a[t+1] - beta g[t]
    beta = jnp.asarray(way.beta, psi.dtype)
    return Adjoints(way.alpha * lam.v + g, way.rho * lam.a - beta * g)
