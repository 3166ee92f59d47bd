"""Whether a rule still learns: error after a short, seeded training: ASV."""

from typing import Any

from benchmarks.define import easy as learning
from benchmarks.define.asv import BACKENDS, DEVICES, LEARNING_RULES
from benchmarks.run.asv_classes import Metered


class Accuracy(
    Metered, parameters={"backend": BACKENDS, "rule": LEARNING_RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """Small network, short trials, one cue: define/easy.py has the setting."""

    memory = False
    unit = "wrong/trials"

    def track_test_error(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """Share of wrong answers on fresh trials, a sample per seed; 0.5 is chance."""
        return {"samples": learning.easy_errors(backend, rule, device), "number": 1}


# Both gradients through the squared error; what rules make of it, `Accuracy` says of each.
PATTERN_RULES = ["bptt", "eprop_symmetric"]


class PatternError(
    Metered, parameters={"backend": BACKENDS, "rule": PATTERN_RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """Pattern generation as published, 100 steps of one trial."""

    memory = False
    unit = "error/variance"

    def track_nmse(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """Mean squared error over the variance of the target, a sample per seed; 1 is a constant readout."""
        return {"samples": learning.pattern_errors(backend, rule, device), "number": 1}
