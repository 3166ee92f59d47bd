"""Learners in threads don't disturb each other; one in a forked process says so, and does not hang."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import BACKENDS, COMPILED_BY_SHAPE, problem
from threadpoolctl import threadpool_info

import implementations as impl

TESTS = Path(__file__).parent
# large enough for threads of BLAS, and for groups of trials of JAX and BrainPy
PROBLEMS = [
    problem(impl.Network(n_in=20, n_regular=n_regular, n_adaptive=20), n_batch=40, n_steps=30, seed=n_regular)
    for n_regular in (20, 40)
]
LATE = [pytest.mark.slow]  # of the backends that compile each of these problems
BY_BACKEND = pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=LATE if name in COMPILED_BY_SHAPE else []) for name in BACKENDS]
)


def trained(backend: str, number: int, mode: str, steps: int) -> dict[str, np.ndarray]:
    found = PROBLEMS[number]
    learner = found.learner(backend, "eprop_symmetric", mode, dtype="float32")
    loaded = learner.load(found.batch)
    for _ in range(steps):
        learner.step(loaded)
        assert np.isfinite(float(learner.evaluate(loaded).loss))
    return learner.state()


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


# Numba compiles its online form for half a minute, where no other test of the process has done it
@pytest.mark.parametrize(
    ("backend", "mode"),
    [
        pytest.param(
            name, mode, marks=LATE if name in COMPILED_BY_SHAPE or (name, mode) == ("numba", "online") else []
        )
        for name in BACKENDS
        for mode in ("adjoint", "online")
    ],
)
def test_two_threads_get_the_bits_of_one_after_the_other(backend: str, mode: str) -> None:
    steps, numbers = 4, (0, 1)
    before = blas_threads(), np.geterr()
    with ThreadPoolExecutor(2) as pool:  # first, so that both compile
        for _ in range(2):
            both = list(pool.map(lambda number: trained(backend, number, mode, steps), numbers))
        inside = set(pool.map(lambda _: str(np.geterr()), range(4)))
    assert inside == {str(np.geterr())}
    assert (blas_threads(), np.geterr()) == before
    for number, found in zip(numbers, both, strict=True):
        alone = trained(backend, number, mode, steps)
        for name, array in alone.items():
            np.testing.assert_array_equal(found[name], array)


def run(code: str, *arguments: str, **environment: str) -> str:
    """In a process of its own, as the right outcome is that it does not end."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    setup = """
import os, sys, threading
import numpy as np
import implementations as impl
impl.BACKENDS = (sys.argv[1],)  # the others take seconds to import
from cases import problem
case = problem(impl.Network(n_in=8, n_regular=9, n_adaptive=8), n_batch=40, n_steps=30)
def learner():
    return case.learner(sys.argv[1], "eprop_symmetric", dtype="float32")
"""
    done = subprocess.run(
        [sys.executable, "-c", setup + code, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")
@BY_BACKEND
def test_a_learner_in_a_forked_process_says_so(backend: str) -> None:
    code = """
import copy, pickle, signal, warnings
warnings.simplefilter("ignore")  # Python and JAX warn of forks with threads
parent = learner()
loaded = parent.load(case.batch)
parent.step(loaded)
expected = parent.state()
signal.alarm(60)
child = os.fork()
if child == 0:
    signal.alarm(60)
    def calling(name, *arguments):
        return lambda: getattr(parent, name)(*arguments)
    calls = {
        **{name: calling(name, loaded) for name in ("gradients", "step", "evaluate", "simulate")},
        **{name: calling(name) for name in ("state", "parameters", "synchronize", "compilations")},
        "load": calling("load", case.batch),
        "restore": calling("restore", expected),
        "engine": lambda: parent.engine,
        "pickle": lambda: pickle.dumps(parent),
        "copy": lambda: copy.deepcopy(parent),
        "save": lambda: impl.save("/dev/null/no", parent),
    }
    for name, call in calls.items():
        try:
            call()
        except RuntimeError as error:
            assert "'spawn' or 'forkserver'" in str(error), error
        else:
            print(name, "did not say so")
            os._exit(1)
    reason = impl.unavailable(sys.argv[1])
    if sys.argv[1] == "numpy":  # threads of BLAS are started again
        fresh = learner()
        fresh.step(fresh.load(case.batch))
        same = all(np.array_equal(array, expected[name]) for name, array in fresh.state().items())
        os._exit(0 if reason is None and same else 2)
    try:
        learner()
    except impl.InvalidArgument as error:
        os._exit(0 if "'spawn' or 'forkserver'" in str(error) and reason in str(error) else 3)
    os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
parent.step(loaded)  # which goes on as ever
print("done")
"""
    assert run(code, backend).endswith("done\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")
def test_brainpy_is_lost_where_jax_computed_before_the_fork() -> None:
    """As it computes with JAX; NumPy is not."""
    code = """
import warnings
warnings.simplefilter("ignore")
learner()
child = os.fork()
if child == 0:
    found = [impl.unavailable(name) is None for name in ("numpy", "jax", "brainpy")]
    os._exit(0 if found == [True, False, False] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    run(code, "jax")


def test_numba_s_layer_that_is_not_for_threads() -> None:
    """ "workqueue" ends a process in which two threads run parallel kernels at once."""
    code = """
import numba
def work(found):
    mine = learner()
    loaded = mine.load(case.batch)
    for _ in range(30):
        mine.step(loaded)
        mine.evaluate(loaded)
    found.append(mine.state())
found = []
threads = [threading.Thread(target=work, args=(found,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert numba.threading_layer() == "workqueue"
assert len(found) == 3
for name, array in found[0].items():
    assert all(np.array_equal(array, other[name]) for other in found), name
print("done")
"""
    assert run(code, "numba", NUMBA_THREADING_LAYER="workqueue").endswith("done\n")


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=[] if name == "brainpy" else LATE) for name in BACKENDS]
)
def test_the_first_use_may_be_in_another_thread(backend: str) -> None:
    """Of BrainPy, only the thread that imports it has its settings."""
    code = """
def step(found):
    mine = learner()
    mine.step(mine.load(case.batch))
    found.append(mine)
found = []
for work in (lambda: None, lambda: step(found)):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
step(found)
one, other = found
assert all(np.array_equal(array, other.state()[name]) for name, array in one.state().items())
def on():
    one.step(one.load(case.batch))
    found.append("done")
thread = threading.Thread(target=on)  # a third one, with a learner of another
thread.start()
thread.join()
print(found[-1])
"""
    assert run(code, backend) == "done\n"
