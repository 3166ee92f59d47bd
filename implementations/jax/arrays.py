"""What both engines take and give back, as pytrees of arrays on the device."""

from typing import NamedTuple

import jax


class Weights(NamedTuple):
    """What training changes; also gradients by it."""

    w_in: jax.Array  # (n_in, n_rec)
    w_rec: jax.Array  # (n_rec, n_rec)
    w_out: jax.Array  # (n_rec, n_out)


class Figures(NamedTuple):
    """The fields of `types.Metrics`, on the device."""

    loss: jax.Array
    task_loss: jax.Array
    rate_loss: jax.Array
    accuracy: jax.Array
    rate_hz: jax.Array
