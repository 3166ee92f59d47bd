"""Poisson spikes of groups of inputs."""

import numpy as np

from implementations import checks


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


def add_poisson(
    rng: np.random.Generator,
    spikes: np.ndarray,
    rate_hz: float,
    start: int,
    n_steps: int,
    first: int | np.ndarray,
    n_inputs: int,
    on: np.ndarray | None = None,
) -> None:
    """Poisson spikes of a group of inputs, for some steps, into `spikes`.

    Args:
        rng: draws as many numbers whatever `on` and `first` are.
        spikes: (batch, time, n_in) bool, changed.
        rate_hz: of each input.
        start, n_steps: of the steps.
        first: of the inputs; (batch,) where trials have different ones.
        n_inputs: how many.
        on: (batch,) bool, trials in which the group is active; None for all.
    """
    trial, step, neuron = poisson(rng, rate_hz, (len(spikes), n_steps, n_inputs))
    if on is not None:
        kept = on[trial]
        trial, step, neuron = trial[kept], step[kept], neuron[kept]
    neuron = neuron + (first if isinstance(first, int) else first[trial])
    spikes[trial, step + start, neuron] = True


def check_groups(n_in: int, *names: str) -> None:
    """Fail unless the inputs of a task make groups of these names, each of as many."""
    if checks.integer("n_in", n_in, len(names)) % len(names):
        checks.fail("n_in", n_in, f"any multiple of {len(names)}: {', '.join(names)}")


def check_rates(task: object, *names: str) -> None:
    """Fail unless these fields of a task are rates that steps of 1 ms can have."""
    for name in names:
        rate = getattr(task, name)
        if checks.number(name, rate, minimum=0.0) > 1000.0:
            checks.fail(name, rate, "at most 1000, one spike per step")
