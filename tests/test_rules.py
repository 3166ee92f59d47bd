"""A rule is one row: what follows from its fields, and a new combination of parts on every backend."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
from cases import BACKENDS, assert_gradients, problem
from cases import NEW_RULE as NEW

import implementations as impl
from implementations import rules
from implementations.interface import EPROP_AND_BPTT, Parts
from implementations.rules import Rule


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the table, to be written to."""
    monkeypatch.setattr(rules, "_RULES", dict(rules._RULES))


def test_what_follows_from_the_table() -> None:
    assert rules.learning() == (
        "bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive", "readout_only"
    )  # fmt: skip
    assert rules.timed() == ("bptt", "eprop_symmetric", "eprop_random", "hops2")
    assert rules.costly() == ("bptt", "eprop_symmetric", "snap1", "hops1", "hops2", "hops4", "readout_only")
    assert rules.tracked() == ("bptt", "eprop_symmetric", "hops2")
    assert rules.ladder() == (
        "readout_only", "eprop_symmetric", "snap1", "hops1", "hops2", "hops4", "bptt"
    )  # fmt: skip
    assert rules.ladder(["hops3", "bptt", "drtp", "?", "hops2", "hops:3"]) == ("hops2", "hops3", "bptt")
    others = {name: rules.same_gradients(name) for name in impl.RULES}
    assert others.pop("eprop_adaptive") == "eprop_random"
    assert all(name == other for name, other in others.items())


def test_rungs_without_a_row_come_between_their_neighbours() -> None:
    names = ["b", "hops8", "readout_only", "hops3", "hops4", "a", "bptt", "snap1", "hops3"]
    assert rules.ordered(names) == ("bptt", "snap1", "hops3", "hops4", "hops8", "readout_only", "a", "b")
    assert rules.ordered(reversed(impl.RULES)) == impl.RULES
    assert rules.find("hops") is rules.find("") is None


@pytest.mark.usefixtures("table")
def test_a_row_is_all_there_is_to_add() -> None:
    rules.register(NEW)
    assert rules.get("new_rule") is NEW
    for names in (impl.RULES, rules.RULES, rules.learning(), rules.timed(), rules.costly()):
        assert names[-1] == "new_rule"
    rules.register(replace(NEW, name="another", feedback="learned", learns=False, costs_like="bptt"))
    assert rules.same_gradients("another") == "new_rule"
    assert "another" not in {*rules.learning(), *rules.costly()}
    assert "another" in rules.timed(), "nobody else has BPTT's cost with another matrix than W_out"


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (replace(NEW, name="bptt"), "rule.name"),
        (replace(NEW, name="hops3"), "rule.name"),
        (replace(NEW, costs_like="eprop_random"), "rule.costs_like"),
    ],
)
@pytest.mark.usefixtures("table")
def test_bad_rows(rule: Rule, named: str) -> None:
    with pytest.raises(impl.InvalidArgument, match=named):
        rules.register(rule)
    assert "new_rule" not in impl.RULES


@pytest.mark.parametrize(
    "values",
    [
        {"name": 3},
        {"title": None},
        {"hops": -1},
        {"hops": 1.5},
        {"hops": True},
        {"hops": float("nan")},
        {"reset_gradient": 1},
        {"feedback": "random"},
        {"feedback": "none"},  # with hops
        {"modes": ()},
        {"modes": ("forward",)},
        {"signal": "targets"},
        {"cut": ("kappa",)},
        {"learns": "yes"},
    ],
)
def test_bad_fields(values: dict[str, Any]) -> None:
    """Also of a rule that is in no table."""
    with pytest.raises(impl.InvalidArgument, match=f"rule.{next(iter(values))} is"):
        replace(NEW, **values)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("table")
def test_a_new_combination_on_every_backend(backend: str) -> None:
    rules.register(NEW)
    rules.register(replace(NEW, name="detached_random", reset_gradient=False))
    found = problem(impl.Network(n_in=6, n_regular=4, n_adaptive=5), n_steps=70)
    batch = (found.batch.spikes, found.batch.targets)
    trace = reference.forward(found.network, found.parameters, found.batch.spikes)
    for rule in ("new_rule", "detached_random"):
        expected = reference.bptt(
            found.network,
            found.objective,
            found.parameters,
            *batch,
            trace,
            reset=rule == "new_rule",
            feedback=found.parameters.feedback,
        )
        learner = found.learner(backend, rule)
        loaded = learner.load(found.batch)
        gradients, _ = learner.gradients(loaded)
        assert_gradients(gradients, expected, 1e-10)
        before = learner.parameters()
        learner.step(loaded)
        after = learner.parameters()
        assert np.array_equal(before.feedback, after.feedback)
        assert not np.array_equal(before.w_rec, after.w_rec)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("table")
def test_feedback_that_learns_with_the_recurrent_gradient(backend: str) -> None:
    rules.register(replace(NEW, feedback="learned"))
    found = problem(impl.Network(n_in=6, n_regular=4, n_adaptive=5), n_steps=70)
    learner = found.learner(backend, "new_rule", optimizer=impl.Adam(readout_decay=0.5))
    learner.step(learner.load(found.batch))
    before, after = found.parameters, learner.parameters()
    # the same gradient, hence the same step of Adam, then halved
    np.testing.assert_allclose(
        2 * after.feedback - before.feedback, 2 * after.w_out - before.w_out, atol=1e-12
    )


@pytest.mark.parametrize(
    ("rule", "lacks"),
    [
        (replace(NEW, modes=("online",)), "the recurrent and the reset gradient in the mode online"),
        (
            replace(NEW, modes=("online",), reset_gradient=False),
            "the recurrent gradient in the mode online",
        ),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("table")
def test_what_no_backend_has_is_refused(backend: str, rule: Rule, lacks: str) -> None:
    rules.register(rule)
    assert (impl.unavailable(backend, "cpu", rule.name) or "").endswith(f"it lacks {lacks}")
    with pytest.raises(impl.InvalidArgument, match=lacks):
        problem(impl.Network(n_in=6, n_regular=4, n_adaptive=5)).learner(backend, rule.name, rule.modes[0])


def test_one_mode_of_two() -> None:
    both = replace(NEW, modes=rules.MODES)
    assert Parts().missing(both) is None
    assert Parts().missing(both, "adjoint") is None
    assert Parts().missing(both, "online") == "the recurrent and the reset gradient in the mode online"
    assert Parts(feedback=("readout",)).missing(NEW) == "fixed feedback"
    assert (
        Parts(recurrent_gradient=()).missing(replace(NEW, reset_gradient=False)) == "the recurrent gradient"
    )


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("bptt", None),
        ("bptt_detached", None),
        ("eprop_adaptive", None),
        ("snap1", "the reset gradient without the recurrent gradient"),
        ("hops2", "the recurrent gradient over some hops"),
        ("readout_only", "none feedback"),
        ("drtp", "the target as the signal that is sent back"),
        ("ottt", "a way back without the filters adaptation and readout"),
    ],
)
def test_what_kernels_for_cards_lack(name: str, lacks: str | None) -> None:
    assert EPROP_AND_BPTT.missing(rules.get(name)) == lacks


def test_names_are_there_for_whoever_looks() -> None:
    code = (
        "import implementations as impl; from implementations.rules import Rule, register;"
        " register(Rule('new', 'new', 2, True, 'fixed', ('adjoint',)));"
        " from implementations import RULES;"
        " print(RULES[-1], impl.RULES[-1], impl.unavailable('numpy', rule='new'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["new", "new", "None"]
