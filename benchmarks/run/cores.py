"""On which cores this thread, and what it starts, may run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def available() -> list[int]:
    """The numbers of those cores; none where the system can't say, and can't be told."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Inside, this thread and processes that it starts run on one core alone, theirs until they end.

    What asks how many cores there are, as all backends do, finds one. Does nothing with None, where
    `available` is empty.
    """
    before = available()
    if not before or core is None:
        yield
        return
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
