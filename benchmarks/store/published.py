"""Figures that others have published, to be set beside what is measured here."""

import pandas as pd

from benchmarks.define.systems import PublishedLog


def published_log(log: PublishedLog) -> pd.DataFrame:
    """The log of a training that was published with a system, a row per line.

    Returns:
        Columns `step`; `log_s`, seconds since the line before, drawing of trials included and, in the first
        line, compilation; and means over the steps between: `train_loss` (`loss_reg` included),
        `train_accuracy` (0 to 1) and `loss_reg`. Of another machine: its seconds fit into no ratio with ours.
    """
    return pd.read_csv(log.path)
