"""Parameters of the ASV classes beside this folder."""

import os

from benchmarks.define.cases import BATCH, MEMORY_BATCH
from benchmarks.define.problem import PROBLEMS
from implementations import PatternGeneration

# Literal, and the same for every commit and machine: ASV keys its results by them. Tests hold them against
# the registry. What can't run is n/a.
BACKENDS = ["numpy", "numba", "torch", "jax", "brainpy"]
MODES = ["adjoint", "online"]
DEVICES = ["cpu", "cuda"]

# Rules that learn. BPTT with a detached reset stays at chance, where its error says nothing: its gradients
# explode. That they are right is for the tests to say.
LEARNING_RULES = ["bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive"]

# Rules of their own cost or feedback. Adaptive e-prop computes what random e-prop does and updates one small
# matrix more; BPTT with a detached reset has one constant other than BPTT.
TIMED_RULES = ["bptt", "eprop_symmetric", "eprop_random"]

# Rules that differ in cost, by where the gradient flows. Other feedback matrices cost the same: StepTime.
COSTLY_RULES = ["bptt", "eprop_symmetric"]

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
    "system": ["notebook"],
    **CASE,
    "backend": ["brainpy"],
    "rule": ["bptt", "eprop_symmetric"],
    "mode": ["adjoint"],
}
"""The notebook itself, which knows no other case."""

SCALED = {**CASE, "rule": COSTLY_RULES, "batch": [MEMORY_BATCH]}
"""The same at a quarter of the trials, so that four times the length costs as much as `CASE`."""

ROUNDS = int(os.environ.get("EPROP_BENCH_ROUNDS", "1"))
"""Fresh processes per case of what the regression gate judges. Over many commits one is enough; the gate,
which has two, asks for `commit_pair.ROUNDS`. ASV's own option would have memory and accuracy measured as
often."""

REPEAT = (4, 8, 1.0)
"""Samples per process of the same: at least, at most, and seconds after which there are enough. Of simulated
slowdowns by 30 %, 2 samples find 2 out of 3, and 4 samples 19 out of 20 (tests/test_regressions.py)."""
