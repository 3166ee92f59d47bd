"""Backward over a number of recurrent connections: a recursion of the neurons for each level of a ladder."""

import jax
import jax.numpy as jnp

from implementations.jax.scan.dynamics import product
from implementations.jax.scan.per_neuron import Adjoints, back
from implementations.way_back import WayBack


def back_over_hops(
    way: WayBack, w_back: jax.Array, lam: Adjoints, psi: jax.Array, drive: jax.Array
) -> Adjoints:
    """One step back of levels 0, 1, .., (levels, batch, n_rec), of which the last is the rule's.

    `w_back` is W_rec^T.
    """
    # dz[t] of level k = drive + lam_a[t+1] + lam_v[t+1] of level k - 1 times W_rec^T - theta lam_v[t+1]
    sent = product(lam.v[:-1], w_back)  # of all levels at once
    return back(way, lam, psi, drive + jnp.pad(sent, ((1, 0), (0, 0), (0, 0))))
