"""Time and peak memory of a training step against the length of the trial, the network and the batch: ASV."""

from typing import Any

from benchmarks.define.asv_parameters import N_REC, SCALED
from benchmarks.define.cases import MEMORY_BATCH, SCALED_BATCHES, SCALED_NEURONS, SCALED_STEPS
from benchmarks.run import asv_classes
from benchmarks.run.asv_classes import Metered, Timed

# Sizes of `python -m benchmarks measure`; cases.py says why these. How cost scales shows at the ends of the
# lines; what lies between would cost minutes, as each case is a process that imports and compiles. The
# published network and length, where all lines begin, has MEMORY_BATCH trials in BatchTime and BatchMemory,
# and BATCH of them in StepTime and PeakMemory: three points of neurons and of batches.
_BY_LENGTH = {**SCALED, "n_steps": [max(SCALED_STEPS)]}
_BY_SIZE = {**SCALED, "n_rec": [n_rec for n_rec in SCALED_NEURONS if n_rec > N_REC]}
_BY_BATCH = {**SCALED, "batch": [MEMORY_BATCH, max(SCALED_BATCHES)]}
_ON_HOST = {"device": ["cpu"]}


class LengthTime(Timed, parameters=_BY_LENGTH):
    """Against the number of time steps."""

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()


class SizeTime(Timed, parameters=_BY_SIZE):
    """Against the number of recurrent neurons."""

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()


class BatchTime(Timed, parameters=_BY_BATCH):
    """Against the number of trials."""

    def time_step(self, *_: Any) -> None:
        """One training step."""
        self.prepared.step()


class LengthMemory(Metered, parameters={**_BY_LENGTH, **_ON_HOST}):
    """Against the number of time steps."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """Growth of the process in one training step."""
        return asv_classes.peak_bytes(self.case)


class SizeMemory(Metered, parameters={**_BY_SIZE, **_ON_HOST}):
    """Against the number of recurrent neurons."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """Growth of the process in one training step."""
        return asv_classes.peak_bytes(self.case)


class BatchMemory(Metered, parameters={**_BY_BATCH, **_ON_HOST}):
    """Against the number of trials."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """Growth of the process in one training step."""
        return asv_classes.peak_bytes(self.case)
