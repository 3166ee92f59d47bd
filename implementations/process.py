"""What is the process's: settings of libraries, which come back as they were, and learners, never forked."""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn, TypeVar

import numpy as np

T = TypeVar("T")

_INSTEAD = "start processes by the methods 'spawn' or 'forkserver' of multiprocessing"

_learners: weakref.WeakSet[object] = weakref.WeakSet()
_used: set[str] = set()  # packages that learners of this process compute with
_used_before_fork: set[str] = set()  # by a process that this one was forked from


@contextmanager
def changed(change: Callable[[T], object], before: T, inside: T) -> Iterator[None]:
    """Inside, a setting is `inside`; afterwards it is `before` again, wherever a Ctrl-C comes.

    Args:
        change: makes the setting what it is called with.
        before: what it is now.
        inside: what it shall be.
    """
    try:
        change(inside)
        yield
    finally:
        try:
            change(before)
        except BaseException:  # raised on the way into the function, or in it
            change(before)
            raise


def quiet() -> AbstractContextManager[None]:
    """NumPy without warnings and errors of overflow: of a diverged network, which divergence.py judges."""
    before: dict[str, Any] = dict(np.geterr())
    return changed(lambda new: np.seterr(**new), before, dict.fromkeys(before, "ignore"))


def keep(learner: object, packages: Iterable[str]) -> None:
    """Take note of a new learner of this process: it works in no other.

    Args:
        learner: of any backend or system.
        packages: with which it computes, but for those that survive a fork.
    """
    _learners.add(learner)
    _used.update(packages)


def lost(packages: Iterable[str]) -> str | None:
    """Why some packages don't compute in this process, in one sentence; None where they do.

    A fork copies the memory of the thread pools that a framework has started, and none of their threads.
    """
    gone = [package for package in packages if package in _used_before_fork]
    if not gone:
        return None
    return f"{' and '.join(gone)} had computed before this process was forked: {_INSTEAD}"


def _refuse() -> NoReturn:
    raise RuntimeError(f"this learner was made before this process was forked, and works there: {_INSTEAD}")


def _get(learner: object, name: str) -> object:
    return object.__getattribute__(learner, name) if name.startswith("__") else _refuse()


def _reduce(_learner: object, _protocol: object) -> NoReturn:
    _refuse()


def _after_fork() -> None:
    """In the forked process: learners refuse everything. No call checks for it, and no backend knows."""
    _used_before_fork.update(_used)
    for learner in list(_learners):
        own: type = type(learner)
        refusing = {"__getattribute__": _get, "__reduce_ex__": _reduce}
        learner.__class__ = type(f"Forked{own.__name__}", (own,), refusing)
    _learners.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
