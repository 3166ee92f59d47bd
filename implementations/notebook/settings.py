"""What the notebook fixes, for whoever has to know it without BrainPy: records, options, measuring."""

from typing import Any

N_BATCH = 128
"""Trials per step."""

BATCHES_PER_EPOCH = 10
"""Steps of an epoch, and from one line of the log to the next."""

LEARNING_RATE = 0.01

N_DRAWN = 20
"""Trials that it simulates to draw some of them."""

SETTINGS: dict[str, dict[str, Any]] = {
    "network": {
        "n_in": 40,
        "n_regular": 50,
        "n_adaptive": 50,
        "n_out": 2,
        "tau_membrane_ms": 20.0,
        "tau_adaptation_ms": 2000.0,
        "tau_readout_ms": 20.0,
        "tau_refractory_ms": 5.0,
        "threshold": 0.6,
        "beta_regular": 1.0,
        "dt_ms": 1.0,
    },
    "task": {
        "n_in": 40,
        "n_cues": 7,
        "cue_ms": 100,
        "interval_ms": 150,
        "delay_ms": 1200,
        "recall_ms": 150,
        "cue_rate_hz": 40.0,
        "noise_rate_hz": 10.0,
        "p_unfavoured": 0.3,
        "cue_draws_shared": True,
    },
    "objective": {"loss": "cross_entropy", "window": 150, "rate_target_hz": 10.0, "rate_cost": 1.0},
    "optimizer": {"learning_rate": LEARNING_RATE, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
"""For the record of a run; network.py, data.py and loss.py have these numbers where the notebook has them."""
