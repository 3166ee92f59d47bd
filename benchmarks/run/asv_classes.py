"""What ASV's classes are made of: how their parameters become cases, and what they measure of one.

ASV calls `setup` before every timed call, so what it prepares is cached. A case that can't run here raises
NotImplementedError there, which is ASV's n/a; any other error is a failure.
"""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from benchmarks.define.cases import Case
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import caches, device
from benchmarks.run.available import unavailable
from benchmarks.run.measure import measure
from benchmarks.run.process import Process

caches.per_commit()


class Parametrised:
    """Base of ASV classes: parameters by name, as `CASE` has them."""

    version = "1"
    """Of what is measured: results of another version are not compared. Raise it with any change of that."""

    timeout = 900.0
    param_names: tuple[str, ...]
    params: tuple[Sequence[Any], ...]

    def __init_subclass__(cls, parameters: Mapping[str, Sequence[Any]] | None = None) -> None:
        if parameters is not None:
            cls.param_names, cls.params = tuple(parameters), tuple(parameters.values())

    @classmethod
    def _case(cls, values: Sequence[Any], **common: Any) -> Case:
        named = dict(zip(cls.param_names, values, strict=True))
        # Before frameworks are imported: half of the cases end here on a machine without a card, each in a
        # process of its own.
        if named.get("device") == "cuda" and (reason := device.no_driver()) is not None:
            raise NotImplementedError(reason)
        problem = PROBLEMS[named.pop("task", TASK_NAME)].sized(
            n_steps=named.pop("n_steps", None), n_rec=named.pop("n_rec", None)
        )
        found = Case(**named, problem=problem, **common)
        with _broken_is_no_reason():
            reason = unavailable(found)
        if reason is not None:
            raise NotImplementedError(reason)
        return found


class Timed(Parametrised):
    """Base of ASV classes whose methods time what `setup` has prepared."""

    rounds = 1
    """Fresh processes per case."""

    work = "step"
    """What is timed: a method of `Prepared`."""

    number = 1
    warmup_time = 0.0  # what is prepared is warm
    repeat: tuple[int, int, float] = (2, 6, 0.5)
    """Samples per process: at least, at most, and seconds after which there are enough."""

    def setup(self, *values: Any) -> None:
        """Prepare the case, or put it back to where it was."""
        case = self._case(values)
        with _broken_is_no_reason():
            self.prepared = _prepared(case, self.work)
            self.prepared.restore()


class Metered(Parametrised):
    """Base of ASV classes whose methods measure a case whole, in the fresh process that ASV gives them."""

    memory = True
    """Whether the figure is one of memory, which can't be measured everywhere."""

    def setup(self, *values: Any) -> None:
        """Name the case."""
        self.case = self._case(values, memory=self.memory)


class Prepared:
    """A case, built and loaded: `step` and `evaluate` are what is timed, once they are warm.

    Raises:
        InvalidArgument: (a ValueError) for a case that is not what it may be, or can't run here.
    """

    def __init__(self, case: Case) -> None:
        system = SYSTEMS[case.system]
        self._learner = system.learner(case)
        self._loaded = self._learner.load(system.batch(case))
        self._learner.synchronize()
        self._state = self._learner.state()

    def warm(self, work: Callable[[], object]) -> None:
        """Let the backend compile what `work` needs; twice, as what the first returned may need more."""
        for _ in range(2):
            work()
            self.restore()

    def restore(self) -> None:
        """Back to the initial weights: every step is the same step, whatever their number."""
        self._learner.restore(self._state)
        self._learner.synchronize()

    def step(self) -> None:
        """One training step, up to its end."""
        self._learner.step(self._loaded)
        self._learner.synchronize()

    def evaluate(self) -> None:
        """One forward pass without a gradient, up to its end."""
        float(self._learner.evaluate(self._loaded).loss)


@lru_cache(maxsize=1)
def _prepared(case: Case, work: str) -> Prepared:
    prepared = Prepared(case)
    prepared.warm(getattr(prepared, work))
    return prepared


@contextmanager
def _broken_is_no_reason() -> Iterator[None]:
    """Frameworks raise NotImplementedError too, for what is broken: ASV must not take that for n/a."""
    try:
        yield
    except NotImplementedError as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def module(case: Case) -> str:
    """The module whose import brings all that the case needs."""
    return SYSTEMS[case.system].module(case)


def peak_bytes(case: Case) -> int:
    """Growth of this process in a step, above its state with the batch loaded."""
    return measure(_for_memory(case))["peak_bytes"]


def device_peak_bytes(case: Case) -> int:
    """Growth of what is held on the device in a step, above its state with the batch loaded."""
    return measure(_for_memory(case))["device_peak_bytes"]


def bytes_per_step(case: Case) -> float:
    """Growth of `peak_bytes` per time step that is added to the trial: the slope to a trial twice as long."""
    added_steps = case.problem.task.n_steps
    longer = case.sized(n_steps=2 * added_steps)
    return (_peak_in_fresh_process(longer) - _peak_in_fresh_process(case)) / added_steps


def _peak_in_fresh_process(case: Case) -> int:
    """`peak_bytes` in a process of its own: allocators keep for the second case what the first had.

    A forked copy of this one would hang now and then: to ask whether a case can run here imports its backend,
    and some of those have threads by then. What failed there fails here, with what it printed.
    """
    started = Process(measure, [_for_memory(case)])
    (outcome,) = started.outcomes()
    if outcome["status"] != "ok":
        raise RuntimeError(f"the process that measured {case}: {outcome['reason']}\n{started.printed}")
    return outcome["peak_bytes"]


def compilation_s(case: Case) -> float:
    """First step minus a warm one; about 0 for a backend that compiles nothing.

    In a process that has not taken a step yet, and called `caches.forget` before it imported the backend.
    """
    figures = measure(case)
    return max(figures["first_step_s"] - statistics.median(figures["step_s"]), 0.0)


def _for_memory(case: Case) -> Case:
    return dataclasses.replace(case, memory=True, min_samples=1, seconds=0.0)
