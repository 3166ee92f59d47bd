"""The notebook's loss; traced inside of `scope.notebook_environment`."""

from typing import Any

import brainpy as bp
import brainpy.math as bm
import jax

from implementations.notebook.data import T_CUE_SPACING

REG_F = 1.0
"""Weight of the firing-rate regularisation."""

REGULARIZATION_F0 = 10 / 1000.0
"""Firing rate that the regularisation aims at, in spikes per ms."""


def loss_fun(predicts: Any, targets: bm.Array) -> tuple[jax.Array, dict[str, bm.Array]]:
    """Cross-entropy over the last 150 steps, plus the squared distance of each neuron's rate from 10 Hz.

    Args:
        predicts: readout (batch, time, n_out), and the spikes that were monitored, (batch, time, n_rec).
        targets: (batch,) int.

    Returns:
        The loss, and what the log shows: "loss", "loss reg" and "accuracy".
    """
    outputs, mon = predicts
    output_logits = outputs[:, -T_CUE_SPACING:]

    y_predict = bm.argmax(bm.mean(output_logits, axis=1), axis=1)
    accuracy = bm.equal(targets, y_predict).astype(bm.dftype()).mean()

    tiled_targets = bm.tile(bm.expand_dims(targets, 1), (1, T_CUE_SPACING))
    loss_cls = bm.mean(bp.losses.cross_entropy_loss(output_logits, tiled_targets))

    av = bm.mean(mon["r.spike"], axis=(0, 1)) / bm.get_dt()
    loss_reg_f = bm.sum(bm.square(av - REGULARIZATION_F0) * REG_F)

    loss = loss_reg_f + loss_cls
    return bm.as_jax(loss), {"loss": loss, "loss reg": loss_reg_f, "accuracy": accuracy}
