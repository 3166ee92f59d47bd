"""Run by test_interruption.py, in a process of its own: a step that Ctrl-C ends at each of its last events.

In a process of its own: Ctrl-C between the lines of a context, of numpy.errstate say or of Numba's lock, can
keep it from ending. The learner is whole, but other tests would find settings changed and locks taken.
"""

import random
import sys
from types import FrameType
from typing import Any

import numpy as np

import implementations as impl
from implementations.interface import Learner

impl.BACKENDS = (sys.argv[1],)  # the others take seconds to import
from cases import problem  # noqa: E402

PROBLEM = problem(impl.Network(n_in=8, n_regular=5, n_adaptive=5), n_steps=30)
LAST, OTHERS = 150, 15
"""Events of Python at the end of a step, where the update is, all of which are tried; some before them."""


class Events:
    """Raises KeyboardInterrupt at an event of Python's tracing, a line or a return; counts them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> "Events":
        if event in ("line", "return"):
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt
        return self


def step(learner: Learner, loaded: Any, events: Events) -> bool:
    """Whether it came to its end."""
    tracing = sys.gettrace()
    sys.settrace(events)
    try:
        learner.step(loaded)
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(tracing)
    return True


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def main(backend: str) -> None:
    learner = PROBLEM.learner(backend, "eprop_adaptive", dtype="float32", threads=1)
    loaded = learner.load(PROBLEM.batch)
    learner.step(loaded)  # compiles
    before = learner.state()
    events = Events()
    assert step(learner, loaded, events)
    after = learner.state()
    learner.restore(before)
    moments = random.Random(0).sample(range(1, events.count - LAST), min(OTHERS, events.count - LAST - 1))
    found = {"before": 0, "after": 0}
    for moment in [*moments, *range(events.count - LAST, events.count + 1)]:
        done = step(learner, loaded, Events(moment))
        state = learner.state()
        assert not done or same(state, after)
        assert same(state, before) or same(state, after), f"torn by event {moment} of {events.count}"
        found["after" if same(state, after) else "before"] += 1
        learner.restore(before)
    assert min(found.values()) > 0


if __name__ == "__main__":
    main(sys.argv[1])
