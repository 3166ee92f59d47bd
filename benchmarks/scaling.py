"""Time and peak memory of a training step against the length of the trial, the network and the batch: ASV."""

from typing import Any

from benchmarks.harness import measuring
from benchmarks.harness.suite import N_REC, N_STEPS, SCALED, Metered, Timed

# The published trial, then twice and four times as long: where memory grows with the trial, as for BPTT and
# adjoint e-prop, it doubles twice; online e-prop stays where it is.
_LENGTHS = [N_STEPS, 2 * N_STEPS, 4 * N_STEPS]

# The published network, then twice and four times as many neurons: recurrent weights grow 16 fold, so that
# what is quadratic shows against what is linear. Multiples of 4: SIMD lanes, and half of them adaptive.
_SIZES = [N_REC, 2 * N_REC, 4 * N_REC]

# A quarter of the notebook's trials, its number, and four times as many: fewer than a GPU fills itself with,
# and more than 2 cores can spread over.
_BATCHES = [32, 128, 512]

_BY_LENGTH = {**SCALED, "n_steps": _LENGTHS}
_BY_SIZE = {**SCALED, "n_rec": _SIZES}
# Trials half as long as published: the largest batch then costs twice what the notebook's does, and fits the
# memory of small machines where all of a trial is kept.
_BY_BATCH = {**SCALED, "n_steps": [N_STEPS // 2], "batch": _BATCHES}

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
