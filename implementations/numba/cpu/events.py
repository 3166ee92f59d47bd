"""Input spikes as lists of indices, which is how the kernels read them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import prange

from implementations.interface import Setting
from implementations.numba.cpu.compiled import kernel

BYTES = 8  # of a word


class Trials(NamedTuple):
    """A batch as the kernels read it.

    Attributes:
        x_offset: (batch, time+1), x_index: the inputs that spike at step t of trial b are
            x_index[x_offset[b, t] : x_offset[b, t+1]].
        classes: (batch,) targets, empty where the loss is squared error.
        curves: (batch, window, n_out) targets over the window, empty where the loss is cross-entropy.
        shares: (batch, window) by how much each step counts, empty where all count alike.
    """

    x_offset: np.ndarray
    x_index: np.ndarray
    classes: np.ndarray
    curves: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch, and the setting of the learner that loaded it."""

    trials: Trials
    setting: Setting

    @property
    def shape(self) -> tuple[int, int]:
        """Number of trials, number of steps."""
        x_offset = self.trials.x_offset
        return x_offset.shape[0], x_offset.shape[1] - 1


def to_events(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`x_offset` and `x_index` of (batch, time, n_in) bool spikes."""
    n_batch, n_steps, n_in = spikes.shape
    flat = np.ascontiguousarray(spikes).reshape(n_batch, n_steps * n_in)
    whole = flat.shape[1] // BYTES
    # most words of eight are empty: passing over them makes this eight times faster
    words = flat[:, : whole * BYTES].view(np.uint64)
    x_offset = np.zeros((n_batch, n_steps + 1), np.int64)
    total = np.zeros(n_batch + 1, np.int64)
    np.cumsum(np.count_nonzero(flat, axis=1), out=total[1:])
    x_index = np.empty(total[-1], np.int32)
    _collect(flat.view(np.uint8), words, n_in, total, x_offset, x_index)
    return x_offset, x_index


@kernel
def _collect(flat, words, n_in, total, x_offset, x_index):
    """Fill x_offset and x_index, trial by trial."""
    for b in prange(flat.shape[0]):
        n = total[b]
        t = 0  # x_offset is written up to here
        x_offset[b, 0] = n
        for w in range(words.shape[1] + 1):
            is_tail = w == words.shape[1]
            if is_tail or words[b, w] != 0:
                stop = flat.shape[1] if is_tail else w * BYTES + BYTES
                for cell in range(w * BYTES, stop):
                    if flat[b, cell] != 0:
                        while t < cell // n_in:
                            t += 1
                            x_offset[b, t] = n
                        x_index[n] = cell % n_in
                        n += 1
        while t < x_offset.shape[1] - 1:
            t += 1
            x_offset[b, t] = n
