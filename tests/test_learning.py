"""The rules do learn the task, at the published recipe: the check that no equality of gradients replaces."""

import statistics

import pytest

import implementations as impl
from benchmarks.run import quick
from implementations.training import Plan, Point, Training, initial_parameters


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["bptt", "eprop_symmetric", "eprop_random"])
def test_learns_evidence_accumulation(rule: str) -> None:
    """One seed, 300 of the published steps: far above the chance of one half, on trials never seen."""
    task = impl.EvidenceAccumulation()
    network = impl.Network()
    plan = Plan(steps=300, batch=64, seed=0)
    learner = impl.learner("numba", rule, initial_parameters(network, plan.seed), network=network)
    training = Training(learner, task, plan, rule)
    training.warm_up()
    points = [event for event in training.events() if isinstance(event, Point)]
    last = [point.test_accuracy for point in points if point.step > 200]
    assert statistics.median(last) >= 0.8
    assert points[-1].test_loss < points[0].test_loss


@pytest.mark.parametrize("rule", ["bptt", "eprop_symmetric", "eprop_random"])
def test_learns_pattern_generation(rule: str) -> None:
    """Seeds 0 and 1, 100 of the published steps: far below 1, the error of the best constant readout."""
    least = 0.9 if rule == "bptt_detached" else 0.3  # without the reset's gradient, BPTT is many times slower
    assert max(quick.errors("pattern_generation", "numba", rule, "cpu")) < least
