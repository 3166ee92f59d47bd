"""Backward through time: the recursion of each neuron, and what neurons send one another on top of it."""

import jax

from implementations.jax.scan.dynamics import product
from implementations.jax.scan.per_neuron import Adjoints, back
from implementations.way_back import WayBack


def back_through_time(
    way: WayBack, w_back: jax.Array, lam: Adjoints, psi: jax.Array, drive: jax.Array
) -> Adjoints:
    """One step back; `w_back` is (W_rec - theta I)^T, or W_rec^T where the reset is detached.

    So `way` has no theta of its own.
    """
    # dz[t] = drive + lam_a[t+1] + lam_v[t+1] W_rec^T - theta lam_v[t+1]
    return back(way, lam, psi, drive + product(lam.v, w_back))
