"""The one way to run something in a fresh process: a function, called on each of a list of items.

The process finds the modules that this one finds: ASV lets its own processes alone find the benchmarks of the
checkout beside the packages of the commit. One of another Python, in an environment of its own, finds what is
there, and these two packages beside it. What each item gave comes back as soon as it is computed, so that
it counts whatever becomes of those after it.
"""

import faulthandler
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread, current_thread
from typing import Any, TypeVar

import benchmarks
import implementations
from benchmarks.define import plugins

TIMEOUT_S = 900.0
"""That a process may take unless told otherwise."""

T = TypeVar("T")

_MAIN = """
import pickle, sys
from importlib.util import module_from_spec, spec_from_file_location

path, folders = pickle.load(sys.stdin.buffer)
sys.path[:] = sys.path if path is None else path
for name, folder in folders.items():
    spec = spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = package = module_from_spec(spec)
    spec.loader.exec_module(package)

from benchmarks.run import process

process.answer()
"""
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux
_KILLED_S = 10.0
_TELLS_S = 0.5
_STOPS_S = 0.1  # between looks at whether threads have ended
_MOST_PRINTED = 50_000  # characters of what a process printed that a failure keeps: the last ones


@dataclass
class Budget:
    """Seconds that may be used, from its making on."""

    total_s: float
    start: float = field(default_factory=lambda: time.monotonic())

    def left_s(self) -> float:
        """What remains; negative when it is used up."""
        return self.start + self.total_s - time.monotonic()


