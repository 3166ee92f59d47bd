"""Whether a rule still learns: error after a short, seeded training: ASV."""

from collections.abc import Iterator
from typing import Any

from benchmarks.define.asv_parameters import BACKENDS, COSTLY_RULES, DEVICES, LADDER_RULES, LEARNING_RULES
from benchmarks.define.problem import PROBLEMS
from benchmarks.run import quick
from benchmarks.run.asv_classes import Metered
from implementations import EvidenceAccumulation, PatternGeneration
from implementations.tasks import ACCURACY, NMSE


class Accuracy(
    Metered, parameters={"backend": BACKENDS, "rule": LEARNING_RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """Small network, short trials, one cue: `EvidenceAccumulation.quick` has the setting."""

    memory = False
    unit = "wrong/trials"

    def track_test_error(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """Share of wrong answers on fresh trials, a sample per seed; 0.5 is chance."""
        return {"samples": quick.errors(EvidenceAccumulation.name, backend, rule, device), "number": 1}


class PatternError(
    Metered, parameters={"backend": BACKENDS, "rule": COSTLY_RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """Pattern generation as published, 100 steps of one trial; what rules make of it, `Accuracy` says."""

    memory = False
    unit = "error/variance"

    def track_nmse(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """Mean squared error over the variance of the target, a sample per seed; 1 is a constant readout."""
        return {"samples": quick.errors(PatternGeneration.name, backend, rule, device), "number": 1}


class Alignment(
    Metered, parameters={"backend": BACKENDS, "rule": LADDER_RULES, "mode": ["adjoint"], "device": DEVICES}
):
    """The same network with its initial weights: the same figure each time, unless a gradient changes."""

    memory = False
    unit = "1-cosine"

    def track_misalignment(self, backend: str, rule: str, _mode: str, device: str) -> dict[str, Any]:
        """How far a rule's gradient of W_in and W_rec points from BPTT's: 0 along it, 1 at a right angle."""
        found = quick.misalignment(EvidenceAccumulation.name, backend, rule, device)
        return {"samples": [found], "number": 1}


_HERE = (EvidenceAccumulation.name, PatternGeneration.name)
_LIKE = {ACCURACY.column: ("track_test_error", "wrong/trials"), NMSE.column: ("track_nmse", "error/variance")}


def _of_other_tasks() -> Iterator[type[Metered]]:
    """A class for the quick training of each other task, in files of its own or of plug-ins: MazeError."""
    for name, problem in PROBLEMS.items():
        wanted = type(problem.task).quick()
        if name in _HERE or wanted is None:
            continue

        def error(self: Any, backend: str, rule: str, _mode: str, device: str, task: str = name) -> Any:
            return {"samples": quick.errors(task, backend, rule, device), "number": 1}

        method, unit = _LIKE[problem.task.measure.column]
        lists = {"backend": BACKENDS, "rule": list(wanted.rules), "mode": ["adjoint"], "device": DEVICES}
        members = {
            "__module__": __name__,
            "memory": False,
            "unit": unit,
            "param_names": tuple(lists),
            "params": tuple(lists.values()),
            method: error,
        }
        yield type(name.title().replace("_", "") + "Error", (Metered,), members)


globals().update({kind.__name__: kind for kind in _of_other_tasks()})
