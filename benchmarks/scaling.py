"""Time and peak memory of a training step against the length of the trial, the network and the batch: ASV."""

from typing import Any

from benchmarks.harness import measuring
from benchmarks.harness.cases import MEMORY_DELAYS_MS, SCALED_BATCHES, SCALED_NEURONS, Case
from benchmarks.harness.suite import N_STEPS, SCALED, Metered, Timed

# The sizes are those of `python -m benchmarks measure`, and cases.py says why these; without the smallest,
# which cost little but a process each, of which there are many here.
_LENGTHS = [N_STEPS - Case.delay_ms + delay_ms for delay_ms in MEMORY_DELAYS_MS]
_BY_LENGTH = {**SCALED, "n_steps": _LENGTHS}
_BY_SIZE = {**SCALED, "n_rec": list(SCALED_NEURONS[1:])}
_BY_BATCH = {**SCALED, "batch": list(SCALED_BATCHES[1:])}
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
        return measuring.peak_bytes(self.case)


class SizeMemory(Metered, parameters={**_BY_SIZE, **_ON_HOST}):
    """Against the number of recurrent neurons."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """Growth of the process in one training step."""
        return measuring.peak_bytes(self.case)


class BatchMemory(Metered, parameters={**_BY_BATCH, **_ON_HOST}):
    """Against the number of trials."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """Growth of the process in one training step."""
        return measuring.peak_bytes(self.case)