class Process:
    """A fresh process at work; several may be at work at the same time.

    It does not outlive this one's orderly end, nor on Linux the thread that started it.

    Args:
        function: of a module, not of a class or of another function; returns fields of an outcome, as JSON
            has them.
        items: what it is called on, one after the other.
        switches: environment variables of the process, beside those of this one.
        python: the interpreter of an environment of its own, for a function whose module needs NumPy alone;
            None for this one, with all that it finds.
        under: a command, with its arguments, that runs Python as its child or in its own place.
        implementations_in: another folder that has the package `implementations`.
    """

    def __init__(
        self,
        function: Callable[[T], Mapping[str, Any]],
        items: Sequence[T],
        switches: Mapping[str, str] | None = None,
        python: Path | None = None,
        under: Sequence[str] = (),
        implementations_in: Path | None = None,
    ) -> None:
        self._count = len(items)
        self._printed = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - open as long as the process is
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._process = subprocess.Popen(
            # what is found must not depend on the folder that a process runs in, nor elsewhere on variables
            # that say where to look for modules of this Python
            [*under, *([sys.executable, "-P"] if python is None else [str(python), "-I"]), "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env={**os.environ, **(switches or {})},
            start_new_session=True,  # so that it can be stopped together with those that it starts
        )
        # at the latest at exit: before temporary folders that were there first are removed under its hands
        self._end = weakref.finalize(self, _end, self._process)
        with _CHANGING:
            _STARTED_BY[self] = current_thread()
        folders = {name: str(_folder(package)) for name, package in _PACKAGES.items()}
        if implementations_in is not None:
            folders["implementations"] = str(implementations_in / "implementations")
        path = sys.path if python is None else None
        sent = pickle.dumps((path, folders)) + pickle.dumps((function, list(items)))
        Thread(target=self._talk, args=(sent,), daemon=True).start()

    def _talk(self, sent: bytes) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError), self._process.stdin as stream:  # it may have ended already
            stream.write(sent)
        with self._process.stdout as stream:
            for line in stream:
                if line.endswith(b"\n"):  # else it was cut off
                    self._lines.put(line)
        self._lines.put(None)

    def outcomes(self, timeout_s: float = TIMEOUT_S, late: str | None = None) -> Iterator[dict[str, Any]]:
        """What each item gave, in their order, as it comes; with the last, the process has ended.

        Args:
            timeout_s: seconds that all have together, from now on; then the process is stopped.
            late: the reason of those that had not enough.

        Yields:
            status "ok", reason None and what the function returned; or status "failed" and the reason, for
            any error, that of the process included.
        """
        budget = Budget(timeout_s)
        came = 0
        reason = ""
        try:
            while came < self._count:
                outcome = self.outcome(max(budget.left_s(), 0.0))
                if outcome is None:
                    reason = late or f"took longer than {timeout_s:g} s"
                    break
                if isinstance(outcome, str):
                    reason = outcome
                    break
                came += 1
                if came == self._count:  # whoever wants no more may look no further: let it end as it does
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(max(budget.left_s(), 0.0))
                yield outcome
        finally:
            self.stop()
        for _ in range(self._count - came):
            yield _failed(reason)

    def outcome(self, timeout_s: float) -> dict[str, Any] | str | None:
        """What the next item gave, as `outcomes` has it; why the process ended instead; None: not yet."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except Empty:
            return None
        return self._ended() if line is None else json.loads(line)

    def _ended(self) -> str:
        """Why it sends no more."""
        code = self._process.wait()
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        printed = self.printed.strip().splitlines()
        if code == 0:
            return "printed no record"
        return printed[-1] if printed else f"ended with exit status {code}"

    @property
    def printed(self) -> str:
        """What it printed as errors so far, the tracebacks of failed items among it."""
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace")

    def tell_where(self) -> None:
        """Have it print where each of its threads is, if it still answers."""
        if hasattr(signal, "SIGUSR1") and self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(_TELLS_S)

    def stop(self) -> None:
        """End it, and what it started, if it is still at work."""
        self._end()


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    # a driver may hold on to a process that waits for its card: nobody else is to wait with it
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILLED_S)


def run(
    function: Callable[[T], Mapping[str, Any]],
    items: Sequence[T],
    *,
    timeout_s: float = TIMEOUT_S,
    late: str | None = None,
    switches: Mapping[str, str] | None = None,
    python: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """What each item gave, in one fresh process; `Process` says what the arguments are."""
    if items:
        yield from Process(function, items, switches, python).outcomes(timeout_s, late)


def run_each(
    function: Callable[[T], Mapping[str, Any]],
    items: Sequence[T],
    *,
    limit_s: float,
    left_s: Callable[[], float],
    switches: Mapping[str, str] | None = None,
) -> Generator[dict[str, Any]]:
    """What each item gave, in a process that they share until one fails: it costs its own limit and no more.

    An item that raises an error, ends its process or takes longer than `limit_s` has failed, and those after
    it get a fresh process: on a card, an error leaves nothing that can be used any more.

    Args:
        limit_s: seconds for one item; the first of a process has to start it, too.
        left_s: seconds that may still be used. What these don't suffice for is neither failed nor yielded.

    Yields:
        As `Process.outcomes` does; failed ones have `printed`, what their process printed as errors.
    """
    waiting = list(items)
    while waiting and left_s() > 0.0:
        process = Process(function, waiting, switches)
        try:
            while waiting:
                seconds_s = min(limit_s, left_s())
                outcome = process.outcome(max(seconds_s, 0.0))
                if outcome is None and seconds_s < limit_s:
                    return
                waiting.pop(0)
                if outcome is None:
                    process.tell_where()
                if outcome is None or isinstance(outcome, str):
                    outcome = _failed(outcome or f"took longer than {limit_s:g} s")
                if outcome["status"] == "failed":
                    process.stop()
                    yield {**outcome, "printed": process.printed[-_MOST_PRINTED:]}
                    break
                yield outcome
        finally:
            process.stop()


def side_by_side(iterators: Sequence[Iterator[T]]) -> Iterator[T]:
    """What each of them yields, as it comes: each is in a thread of its own, for processes that it waits for.

    Whoever stops early, by an error or by looking no further, goes on when the threads have ended and, with
    them, the processes that they started: what a thread leaves to be deleted would stay otherwise.

    Raises:
        Exception: the first that one of them raises.
    """
    found: SimpleQueue[tuple[T | None, BaseException | None, bool]] = SimpleQueue()
    stopped = Event()

    def follow(iterator: Iterator[T]) -> None:
        error = None
        try:
            for one in iterator:
                if stopped.is_set():
                    break
                found.put((one, None, False))
            if isinstance(iterator, Generator):
                iterator.close()
        except BaseException as raised:
            error = raised
        found.put((None, error, True))

    threads = [Thread(target=follow, args=(iterator,), daemon=True) for iterator in iterators]
    for thread in threads:
        thread.start()
    ended = 0
    try:
        while ended < len(threads):
            one, error, end = found.get()
            if error is not None:
                raise error
            if end:
                ended += 1
            else:
                yield one  # type: ignore[misc]
    finally:
        stopped.set()
        while any(thread.is_alive() for thread in threads):
            _stop_of(threads)
            for thread in threads:
                thread.join(_STOPS_S)
        _stop_of(threads)  # again, as one may have been about to start another


def _stop_of(threads: Sequence[Thread]) -> None:
    """End the processes that these threads started."""
    with _CHANGING:
        processes = [process for process, thread in _STARTED_BY.items() if thread in threads]
    for process in processes:
        process.stop()


_STARTED_BY: "weakref.WeakKeyDictionary[Process, Thread]" = weakref.WeakKeyDictionary()
_CHANGING = Lock()

_PACKAGES = {"implementations": implementations, "benchmarks": benchmarks}


def _folder(package: Any) -> Path:
    return Path(package.__file__).absolute().parent


def answer() -> None:
    """In the fresh process: call the function on each item that comes in, and send what it gave."""
    if sys.platform == "linux":
        # in a session of its own, it would outlive a parent that ASV kills as it takes too long
        import ctypes

        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a backend may print lines of its own
    plugins.load()  # or what they define could not be read below
    function, items = pickle.load(sys.stdin.buffer)
    for item in items:
        try:
            outcome = {"status": "ok", "reason": None, **function(item)}
        except Exception as error:
            traceback.print_exc()
            outcome = _failed(f"{type(error).__name__}: {error}")
        print(json.dumps(outcome), file=stream, flush=True)


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason}
