"""BLAS's threads. Their number is the process's, so that one learner at a time sets it, and computes."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from implementations.process import changed

_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):  # a forked process begins between two learners
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


class Blas:
    """The BLAS libraries of this process."""

    def __init__(self) -> None:
        # takes milliseconds to find them: once
        self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers

    @contextmanager
    def threads(self, number: int | None) -> Iterator[None]:
        """Inside, so many of them, None for as many as there are; afterwards as many as before."""
        with _LOCK:
            before = [library.get_num_threads() for library in self._libraries]
            inside = before if number is None else [number] * len(before)
            with changed(self._set, before, inside):
                yield

    def _set(self, numbers: Sequence[int]) -> None:
        for library, number in zip(self._libraries, numbers, strict=True):
            library.set_num_threads(number)
