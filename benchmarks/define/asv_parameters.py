"""Parameters of the ASV classes beside this folder."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from benchmarks.define.cases import BATCH, MEMORY_BATCH
from benchmarks.define.names import NOTEBOOK as NOTEBOOK_SYSTEM
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.systems import SYSTEMS
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
COSTLY_RULES = list(_RULES.tracked())
LADDER_RULES = list(_RULES.ladder()[1:-1])
"""Without its ends: the floor, which has no gradient of the recurrent weights, and BPTT itself."""

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

REPEAT = (4, 8, 1.0)
"""Samples per process: at least, at most, and seconds after which there are enough. Of simulated
slowdowns by 30 %, 2 samples find 2 out of 3, and 4 samples 19 out of 20 (tests/test_regressions.py)."""
