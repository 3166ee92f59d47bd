"""Blocks of time steps: what backends that go by blocks on the host share."""

import itertools


def blocks(n_steps: int, window: int, size: int) -> list[tuple[int, int]]:
    """First and last + 1 step of blocks of up to `size` steps; one begins where the loss window does."""
    edges = [*range(0, n_steps - window, size), *range(n_steps - window, n_steps, size), n_steps]
    return list(itertools.pairwise(edges))
