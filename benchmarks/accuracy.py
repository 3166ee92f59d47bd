"""Whether a rule still learns: test error after a short, seeded training on an easy task: ASV."""

from typing import Any

from benchmarks.harness import learning
from benchmarks.harness.suite import BACKENDS, DEVICES, RULES, Metered


class Accuracy(
    Metered, parameters={"backend": BACKENDS, "rule": RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """Small network, short trials, one cue: harness/learning.py has the setting."""

    memory = False
    unit = "wrong/trials"

    def track_test_error(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """Share of wrong answers on fresh trials, a sample per seed; 0.5 is chance."""
        return {"samples": learning.easy_errors(backend, rule, device), "number": 1}
