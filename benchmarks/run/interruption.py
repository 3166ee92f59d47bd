"""Ctrl-C and SIGTERM held back until it is safe to stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

CTRL_C = 128 + signal.SIGINT
"""The exit status that a shell reports for Ctrl-C."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A run was asked to stop and has kept what it measured; `exit_code` is 128 + the signal's number."""

    def __init__(self, signal_number: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = 128 + signal_number


@dataclass
class Request:
    """Which signal asked to stop; None as long as none did."""

    signal_number: int | None = None


@contextmanager
def held() -> Iterator[Request]:
    """Inside, the first Ctrl-C or SIGTERM only sets `Request.signal_number`; the second acts as ever.

    Works in the main thread, which alone gets signals; in others it does nothing.
    A signal that the process ignores stays ignored.
    """
    request = Request()

    def note(number: int) -> None:
        request.signal_number = number

    with _first(note):
        yield request


@contextmanager
def at_once() -> Iterator[None]:
    """Inside, the first Ctrl-C or SIGTERM raises `Interrupted`: for what has nothing to bring to its end.

    Works in the main thread, which alone gets signals; in others it does nothing.
    A signal that the process ignores stays ignored.
    """

    def stop(number: int) -> None:
        raise Interrupted(number, "interrupted")

    with _first(stop):
        yield


@contextmanager
def _first(act: Callable[[int], None]) -> Iterator[None]:
    """Inside, the first of `_SIGNALS` is acted upon by its number, once all act as before."""
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, _frame: FrameType | None) -> None:
        restore()
        act(number)

    if threading.current_thread() is threading.main_thread():
        before.update(
            (number, handler)
            for number in _SIGNALS
            if (handler := signal.getsignal(number)) != signal.SIG_IGN
        )
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Inside, the first SIGTERM raises KeyboardInterrupt: whoever sets a limit to a command sends it first.

    Works in the main thread, which alone gets signals; in others it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
