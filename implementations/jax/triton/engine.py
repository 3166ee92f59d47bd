"""The engine: a batch as bits on the device, and the calls of the programs.

Environment variables:
    EPROP_BENCH_JAX_TRITON: "0" does without the kernels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from implementations.interface import Setting
from implementations.jax.arrays import Weights
from implementations.jax.calls import CALLS
from implementations.triton import choices, use
from implementations.types import Activity, Batch, Metrics

if TYPE_CHECKING:
    from implementations.jax.triton.launches import Trials

SWITCH = "EPROP_BENCH_JAX_TRITON"
_WIDE = np.dtype("float64")  # sums of losses are, whatever the dtype of the network


def unusable(setting: Setting) -> str | None:
    """Why the kernels are not used for a setting; None where they are."""
    return use.unusable(SWITCH, "jax-triton", ("jax_triton",), setting.network.n_rec)


@dataclass(frozen=True, eq=False)
class Packed:
    """A batch as the kernels read it, on the device, and the setting of the learner that loaded it."""

    trials: "Trials"
    setting: Setting


class TritonEngine:
    """Calls the programs for one learner."""

    loaded = Packed

    def __init__(self, setting: Setting, static: Setting) -> None:
        from implementations.jax.triton import launches, programs  # import triton

        self._launches, self._programs = launches, programs
        self._setting, self._static = setting, programs.Static(static, choices.IN_FORCE.now())
        self._device = jax.devices(setting.device)[0]
        self.pending: Any = None

    def load(self, batch: Batch) -> Packed:
        """Spikes as bits; one number in place of the targets that the loss has none of."""
        setting = self._setting
        batch.refuse_mask("the Triton kernels", f"with {SWITCH}=0, lax.scan take one")
        words = batch.spike_words().view(np.int32)
        targets = batch.targets_within(setting.objective, setting.dtype)
        classes, curves = (array if array.size else np.zeros(1, array.dtype) for array in targets)
        with CALLS.scope(_WIDE):
            arrays = jax.device_put((words, classes, curves), self._device)
        jax.block_until_ready(arrays)
        return Packed(self._launches.Trials(*arrays), setting)

    def gradients(
        self, weights: Weights, feedback: jax.Array, loaded: Packed
    ) -> tuple[list[Weights], Metrics]:
        """Gradients, as a list of one, and the metrics."""
        run = self._programs.online if self._setting.mode == "online" else self._programs.adjoint
        with CALLS.scope(_WIDE):
            found, self.pending = run(self._static, weights, feedback, loaded.trials)
        return [found], Metrics(*self.pending)

    def evaluate(self, weights: Weights, feedback: jax.Array, loaded: Packed) -> Metrics:
        """The forward pass alone."""
        with CALLS.scope(_WIDE):
            self.pending = self._programs.evaluate(self._static, weights, feedback, loaded.trials)
        return Metrics(*self.pending)

    def simulate(self, weights: Weights, feedback: jax.Array, loaded: Packed) -> Activity:
        """Spikes and readout of all steps."""
        with CALLS.scope(_WIDE):
            spikes, readout = self._programs.simulate(self._static, weights, feedback, loaded.trials)
        return Activity(np.asarray(spikes).astype(bool), np.asarray(readout))
