"""The JAX backend's programs: compiled once, in blocks that any length fits, and done when they should be."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import BASIC_CASES, Problem, problem
from test_reference import check

import implementations as impl

if (reason := impl.unavailable("jax")) is not None:
    pytest.skip(reason, allow_module_level=True)

import jax

from implementations.jax.calls import CALLS
from implementations.jax.scan.dynamics import BLOCK, block_length
from implementations.jax.scan.engine import _online

FORMS = [pytest.param(*case.values[1:], marks=case.marks) for case in BASIC_CASES if case.values[0] == "jax"]
SMALL = impl.Network(n_in=5, n_regular=3, n_adaptive=4)
PROBLEM = problem(SMALL, n_batch=8, n_steps=50, window=20)


def calls(learner: Any) -> list[Callable[[Any], object]]:
    return [learner.step, learner.gradients, learner.evaluate, learner.simulate]


@pytest.mark.parametrize(("rule", "mode"), FORMS)
def test_second_step_compiles_nothing_by_jax_s_own_account(
    rule: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    # trials of a length of its own, as rules share the programs that they don't decide on
    number = [form.values for form in FORMS].index((rule, mode))
    found = problem(impl.Network(n_in=3, n_regular=2, n_adaptive=3), n_batch=8, n_steps=37 + number)

    def compiled(learner: Any) -> int:
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.DEBUG, logger="jax"):
            loaded = learner.load(found.batch)
            for call in calls(learner):
                call(loaded)
            learner.synchronize()
        return sum("Compiling" in record.getMessage() for record in caplog.records)

    learner = found.learner("jax", rule, mode)
    before = learner.compilations()
    first = compiled(learner)
    assert first > 0
    assert learner.compilations() > before
    before = learner.compilations()
    assert compiled(learner) == 0
    # a learner with another optimizer has an update of its own and shares all else
    assert compiled(found.learner("jax", rule, mode, optimizer=impl.Adam(learning_rate=0.25))) <= 2
    assert learner.compilations() - before <= 2


def test_rules_share_the_programs_that_they_do_not_decide_on() -> None:
    """F is an argument, and the forward pass is that of all rules."""
    found = problem(impl.Network(n_in=4, n_regular=2, n_adaptive=3), n_steps=37)

    def compiled(rule: str) -> int:
        learner = found.learner("jax", rule)
        before = learner.compilations()
        loaded = learner.load(found.batch)
        for call in calls(learner)[1:]:
            call(loaded)
        return learner.compilations() - before

    assert compiled("eprop_symmetric") > 1
    assert compiled("eprop_random") == 0
    assert compiled("hops1") == 1  # the way back


def test_what_others_compile_is_not_counted() -> None:
    learner = PROBLEM.learner("jax", "bptt")
    before = learner.compilations()
    jax.jit(lambda x: x * 3 + 11)(np.ones(7)).block_until_ready()
    assert learner.compilations() == before


@pytest.mark.parametrize("n_steps", [pytest.param(BLOCK + 1, marks=pytest.mark.slow), 2 * BLOCK + 3])
@pytest.mark.parametrize(("rule", "mode"), FORMS)
def test_silent_steps_in_front_change_nothing(rule: str, mode: str, n_steps: int) -> None:
    """Lengths that are no multiple of a block, in which the window begins anywhere."""
    assert n_steps % block_length(n_steps)
    check(problem(SMALL, n_steps=n_steps, window=BLOCK - 3), "jax", rule, mode)
    check(problem(SMALL, n_steps=n_steps, window=n_steps, loss="squared_error"), "jax", rule, mode)


def test_trials_of_all_sizes_go_into_chunks() -> None:
    for n_batch in (1, 7, 8, 9, 31):
        found = problem(SMALL, n_batch=n_batch)
        whole, chunked = (found.learner("jax", "bptt", threads=threads) for threads in (1, 2))
        assert [len(chunk.targets) for chunk in whole.load(found.batch).chunks] == [n_batch]
        sizes = [len(chunk.targets) for chunk in chunked.load(found.batch).chunks]
        assert sum(sizes) == n_batch
        assert len(sizes) == (2 if n_batch >= 8 else 1)
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("rule", "mode"), FORMS)
def test_what_was_handed_out_stays_as_it_was(rule: str, mode: str) -> None:
    learner: Any = PROBLEM.learner("jax", rule, mode)
    loaded = learner.load(PROBLEM.batch)
    learner.step(loaded)
    before = jax.tree.leaves(learner._train)
    gradients, metrics = learner.gradients(loaded)
    given = [*learner.state().values(), *vars(learner.parameters()).values(), *vars(gradients).values()]
    copies = [array.copy() for array in given]
    loss = float(metrics.loss)
    for _ in range(3):
        learner.step(loaded)
    learner.synchronize()
    assert not any(array.is_deleted() for array in before)  # whoever is interrupted still has them
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert float(metrics.loss) == loss
    for array in given:
        assert isinstance(array, np.ndarray)


@pytest.mark.parametrize(("rule", "mode"), FORMS)
def test_nothing_runs_on_after_synchronize(rule: str, mode: str) -> None:
    network = impl.Network(n_in=40, n_regular=30, n_adaptive=30)
    long = problem(network, n_batch=16, n_steps=1500, input_rate=0.02)
    learner: Any = Problem(network, long.objective, long.parameters, long.batch).learner("jax", rule, mode)
    loaded = learner.load(long.batch)
    kept = []
    for _ in range(3):
        kept += vars(learner.step(loaded)).values()
        kept += vars(learner.evaluate(loaded)).values()
    waiting = not all(array.is_ready() for array in kept)
    assert waiting, "calls return before they are done, or this test shows nothing"
    learner.synchronize()
    assert all(array.is_ready() for array in kept)
    assert all(array.is_ready() for array in jax.tree.leaves((learner._train, loaded.chunks)))


@pytest.mark.slow
def test_memory_of_online_learning_is_flat_in_time() -> None:
    """What XLA sets aside, beside the trials themselves, is the same for four times the steps."""
    found = []
    for n_steps in (160, 640):
        case = problem(impl.Network(n_in=5, n_regular=4, n_adaptive=4), n_steps=n_steps, window=40)
        learner = case.learner("jax", "eprop_symmetric", "online", dtype="float32")
        loaded = learner.load(case.batch)
        with CALLS.scope(np.dtype("float32")):
            weights = learner._train.weights  # type: ignore[attr-defined]
            program = _online.lower(
                learner._engine._static,  # type: ignore[attr-defined]
                loaded.shape[0],
                weights,
                weights.w_out,
                loaded.chunks[0],
            ).compile()
        found.append(program.memory_analysis().temp_size_in_bytes)
    assert found[0] == found[1] > 0
