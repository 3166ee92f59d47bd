"""Poisson spikes."""

import numpy as np


def poisson(rng: np.random.Generator, rate_hz: float, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Indices, per axis of `shape`, of the cells that spike, each with rate_hz/1000 and independently.

    The gaps between successes of independent trials are geometric. Drawing gaps costs one random number
    per spike instead of one per cell, which is 50 times fewer at the rates of this task.
    """
    size = int(np.prod(shape))
    p = rate_hz / 1000.0
    if p == 0.0:
        return [np.zeros(0, np.int64) for _ in shape]
    chunk = int(size * p + 6.0 * np.sqrt(size * p) + 8.0)  # nearly always enough the first time
    cells = np.cumsum(rng.geometric(p, chunk)) - 1
    while cells[-1] < size:
        cells = np.concatenate([cells, cells[-1] + np.cumsum(rng.geometric(p, chunk))])
    return list(np.unravel_index(cells[: np.searchsorted(cells, size)], shape))
