"""Memory of a training step, at the size of the notebook that this suite started from: ASV."""

from typing import Any

from benchmarks.define.asv_parameters import CASE, COSTLY_RULES, NOTEBOOK, SCALED
from benchmarks.run import asv_classes
from benchmarks.run.asv_classes import Metered


class PeakMemory(Metered, parameters={**CASE, "rule": COSTLY_RULES}):
    """Growth of the process in one step, above its state with the trials loaded and all code compiled."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """On the host; what a device holds is not in it."""
        return asv_classes.peak_bytes(self.case)


class NotebookPeakMemory(Metered, parameters=NOTEBOOK):
    """The same of the notebook's own network and step."""

    unit = "bytes"

    def track_peak_bytes(self, *_: Any) -> int:
        """On the host; what a device holds is not in it."""
        return asv_classes.peak_bytes(self.case)


class DevicePeakMemory(Metered, parameters={**CASE, "rule": COSTLY_RULES, "device": ["cuda"]}):
    """Growth of what the framework's allocator holds on the device in one step."""

    unit = "bytes"

    def track_device_peak_bytes(self, *_: Any) -> int:
        """On the device."""
        return asv_classes.device_peak_bytes(self.case)


class MemoryGrowth(Metered, parameters={**SCALED, "device": ["cpu"]}):
    """What a longer trial costs: the claim of online e-prop is that it costs nothing."""

    unit = "bytes/step"

    def track_bytes_per_step(self, *_: Any) -> float:
        """Peak memory per added time step, of all trials of the batch together."""
        return asv_classes.bytes_per_step(self.case)
