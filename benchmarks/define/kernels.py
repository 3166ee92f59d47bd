"""Which kernels for cards are compiled to be looked at, and what of a step each of them does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import implementations as impl
from implementations import registry, rules
from implementations.interface import Setting

CAPABILITY = (9, 0)
"""Compute capability of an H100 and an H200."""

SHARED_BYTES = 227 * 1024
"""What a program may have there; of registers a processor has 65536, of threads 2048."""

NEURONS = (100, 256, 1024)
"""A network of each size class: weights that fit on chip, that come from L2, and the most there may be."""

STEPS = 300
"""Of a trial: more than one chunk of the online form."""

PASSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("forward", "resume"), ("forward",)),
    "adjoint": ("backward",),
    "through_time": ("backward",),
    "step": ("backward",),
    "backward": ("backward", "gradients"),
    "products": ("gradients",),
    "carry": ("traces",),
}
"""Kernel -> the passes of `roofline` that it does all of; of the others, "weights" is the most they do."""


@dataclass(frozen=True)
class Wanted:
    """One learner whose kernels are compiled."""

    backend: str
    rule: str
    mode: str
    dtype: str
    n_rec: int
    loss: str = "cross_entropy"
    capability: tuple[int, int] = CAPABILITY
    n_batch: int = 2
    n_steps: int = STEPS

    @property
    def setting(self) -> Setting:
        """Of the learner, on a card: the published network with so many neurons."""
        half = self.n_rec // 2
        network = impl.Network(n_regular=self.n_rec - half, n_adaptive=half)
        objective = impl.Objective(loss=self.loss, window=min(impl.Objective().window, self.n_steps))
        rule = rules.get(self.rule)
        return Setting(rule, self.mode, network, objective, impl.Adam(), np.dtype(self.dtype), "cuda")

    def batch(self) -> impl.Batch:
        """A few trials for it, whose numbers nobody looks at."""
        network, rng = self.setting.network, np.random.default_rng(0)
        spikes = rng.random((self.n_batch, self.n_steps, network.n_in)) < 0.02
        if self.loss == "cross_entropy":
            return impl.Batch(spikes, rng.integers(0, network.n_out, self.n_batch))
        return impl.Batch(spikes, np.zeros((self.n_batch, self.n_steps, network.n_out)))


def wanted(backend: str, neurons: tuple[int, ...] = NEURONS) -> list[Wanted]:
    """Every rule and mode that the backend has there, dtype and size class; and once the other loss."""
    found = [
        Wanted(backend, rule, mode, dtype, n_rec)
        for n_rec in neurons
        for dtype in ("float32", "float64")
        for rule, mode in registry.rules_and_modes(backend, "cuda")
    ]
    return [*found, Wanted(backend, "bptt", "adjoint", "float32", neurons[0], "squared_error")]
