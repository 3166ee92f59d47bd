"""NUMBA_DISABLE_JIT=1, by which a measure of coverage sees the lines of kernels: the same numbers, slowly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import implementations as impl

if (missing := impl.unavailable("numba")) is not None:
    pytest.skip(missing, allow_module_level=True)

ROOT = Path(__file__).parents[1]
COMPARE = """
import numpy as np
import implementations as impl
from implementations import rules

np.seterr(all="raise")
network = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
weights = impl.Parameters.draw(network, seed=0)
rng = np.random.default_rng(0)
spikes = rng.random((2, 20, 4)) < 0.5
targets = {"cross_entropy": np.array([0, 1]), "squared_error": rng.standard_normal((2, 20, 2))}
for loss, target in targets.items():
    objective, batch = impl.Objective(loss=loss, window=10), impl.Batch(spikes, target)
    for rule in impl.RULES:
        for mode in rules.get(rule).modes:
            def learner(backend, dtype="float64"):
                options = {"network": network, "objective": objective, "mode": mode, "dtype": dtype}
                return impl.learner(backend, rule, weights, **options)

            own, other = learner("numba"), learner("numpy")
            loaded, there = own.load(batch), other.load(batch)
            found, expected = own.gradients(loaded)[0], other.gradients(there)[0]
            for name in ("w_in", "w_rec", "w_out"):
                wanted = getattr(expected, name)
                worst = np.abs(getattr(found, name) - wanted).max()
                assert worst <= 1e-10 * np.abs(wanted).max(), (rule, name)
            assert other.simulate(there).spikes.any()
            assert (own.simulate(loaded).spikes == other.simulate(there).spikes).all()
            own.step(loaded), own.evaluate(loaded), own.restore(own.state())
            single = learner("numba", "float32")
            single.step(single.load(batch))
            assert own.compilations() == 0
"""


def test_kernels_as_functions_of_python_compute_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMPARE],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
