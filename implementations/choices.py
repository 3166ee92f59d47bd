"""How what is free to choose about kernels reaches them past the contract of the backends."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

C = TypeVar("C")


class InForce(Generic[C]):
    """The choices that a learner keeps which is made now: the defaults, or what `use` says in this thread."""

    def __init__(self, defaults: C) -> None:
        self._now: ContextVar[C] = ContextVar("choices", default=defaults)

    def now(self) -> C:
        """Those in force."""
        return self._now.get()

    @contextmanager
    def use(self, choices: C) -> Iterator[None]:
        """Inside, these are in force."""
        token = self._now.set(choices)
        try:
            yield
        finally:
            self._now.reset(token)
