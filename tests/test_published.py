"""The published log that curves are set beside."""

import numpy as np
import pytest

from benchmarks.define.systems import SYSTEMS
from benchmarks.store.published import published_log

LOG = SYSTEMS["notebook"].log
assert LOG is not None


def test_the_log_is_whole():
    log = published_log(LOG)
    assert list(log.columns) == ["step", "log_s", "train_loss", "train_accuracy", "loss_reg"]
    assert log["step"].tolist() == list(range(10, 401, 10))
    assert np.isfinite(log.to_numpy(float)).all()
    first, last = log.iloc[0], log.iloc[-1]
    assert (first["log_s"], first["train_loss"]) == (22.2320, 0.7377254962921143)
    assert (last["log_s"], last["train_accuracy"]) == (12.7749, 0.878125011920929)


def test_what_is_known_of_the_log():
    log = published_log(LOG)
    late = log[log["step"] > 250]
    assert late["train_accuracy"].min() > 0.78
    assert late["train_accuracy"].max() < 0.92
    assert log["log_s"][1:].between(12.3, 15.2).all()
    # accuracies are means over 10 batches of 128: whole trials
    trials = log["train_accuracy"] * 1280
    assert trials.round().sub(trials).abs().max() == pytest.approx(0.0, abs=1e-3)
