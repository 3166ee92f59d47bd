"""`restore` refuses what is damaged, or of another rule or network, by name; the learner is as it was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, COMPILED_BY_SHAPE, problem

import implementations as impl
from implementations.interface import Learner

NETWORK = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
PROBLEM = problem(NETWORK)
BY_BACKEND = pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=[pytest.mark.slow] if name in COMPILED_BY_SHAPE else []) for name in BACKENDS],
)
State = dict[str, np.ndarray]


def fresh(backend: str, rule: str = "eprop_adaptive", network: impl.Network = NETWORK) -> Learner:
    return impl.learner(backend, rule, impl.Parameters.draw(network, seed=1), network=network)


def with_value(index: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        changed = np.array(array, np.float64)
        changed[index] = value
        return changed

    return change


DAMAGED: dict[str, tuple[str, Callable[[np.ndarray], Any], str]] = {
    "one number of w_in": ("w_in", lambda a: a[:1, :1], r"of shape \(1, 1\)"),
    "one number of all": ("adam_mean_w_rec", lambda a: a[:1, :1], r"of shape \(1, 1\)"),
    "one row": ("w_rec", lambda a: a[:1], r"of shape \(1, 5\)"),
    "transposed": ("adam_square_w_in", lambda a: a.T, r"of shape \(5, 4\)"),
    "a number": ("feedback", lambda a: 1.0, r"of shape \(\)"),
    "nothing": ("w_out", lambda a: None, "of dtype object"),
    "integers": ("w_in", lambda a: a.astype(np.int8), "of dtype int8"),
    "complex": ("w_in", lambda a: a.astype(complex), "of dtype complex128"),
    "NaN": ("w_rec", with_value((0, 1), np.nan), "NaN or infinity"),
    "infinity": ("adam_mean_w_out", with_value((0, 1), np.inf), "NaN or infinity"),
    "infinity of feedback": ("feedback", with_value((0, 1), np.inf), "NaN or infinity"),
    "too large for float32": ("w_in", with_value((0, 1), 1e39), "NaN or infinity as float32"),
    "a neuron with a connection to itself": ("w_rec", with_value((2, 2), 0.5), "non-zero diagonal"),
    "one that would grow": ("adam_mean_w_rec", with_value((2, 2), 0.5), "non-zero diagonal"),
    "a negative square": ("adam_square_w_out", with_value((1, 1), -1e-9), "as low as -1e-09"),
    "a negative step": ("adam_step", lambda a: np.array(-1), "as low as -1"),
    "a step that wraps": ("adam_step", lambda a: np.array(2**31), "as large as 2147483648"),
    "half a step": ("adam_step", lambda a: np.array(1.5), "of dtype float64"),
    "steps": ("adam_step", lambda a: np.array([1]), r"of shape \(1,\)"),
}


def refused(learner: Learner, state: Any, entry: str, was: str) -> None:
    """By name, and nothing has changed."""
    before = learner.state()
    with pytest.raises(impl.InvalidArgument, match=rf"^state\['{entry}'\] is .*{was}.*; it may be ."):
        learner.restore(state)
    after = learner.state()
    assert after.keys() == before.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, strict=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_damaged(backend: str) -> None:
    learner = fresh(backend)
    initial = learner.state()
    for name, change, was in DAMAGED.values():
        refused(learner, initial | {name: change(initial[name])}, name, was)
        other = {key: array for key, array in initial.items() if key != name}
        refused(learner, other, name, "missing")
    refused(learner, initial | {"w": initial["w_in"]}, "w", "does not have")
    for nothing in (None, [], 3):
        with pytest.raises(impl.InvalidArgument, match=r"^state is of type .*; it may be"):
            learner.restore(nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_another_rule_or_network(backend: str) -> None:
    adaptive, random = fresh(backend), fresh(backend, "eprop_random")
    others = "|".join(adaptive.state().keys() - random.state().keys())
    refused(random, adaptive.state(), f"(?:{others})", "not have")
    refused(adaptive, random.state(), "adam_mean_feedback", "missing")
    for network in (
        impl.Network(n_in=5, n_regular=3, n_adaptive=2),
        impl.Network(n_in=4, n_regular=3, n_adaptive=3),
        impl.Network(n_in=4, n_regular=3, n_adaptive=2, n_out=3),
    ):
        refused(adaptive, fresh(backend, network=network).state(), ".*", "of shape")


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_float_that_fits_is_taken(backend: str) -> None:
    learner = fresh(backend)
    wide = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int16)
        for name, array in fresh(backend).state().items()
    }
    wide |= {name: np.asfortranarray(array) for name, array in wide.items() if array.ndim == 2}
    wide["w_in"] = wide["w_in"] * 0.5
    learner.restore(wide)
    given = {name: array.copy() for name, array in wide.items()}
    for array in wide.values():
        array.fill(7)  # the learner has its own
    for name, array in learner.state().items():
        np.testing.assert_array_equal(array, given[name].astype(array.dtype))
        if array.dtype.kind == "f":
            assert array.dtype == np.float32


@pytest.mark.parametrize("backend", BACKENDS)
def test_feedback_that_the_rule_does_not_use_may_be_infinite(backend: str) -> None:
    """`learner` takes it, so that `restore` has to take what `state` returns."""
    learner = fresh(backend, "eprop_symmetric")
    learner.restore(learner.state() | {"feedback": np.full((5, 2), np.inf, np.float32)})
    learner.restore(learner.state())
    assert np.isinf(learner.state()["feedback"]).all()


@BY_BACKEND
def test_random_damage(backend: str) -> None:
    """In a child process: torch's heap was corrupted by shapes that it took as they came."""
    command = [sys.executable, str(Path(__file__).with_name("state_fuzz.py")), backend, "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
