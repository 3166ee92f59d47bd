"""Programs that run at the same time: each is called on a thread of its own.

XLA runs the programs that one thread calls one after the other, and the parts of one program too, even where
they don't depend on each other. Calls return at once, so these threads do nothing but ask.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from implementations.xla import worker

T = TypeVar("T")


def concurrently(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Results of all calls, the first made on the present thread.

    One is made after another has returned, so that a program is compiled once, and not by two threads.
    """
    first = [call() for call in calls[:1]]
    return first + [worker(number).give(call)() for number, call in enumerate(calls[1:])]
