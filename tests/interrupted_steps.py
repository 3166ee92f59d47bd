"""Run by test_interruption.py, in a process of its own: steps that Ctrl-C ends at random moments.

After each of them, the state is bit by bit the one before the step, or the one after it, and the steps that
follow are those of a learner that nobody interrupted; what a backend sets for the length of a call is as it
was. Signals come by a timer. Of JAX's settings nothing is said: Ctrl-C can keep its own contexts from ending.
"""

import random
import signal
import sys
from collections import deque
from time import perf_counter
from typing import Any

import numpy as np

import implementations as impl
from implementations.interface import Learner

impl.BACKENDS = (sys.argv[1],)  # the others take seconds to import
from cases import problem  # noqa: E402

PROBLEM = problem(impl.Network(n_in=8, n_regular=5, n_adaptive=5), n_batch=32, n_steps=60)
CYCLE = 5  # steps before all begins anew


def bits(learner: Learner) -> dict[str, tuple[Any, ...]]:
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in learner.state().items()}


def settings() -> list[Any]:
    found: list[Any] = [np.geterr()]
    if "threadpoolctl" in sys.modules:
        libraries = sys.modules["threadpoolctl"].threadpool_info()
        found += [one["num_threads"] for one in libraries if one["user_api"] == "blas"]
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
    if "numba" in sys.modules:
        found.append(sys.modules["numba"].get_num_threads())
    return found


_during: list[str] = []  # what a signal may end, if anything


def interrupt(*_: Any) -> None:
    if _during:
        _during.clear()
        raise KeyboardInterrupt


def main(backend: str, rule: str, mode: str, count: int) -> None:
    learner = PROBLEM.learner(backend, rule, mode, dtype="float32")
    loaded = learner.load(PROBLEM.batch)
    start, expected = learner.state(), [bits(learner)]
    for _ in range(CYCLE):
        learner.step(loaded)
        expected.append(bits(learner))
    before_all = settings()
    signal.signal(signal.SIGALRM, interrupt)
    moments = random.Random(0)
    found = {"before": 0, "after": 0, "not interrupted": 0}
    took_s: deque[float] = deque(maxlen=5)  # of late: what else the machine does comes and goes
    done = CYCLE
    while found["before"] + found["after"] < count:
        assert sum(found.values()) < 20 * count, found  # nearly all signals came too late
        if done == CYCLE:
            learner.restore(start)
            begun = perf_counter()
            learner.step(loaded)
            learner.synchronize()
            took_s.append(perf_counter() - begun)
            learner.restore(start)
            done = 0
        which = "not interrupted"
        try:
            # the update is the end of a step, and a small part of it
            delay_s = moments.uniform(0.0, 1.3) * float(np.median(took_s))
            _during.append("a step")
            signal.setitimer(signal.ITIMER_REAL, max(delay_s, 1e-6))
            learner.step(loaded)
            _during.clear()  # a signal that comes later ends nothing
        except KeyboardInterrupt:
            which = "before"
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        now = bits(learner)
        if which == "not interrupted" or now != expected[done]:
            assert now == expected[done + 1], "a torn state"
            done += 1
            which = "after" if which == "before" else which
        assert settings() == before_all, (settings(), before_all)
        found[which] += 1
    print(found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
