"""What the conformance suite runs over: every backend that can run here, with its rules and modes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import implementations as impl
from implementations import rules
from implementations.divergence import Bounds, weights_used
from implementations.interface import Learner

BACKENDS = tuple(backend for backend in impl.BACKENDS if impl.unavailable(backend) is None)

CASES = tuple(
    (backend, rule, mode)
    for backend in BACKENDS
    for rule in impl.RULES
    for mode in rules.get(rule).modes
    if impl.unavailable(backend, "cpu", rule, mode) is None
)


def slow(*names: str) -> tuple[Any, ...]:
    """All cases; those of these rules and backends are among the slow tests."""
    return tuple(
        pytest.param(*case, marks=[pytest.mark.slow] if {*case[:2]} & {*names} else []) for case in CASES
    )


GRADIENT_CASES = slow("eprop_adaptive", "hops1", "hops4", "sltt")
"""For tests of gradients alone: adaptive e-prop's are random e-prop's, by the same code. What differs is the
update, which test_training_parity.py tests, as test_oracle.py does the gradients.
One or four hops take the way of two, and SLTT that of OTTT with a constant more at 0."""

NEW_RULE = rules.Rule("new_rule", "BPTT, random feedback", rules.ALL, True, "fixed", ("adjoint",))
"""A combination of parts that none of the rules has, for tests that register it."""

ALIKE = ("eprop_random", "eprop_adaptive", "bptt_detached", "hops1", "hops4", "ottt", "sltt", "drtp")
"""Rules that take the way of another one, with another matrix, other constants or more levels."""

COMPILED_BY_SHAPE = ("jax", "brainpy")
"""Backends that compile for every network and shape, a second each time."""

TWO_WAYS = (("bptt", "adjoint"), ("eprop_symmetric", "online"))
"""Back through time, and along with it: the other rules and modes of a backend vary these."""

BASIC_CASES = tuple(
    pytest.param(*case.values, marks=pytest.mark.slow)
    if case.values[0] in COMPILED_BY_SHAPE and case.values[1:] not in TWO_WAYS
    else case
    for case in slow(*ALIKE)
)
"""For tests of what no rule decides, such as threads and shapes: one case for each way to compute, of two
where each has to be compiled."""

UPDATE_CASES = slow(*{*ALIKE, "snap1", "hops2"} - {"eprop_adaptive"})
"""For tests of the update, which differs where other weights are trained."""

LEFT_OUT = {
    (backend, rule, mode): reason
    for backend in BACKENDS
    for rule in impl.RULES
    for mode in rules.get(rule).modes
    if (reason := impl.unavailable(backend, "cpu", rule, mode)) is not None
}
"""Why a backend that can run here is not tested with one of the rules and modes; pytest prints it."""


@dataclass(frozen=True)
class Problem:
    """A network with weights, a batch and an objective."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch

    def learner(self, backend: str, rule: str, mode: str = "adjoint", **options: Any) -> Learner:
        options = {"dtype": "float64", **options}
        return impl.learner(
            backend,
            rule,
            self.parameters,
            network=self.network,
            objective=self.objective,
            mode=mode,
            **options,
        )


def problem(
    network: impl.Network,
    *,
    n_batch: int = 3,
    n_steps: int = 30,
    window: int = 10,
    input_rate: float = 0.2,
    input_scale: float = 1.0,
    loss: str = "cross_entropy",
    masked: bool = False,
    seed: int = 0,
) -> Problem:
    """A random problem in which neurons do spike: inputs are strong, and all of them active."""
    rng = np.random.default_rng(seed)
    drawn = impl.Parameters.draw(network, seed)
    w_in = input_scale * drawn.w_in * 1.5
    parameters = impl.Parameters(w_in, drawn.w_rec, drawn.w_out, drawn.feedback)
    spikes = rng.random((n_batch, n_steps, network.n_in)) < input_rate
    if loss == "cross_entropy":
        targets = rng.integers(0, network.n_out, n_batch)
    else:
        targets = rng.standard_normal((n_batch, n_steps, network.n_out))
    objective = impl.Objective(loss=loss, window=window, rate_cost=2.0)
    mask = None
    if masked:  # other steps of each trial, some before the window, and one alone of the first
        mask = rng.random((n_batch, n_steps)) < 0.4
        mask[0, -window:] = False
        mask[:, -window // 2] = True
    return Problem(network, objective, parameters, impl.Batch(spikes, targets, mask))


def assert_judged(
    learner: Learner, loaded: Any, rule: str, restore: Callable[[dict[str, np.ndarray]], None]
) -> None:
    """A loss is NaN where a weight that the rule uses is beyond the bound, or NaN, and nowhere else.

    Args:
        learner: has not diverged; it is as before afterwards.
        loaded: a batch.
        rule: of the learner.
        restore: of the learner, or behind its check of states.
    """
    state = learner.state()
    most = Bounds.of(state["w_in"].dtype).weight
    values = [(1.001 * most, False), (-1.001 * most, False), (-most, True)]
    if restore != learner.restore:
        values.append((np.nan, False))
    for name in ("w_in", "w_rec", "w_out", "feedback"):
        used = name in weights_used(rules.get(rule))
        for value, sound in values:
            array = state[name].copy()
            array[1, 0] = value
            restore(state | {name: array})
            metrics = learner.evaluate(loaded)
            finite = [np.isfinite(float(figure)) for figure in (metrics.loss, metrics.task_loss)]
            assert finite == [sound or not used] * 2, (name, value)
            assert np.isfinite([float(metrics.rate_loss), float(metrics.rate_hz)]).all()
    restore(state)


def deviation(found: Any, expected: Any) -> float:
    """Largest absolute difference over the largest absolute value expected."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    return float(np.abs(found - expected).max() / (scale if scale > 0 else 1.0))


def assert_gradients(found: impl.Gradients, expected: Any, tolerance: float) -> None:
    for name in ("w_in", "w_rec", "w_out"):
        worst = deviation(getattr(found, name), getattr(expected, name))
        assert worst <= tolerance, f"{name} deviates by {worst:.1e}"
    assert not np.diagonal(found.w_rec).any()
