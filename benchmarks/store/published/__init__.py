"""Figures that others have published, as data, to be set beside what is measured here."""

from pathlib import Path

import pandas as pd

NOTEBOOK_LOG_SOURCE = (
    "Log of the BrainPy notebook '(Bellec, et. al, 2020): eprop for Evidence Accumulation Task', "
    "BrainPy 2.4.3, eprop=False, on a CPU that it does not name"
)

_NOTEBOOK_LOG = Path(__file__).with_name("notebook_log.csv")


def published_log() -> pd.DataFrame:
    """The published log of the BrainPy notebook, a row per line: every 10 of its 400 steps.

    Returns:
        Columns `step`; `log_s`, seconds since the line before, drawing of trials included and, in the first
        line, compilation; and means over the 10 steps: `train_loss` (`loss_reg` included), `train_accuracy`
        (0 to 1) and `loss_reg`. Of a machine that it does not name: its seconds fit into no ratio with ours.
    """
    return pd.read_csv(_NOTEBOOK_LOG)
