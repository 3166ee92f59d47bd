"""On which cores this thread, and what it starts, may run."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from benchmarks.run.process import side_by_side

T = TypeVar("T")
U = TypeVar("U")


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


def on_each(
    items: Iterable[T], work: Callable[[T], Iterator[U]], left_s: Callable[[], float] = lambda: 1.0
) -> Iterator[U]:
    """What `work` yields of each item, as it comes: on each core that there is, one item at a time.

    Args:
        items: each begun where a core is free, in their order.
        work: runs in a thread of the core, and so do processes that it starts.
        left_s: seconds that may still be used: no item is begun when they are over.
    """
    waiting: SimpleQueue[T] = SimpleQueue()
    for item in items:
        waiting.put(item)

    def lane(core: int | None) -> Iterator[U]:
        with pinned(core), suppress(Empty):
            while left_s() > 0.0:
                yield from work(waiting.get_nowait())

    yield from side_by_side([lane(core) for core in available() or [None]])
