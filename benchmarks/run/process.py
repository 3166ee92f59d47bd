"""The one way to run something in a fresh process: a function, called on each of a list of items.

The process finds the modules that this one finds: ASV lets its own processes alone find the benchmarks of the
checkout beside the packages of the commit. What each item gave comes back as soon as it is computed, so that
it counts whatever becomes of those after it.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
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

sys.path[:], folders = pickle.load(sys.stdin.buffer)
for name, folder in folders.items():
    spec = spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = package = module_from_spec(spec)
    spec.loader.exec_module(package)

from benchmarks.run import process

process.answer()
"""
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


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

    Args:
        function: of a module, not of a class or of another function; returns fields of an outcome, as JSON
            has them.
        items: what it is called on, one after the other.
        switches: environment variables of the process, beside those of this one.
    """

    def __init__(
        self,
        function: Callable[[T], Mapping[str, Any]],
        items: Sequence[T],
        switches: Mapping[str, str] | None = None,
    ) -> None:
        self._count = len(items)
        self._printed = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - open as long as the process is
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._process = subprocess.Popen(
            # -P: what is found must not depend on the folder that a process runs in
            [sys.executable, "-P", "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env={**os.environ, **(switches or {})},
            start_new_session=True,  # so that it can be stopped together with those that it starts
        )
        folders = {name: str(_folder(package)) for name, package in _PACKAGES.items()}
        sent = pickle.dumps((sys.path, folders)) + pickle.dumps((function, list(items)))
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
        """What each item gave, in their order, as it comes; the process has ended after the last.

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
                try:
                    line = self._lines.get(timeout=max(budget.left_s(), 0.0))
                except Empty:
                    reason = late or f"took longer than {timeout_s:g} s"
                    break
                if line is None:
                    reason = self._ended()
                    break
                yield json.loads(line)
                came += 1
            else:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(max(budget.left_s(), 0.0))
        finally:
            self.stop()
        for _ in range(self._count - came):
            yield _failed(reason)

    def _ended(self) -> str:
        """Why it sends no more."""
        code = self._process.wait()
        printed = self.printed.strip().splitlines()
        if code == 0:
            return "printed no record"
        return printed[-1] if printed else f"ended with exit status {code}"

    @property
    def printed(self) -> str:
        """What it printed as errors so far, the tracebacks of failed items among it."""
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace")

    def stop(self) -> None:
        """End it, and what it started, if it is still at work."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()


def run(
    function: Callable[[T], Mapping[str, Any]],
    items: Sequence[T],
    *,
    timeout_s: float = TIMEOUT_S,
    late: str | None = None,
    switches: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """What each item gave, in one fresh process; `Process` says what the arguments are."""
    if items:
        yield from Process(function, items, switches).outcomes(timeout_s, late)


_PACKAGES = {"implementations": implementations, "benchmarks": benchmarks}


def _folder(package: Any) -> Path:
    return Path(package.__file__).resolve().parent


def answer() -> None:
    """In the fresh process: call the function on each item that comes in, and send what it gave."""
    if sys.platform == "linux":
        # in a session of its own, it would outlive a parent that ASV kills as it takes too long
        import ctypes

        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
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
