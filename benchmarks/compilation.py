"""What is paid once per process: compilation and import, in fresh processes: ASV."""

from typing import Any

from benchmarks.define.asv_parameters import CASE, COSTLY_RULES
from benchmarks.run import asv_classes, caches
from benchmarks.run.asv_classes import Metered


class Compilation(Metered, parameters={**CASE, "rule": COSTLY_RULES}):
    """First training step minus a warm one, with nothing found that was compiled before."""

    memory = False
    unit = "seconds"

    def setup(self, *values: Any) -> None:
        """Name the case; to ask whether it can run here imports the backend."""
        caches.forget()
        super().setup(*values)

    def track_compilation_s(self, *_: Any) -> float:
        """About 0 where nothing is compiled."""
        return asv_classes.compilation_s(self.case)


class ImportTime(
    Metered, parameters={**CASE, "rule": ["eprop_symmetric"], "mode": ["adjoint"], "device": ["cpu"]}
):
    """Import of all that a backend needs, in a process that has imported nothing."""

    memory = False
    number = 1
    rounds = 1
    repeat = 5
    warmup_time = 0.0

    def timeraw_import(self, *_: Any) -> str:
        """The statement that is timed."""
        return f"import {asv_classes.module(self.case)}"
