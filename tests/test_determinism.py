"""The same call gives the same numbers, whatever was called before and with however many threads."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from cases import ALIKE, BASIC_CASES, CASES, COMPILED_BY_SHAPE, assert_gradients, problem, slow
from threadpoolctl import threadpool_info, threadpool_limits

import implementations as impl

NETWORK = impl.Network(n_in=8, n_regular=9, n_adaptive=8)
# 4 trials for each of two threads, which is one shape to compile for; and 4 and 5
PROBLEM, UNEVEN = (
    problem(NETWORK, n_batch=n_batch, n_steps=150, window=40, input_rate=0.1) for n_batch in (8, 9)
)
STRANGER = problem(impl.Network(n_in=5, n_regular=20, n_adaptive=3), n_batch=4, n_steps=90, seed=8)
NAMES = ("w_in", "w_rec", "w_out")


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_same_call_same_bits(backend: str, rule: str, mode: str) -> None:
    # what Numba takes longest to compile, other tests need in float64 alone: float32 is among the slow tests
    same_call_same_bits(
        backend, rule, mode, "float64" if (backend, mode) == ("numba", "online") else "float32"
    )


@pytest.mark.slow
def test_same_call_same_bits_in_float32() -> None:
    for backend, rule, mode in CASES:
        if (backend, mode) == ("numba", "online"):
            same_call_same_bits(backend, rule, mode, "float32")


def same_call_same_bits(backend: str, rule: str, mode: str, dtype: str) -> None:
    learner = UNEVEN.learner(backend, rule, mode, dtype=dtype)
    loaded = learner.load(UNEVEN.batch)
    first, first_metrics = learner.gradients(loaded)
    learner.simulate(loaded)
    learner.evaluate(loaded)
    kept = {name: getattr(first, name).copy() for name in NAMES}
    second, second_metrics = learner.gradients(learner.load(UNEVEN.batch))
    for name in NAMES:
        np.testing.assert_array_equal(kept[name], getattr(second, name))
        np.testing.assert_array_equal(kept[name], getattr(first, name))  # no buffer that is used again
    assert float(first_metrics.loss) == float(second_metrics.loss)


@pytest.mark.parametrize(("backend", "rule", "mode"), slow(*COMPILED_BY_SHAPE, *ALIKE))
def test_learners_do_not_share_anything(backend: str, rule: str, mode: str) -> None:
    alone = PROBLEM.learner(backend, rule, mode)
    loaded = alone.load(PROBLEM.batch)
    for _ in range(2):
        alone.step(loaded)
    one, two = (PROBLEM.learner(backend, rule, mode) for _ in range(2))
    # of other weights, sizes and lengths: what it left in a shared buffer would show
    stranger = STRANGER.learner(backend, rule, mode)
    for _ in range(2):
        one.step(one.load(PROBLEM.batch))
        stranger.step(stranger.load(STRANGER.batch))
        two.step(two.load(PROBLEM.batch))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(alone.parameters(), name), getattr(one.parameters(), name))
        np.testing.assert_array_equal(getattr(alone.parameters(), name), getattr(two.parameters(), name))


@pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2,  # type: ignore[attr-defined]
    reason="this process may use a single core, so there are no two threads to compare",
)
@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_threads_agree(backend: str, rule: str, mode: str) -> None:
    found = []
    for threads in (1, 2):
        learner = UNEVEN.learner(backend, rule, mode, threads=threads)
        found.append(learner.gradients(learner.load(UNEVEN.batch))[0])
    assert_gradients(found[1], found[0], 1e-12)


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_second_step_compiles_nothing(backend: str, rule: str, mode: str) -> None:
    learner = PROBLEM.learner(backend, rule, mode)
    loaded = learner.load(PROBLEM.batch)
    calls: list[Callable[[Any], object]] = [
        learner.step,
        learner.gradients,
        learner.evaluate,
        learner.simulate,
    ]
    for call in calls:
        call(loaded)
    before = learner.compilations()
    for call in calls:
        call(learner.load(PROBLEM.batch))
    assert learner.compilations() == before


def test_numba_counts_what_it_compiles() -> None:
    """The count that the test above relies on does move."""
    PROBLEM.learner("numba", "bptt").evaluate(PROBLEM.learner("numba", "bptt").load(PROBLEM.batch))
    assert PROBLEM.learner("numba", "bptt").compilations() > 0


@pytest.mark.parametrize("threads", [None, 1])
@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_thread_settings_of_the_process_stay(backend: str, rule: str, mode: str, threads: int | None) -> None:
    def settings() -> list[Any]:
        numba_threads = numba.get_num_threads()  # first: it loads a thread pool, which is then in the list
        pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
        return [numba_threads, *sorted(pools)]

    learner = PROBLEM.learner(backend, rule, mode, threads=threads)
    learner.step(learner.load(PROBLEM.batch))  # whatever is loaded lazily is there now
    # not the 1 of `threads`, which a call before this line may have left behind
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    with threadpool_limits(2):
        before = settings()
        loaded = learner.load(PROBLEM.batch)
        for call in (learner.step, learner.gradients, learner.evaluate, learner.simulate):
            call(loaded)
            assert settings() == before


@pytest.mark.parametrize(("backend", "rule", "mode"), BASIC_CASES)
def test_arguments_are_not_changed(backend: str, rule: str, mode: str) -> None:
    parameters, batch = PROBLEM.parameters, PROBLEM.batch

    def arguments() -> list[np.ndarray]:
        weights = [np.array(getattr(parameters, name)) for name in (*NAMES, "feedback")]
        return [*weights, batch.spikes.copy(), batch.targets.copy()]

    before = arguments()
    learner = PROBLEM.learner(backend, rule, mode)
    loaded = learner.load(batch)
    for call in (learner.step, learner.gradients, learner.evaluate, learner.simulate):
        call(loaded)
    for old, new in zip(before, arguments(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="read-only"):
        parameters.w_in[0, 0] = 1.0
