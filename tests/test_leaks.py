"""Steps and learners leave nothing behind: resident memory stays as it was, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from cases import BACKENDS

import implementations as impl

WINDOWS, STEPS, LEARNERS = 5, 400, 10
CODE = """
import gc, itertools, re, sys
from pathlib import Path
import numpy as np
import implementations as impl

windows, n_steps, n_learners = map(int, sys.argv[2:])
network, objective = impl.Network(n_in=8, n_regular=5, n_adaptive=5), impl.Objective(window=5)
parameters = impl.Parameters.draw(network)
rng = np.random.default_rng(0)
batch = impl.Batch(rng.random((4, 20, 8)) < 0.2, rng.integers(0, 2, 4))

def learner():
    return impl.learner(
        sys.argv[1], "eprop_adaptive", parameters, network=network, objective=objective, threads=1)

def resident_kib():
    gc.collect()
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def least_growth(work):
    work()
    found = [resident_kib()]
    for _ in range(windows):
        work()
        found.append(resident_kib())
    return min(after - before for before, after in itertools.pairwise(found))

def learners():
    for _ in range(n_learners):
        one = learner()
        one.step(one.load(batch))

mine = learner()
loaded = mine.load(batch)

def steps():
    for number in range(n_steps):
        mine.step(loaded)
        if number % 50 == 0:
            float(mine.evaluate(loaded).loss)  # for which asynchronous ones wait
    mine.synchronize()

steps()
compiled = mine.compilations()
print(least_growth(learners), least_growth(steps), mine.compilations() - compiled)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux")
@pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=[] if name == "numpy" else [pytest.mark.slow]) for name in BACKENDS],
)
def test_memory_is_flat(backend: str) -> None:
    """Caches fill up for a while; a leak grows in each of several windows."""
    command = [sys.executable, "-c", CODE, backend, *map(str, (WINDOWS, STEPS, LEARNERS))]
    root = Path(impl.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=root)
    assert done.returncode == 0, done.stderr
    by_learners, by_steps, compiled = map(int, done.stdout.split())  # KiB, and programs
    print(f"{backend}: {by_learners} KiB by {LEARNERS} learners, {by_steps} KiB by {STEPS} steps")
    assert compiled == 0  # what XLA compiles for each learner, it does not give back as a whole
    assert by_learners < 4 * LEARNERS
    assert by_steps < STEPS / 16
