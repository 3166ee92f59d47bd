"""What the ASV classes beside this folder share: their parameters, and how they become cases.

ASV calls `setup` before every timed call, so what it prepares is cached. A case that can't run here raises
NotImplementedError there, which is ASV's n/a; any other error is a failure.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.define.cases import BATCH, MEMORY_BATCH, Case
from benchmarks.define.problem import NOTEBOOK as NOTEBOOK_SYSTEM
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import caches, device
from benchmarks.run.available import unavailable
from benchmarks.run.measure import Prepared
from implementations import PatternGeneration

# Literal, and the same for every commit and machine: ASV keys its results by them. Tests hold them against
# the registry. What can't run is n/a.
BACKENDS = ["numpy", "numba", "torch", "jax", "brainpy"]
MODES = ["adjoint", "online"]
DEVICES = ["cpu", "cuda"]


def _rules_of_this_checkout() -> ModuleType:
    """implementations/rules.py beside these benchmarks, and not of the commit that is installed.

    ASV finds the lists of parameters with one commit installed and measures others by their places in them:
    with lists of each commit's own rules, it would take one rule for another.
    """
    path = Path(__file__).resolve().parents[2] / "implementations" / "rules.py"
    spec = spec_from_file_location("rules_of_this_checkout", path)
    assert spec is not None  # it is a Python file
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_RULES = _rules_of_this_checkout()
LEARNING_RULES = list(_RULES.learning())
TIMED_RULES = list(_RULES.timed())
COSTLY_RULES = list(_RULES.costly())

N_STEPS = 2250
"""Steps of the published trial."""

N_REC = 100
"""Neurons of the published network, half of them adaptive."""

CASE = {
    "backend": BACKENDS,
    "rule": TIMED_RULES,
    "mode": MODES,
    "device": DEVICES,
    "n_steps": [N_STEPS],
    "n_rec": [N_REC],
    "batch": [BATCH],
}
"""Parameter -> values at the size of the notebook that the suite started from."""

_PATTERN = PROBLEMS[PatternGeneration.name]

PATTERN = {
    "task": [_PATTERN.name],
    **CASE,
    "rule": COSTLY_RULES,
    "n_steps": [_PATTERN.task.n_steps],
    "n_rec": [_PATTERN.network.n_rec],
    "batch": [_PATTERN.recipe.batch],
}
"""Pattern generation as published, a trial a step: what a backend spends on a step however small."""

NOTEBOOK = {
    "system": [NOTEBOOK_SYSTEM],
    **CASE,
    "backend": list(SYSTEMS[NOTEBOOK_SYSTEM].backends),
    "rule": list(SYSTEMS[NOTEBOOK_SYSTEM].rules),
    "mode": list(SYSTEMS[NOTEBOOK_SYSTEM].modes),
}
"""The notebook itself, which knows no other case."""

SCALED = {**CASE, "rule": COSTLY_RULES, "batch": [MEMORY_BATCH]}
"""The same at a quarter of the trials, so that four times the length costs as much as `CASE`."""

ROUNDS = int(os.environ.get("EPROP_BENCH_ROUNDS", "1"))
"""Fresh processes per case of what the regression gate judges. Over many commits one is enough; the gate,
which has two, asks for `gate.ROUNDS`. ASV's own option would have memory and accuracy measured as often."""

REPEAT = (4, 8, 1.0)
"""Samples per process of the same: at least, at most, and seconds after which there are enough. Of simulated
slowdowns by 30 %, 2 samples find 2 out of 3, and 4 samples 19 out of 20 (tests/test_regressions.py)."""

caches.per_commit()


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
