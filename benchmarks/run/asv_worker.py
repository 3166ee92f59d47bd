"""In a process of a side: ASV's benchmarks of this checkout, prepared and sampled one at a time, as asked.

Run with the Python of an environment, the side's folder first on its path, and this checkout after it. A
request is a line of JSON, and so is its answer.
"""

import ast
import ctypes
import faulthandler
import importlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class Asked:
    """A benchmark with values for its parameters, as ASV names them: FILE.CLASS.METHOD.

    Raises:
        NotImplementedError: it can't run here, ASV's n/a.
    """

    def __init__(self, benchmark: str, texts: Sequence[str]) -> None:
        file, name, method = benchmark.split(".")
        kind = getattr(importlib.import_module(f"benchmarks.{file}"), name, None)
        if kind is None:  # some are of tasks, which a commit or its packages may lack
            raise NotImplementedError(f"there is no {file}.{name} with these packages")
        self._of = kind()
        self._values = [ast.literal_eval(text) for text in texts]
        self._method: Callable[..., Any] = getattr(self._of, method)
        self._number = 1
        self.setup()

    def setup(self) -> None:
        """As ASV calls it before every timed call."""
        self._of.setup(*self._values)

    def settle(self, least_s: float, call_s: float | None = None) -> float:
        """Let a sample be of as many calls as take `least_s`; returns the seconds of a call.

        They are `call_s` where that is known; else a call is timed.
        """
        call_s = self.sample()["wall_s"] if call_s is None else call_s
        self._number = max(math.ceil(least_s / max(call_s, 1e-9)), 1)
        return call_s

    def sample(self) -> dict[str, float]:
        """Seconds of a call, by the clock and of this process's own, and how often another took the core.

        Means over as many calls as make a sample.
        """
        wall_s = own_s = 0.0
        taken = 0
        for _ in range(self._number):
            self.setup()
            before, own, start = _taken(), time.process_time(), time.perf_counter()
            self._method(*self._values)
            wall_s += time.perf_counter() - start
            own_s += time.process_time() - own
            taken += _taken() - before
        return {"wall_s": wall_s / self._number, "own_s": own_s / self._number, "taken": taken}

    def track(self) -> dict[str, Any]:
        """What a method returns that measures by itself: samples."""
        found = self._method(*self._values)
        samples = found["samples"] if isinstance(found, Mapping) else [found]
        return {"samples": [float(sample) for sample in samples]}

    def statement(self) -> dict[str, Any]:
        """Seconds of a fresh interpreter that runs the statement that a method returns, start-up included."""
        command = [
            sys.executable,
            "-P",
            "-c",
            f"import sys; sys.path[:0] = {sys.path[:2]!r}\n{self._method()}",
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return {"samples": [time.perf_counter() - start]}


def _taken() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def answer(folder: str) -> None:
    """Answer requests until there are no more.

    Args:
        folder: of the side, from which `implementations` has to be.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    faulthandler.enable()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a backend may print lines of its own
    asked: list[Asked] = []

    def do(request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["do"] == "prepare":
            asked.clear()
            asked.append(Asked(request["benchmark"], request["texts"]))
            return {}
        arguments = {name: value for name, value in request.items() if name != "do"}
        found = getattr(asked[0], request["do"])(**arguments)
        return found if isinstance(found, Mapping) else {"value": found}

    import implementations

    where = Path(implementations.__file__).resolve().parents[1]
    if where != Path(folder).resolve():
        raise RuntimeError(f"implementations is from {where}, and not from {folder}")
    for line in sys.stdin:
        try:
            found = {"status": "ok", "reason": None, **do(json.loads(line))}
        except NotImplementedError as error:
            found = {"status": "unavailable", "reason": str(error)}
        except Exception as error:
            traceback.print_exc()
            found = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        print(json.dumps(found), file=stream, flush=True)
