"""The judge of times in turns, on pairs whose truth is known, and the statistics that it rests on."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

import implementations as impl
from benchmarks.define.pairing import Precision, looks
from benchmarks.judge import pairs, turns
from benchmarks.judge.gate import exit_status

ARMS = ("base", "head", "copy")


def drawn(
    rng: np.random.Generator,
    ratio: float,
    count: int,
    between: float,
    within: float,
    of_head: float = 1.0,
    arms: tuple[str, ...] = ARMS,
) -> list[dict[str, float]]:
    """Levels of `count` pairs of processes: logarithms that vary between processes, and within them.

    Those of head vary `of_head` times as much between processes.
    """
    found = []
    for _ in range(count):
        drift = 0.1 * rng.standard_normal()  # what the machine does falls on all arms
        luck = {arm: between * (of_head if arm == "head" else 1.0) * rng.standard_normal() for arm in arms}
        order = [*arms, *reversed(arms)] * 4
        logs = [
            drift + luck[arm] + (math.log(ratio) if arm == "head" else 0.0) + within * rng.standard_normal()
            for arm in order
        ]
        found.append(pairs.levels(order, np.exp(logs).tolist()))
    return found


def in_looks(rng: np.random.Generator, ratio: float, between: float, family: int = 25, **of: Any) -> str:
    """The verdict of a comparison, as `check` looks at it."""
    precision = Precision()
    found = drawn(rng, ratio, precision.looks[-1], between, 0.015, **of)
    verdict = pairs.CANNOT_TELL
    for look in precision.looks:
        verdict = pairs.verdict(pairs.estimate(found[:look]), precision, family)
        if verdict != pairs.CANNOT_TELL:
            break
    return verdict


@pytest.mark.parametrize(("arms", "share"), [(ARMS, 1.5), (ARMS[:2], 2.0)])
def test_the_error_of_a_mean_over_pairs_is_what_it_varies_by(arms: tuple[str, ...], share: float):
    rng = np.random.default_rng(1)
    found = [pairs.estimate(drawn(rng, 1.0, 4, 0.03, 0.02, arms=arms)) for _ in range(1000)]
    centres = [one.centre for one in found]
    mean = math.sqrt(np.mean([one.error**2 for one in found]))
    assert mean == pytest.approx(np.std(centres), rel=0.06)
    # of a process, by medians over four blocks of two samples; and of so many processes
    truth = math.sqrt(share * (0.03**2 + 0.02**2 / 2 * math.pi / 2 / 4) / 4)
    assert truth * 0.95 < mean < truth * 1.05
    assert abs(np.mean(centres)) < 0.003


def test_an_interval_of_four_pairs_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    within = 0
    for _ in range(1000):
        low, high = pairs.estimate(drawn(rng, 1.1, 4, 0.03, 0.02)).interval(0.05)
        within += low < 1.1 < high
    assert 0.88 < within / 1000 < 0.92


def test_samples_of_few_processes_are_not_taken_for_many():
    """However many blocks a pair has, it is one pair."""
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(400):
        lucks = np.exp(0.08 * rng.standard_normal((4, len(ARMS))))
        few = [
            pairs.levels([*ARMS, *reversed(ARMS)] * 50, of[[0, 1, 2, 2, 1, 0] * 50].tolist()) for of in lucks
        ]
        false += pairs.verdict(pairs.estimate(few), Precision()) == pairs.SLOWER
    assert false <= 3


@pytest.mark.parametrize("between", [0.01, 0.03, 0.06])
def test_identical_code_is_hardly_ever_slower(between: float):
    rng = np.random.default_rng(4)
    verdicts = [in_looks(rng, 1.0, between) for _ in range(300)]
    assert verdicts.count(pairs.SLOWER) == 0


def test_what_only_varies_more_is_hardly_ever_slower():
    """The error is that of all arms, and no worse than that where head's processes differ thrice as much."""
    rng = np.random.default_rng(12)
    verdicts = [in_looks(rng, 1.0, 0.02, of_head=3.0) for _ in range(300)]
    assert verdicts.count(pairs.SLOWER) <= 1


@pytest.mark.parametrize(("ratio", "between"), [(1.1, 0.01), (1.2, 0.02), (1.2, 0.03), (1.3, 0.05)])
def test_slowdowns_are_found(ratio: float, between: float):
    rng = np.random.default_rng(5)
    verdicts = [in_looks(rng, ratio, between) for _ in range(100)]
    assert verdicts.count(pairs.SLOWER) >= 95, verdicts
    assert pairs.SAME not in verdicts


def test_four_pairs_find_a_slowdown_of_a_fifth():
    """As many as there is time for where a change touches all backends."""
    rng = np.random.default_rng(13)
    precision = Precision()
    four = [pairs.estimate(drawn(rng, 1.2, precision.looks[0], 0.01, 0.015)) for _ in range(100)]
    assert sum(pairs.verdict(found, precision, 25) == pairs.SLOWER for found in four) >= 95


def test_what_is_slower_by_the_bound_is_called_unchanged_no_more_often_than_said():
    rng = np.random.default_rng(6)
    verdicts = [in_looks(rng, 1.05, 0.02) for _ in range(300)]
    assert verdicts.count(pairs.SAME) <= 0.05 * 300 * 1.4
    assert verdicts.count(pairs.SLOWER) <= 3
    assert verdicts.count(pairs.CANNOT_TELL) > 200


def test_faster_is_told_from_unchanged():
    rng = np.random.default_rng(7)
    assert in_looks(rng, 0.8, 0.01) == pairs.FASTER
    assert in_looks(rng, 1.0, 0.01) == pairs.SAME


def test_many_cases_are_corrected_together():
    assert pairs.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert pairs.holm({}) == {}
    edge = pairs.Estimate(math.log(1.05) + 0.01 * student.ppf(1 - 0.002, 6), 0.01, 4, 6)
    assert pairs.verdict(edge, Precision()) == pairs.SLOWER
    assert pairs.verdict(edge, Precision(), family=25) == pairs.CANNOT_TELL
    others = {str(number): pairs.Estimate(0.0, 0.001, 4, 6) for number in range(24)}
    assert pairs.verdicts({"edge": edge, **others}, Precision())["edge"] == pairs.CANNOT_TELL


def test_a_pair_has_a_level_of_each_arm():
    order = ["base", "head", "copy", "copy", "head", "base", "head", "copy", "base", "base", "copy", "head"]
    seconds = [1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 8.0, 2.0, 2.0, 2.0, 2.0, 8.0]
    found = pairs.levels(order, seconds)
    # the median of two blocks, in which head is twice and four times as slow
    assert found["head"] - found["base"] == pytest.approx(math.log(8) / 2)
    assert found["copy"] == pytest.approx(found["base"])
    assert sum(found.values()) == pytest.approx(0.0)
    # what drifts evenly falls on all alike
    drifting = [0.1 * 1.1**place for place in range(6)]
    assert pairs.levels(order[:6], drifting) == pytest.approx(dict.fromkeys(ARMS, 0.0))
    # of arms that are not compared nothing is taken, and those that are not there are left out
    assert set(pairs.levels(["base", "other", "other", "base"], [1.0, 9.0, 9.0, 1.0])) == {"base"}


def test_a_copy_of_base_counts_as_base_does_and_its_variation_as_all_s():
    values = ((0.0, 0.30, 0.02), (0.0, 0.27, -0.02), (0.0, 0.33, 0.03), (0.0, 0.30, -0.03))
    three = [dict(zip(ARMS, of, strict=True)) for of in values]
    found = pairs.estimate(three)
    assert found.centre == pytest.approx(0.3)
    assert (found.pairs, found.freedom) == (4, 6)
    # a two-way layout, by hand: means of pairs and of arms taken away
    table = np.array(values)
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    assert found.error == pytest.approx(math.sqrt((rest**2).sum() / 6 * 1.5 / 4))
    copy = pairs.estimate(three, "copy", ("base",))
    assert (copy.centre, copy.freedom) == (pytest.approx(0.0), 6)
    assert copy.error == pytest.approx(math.sqrt((rest**2).sum() / 6 * 2.0 / 4))
    # one that is not in every pair is in none, and what is left is the paired test
    without = pairs.estimate([{"base": 0.0, "head": 0.30}, *three[1:]])
    differences = [0.30, 0.27, 0.33, 0.30]
    assert (without.centre, without.freedom) == (pytest.approx(0.3), 3)
    assert without.error == pytest.approx(np.std(differences, ddof=1) / 2)


def test_the_mean_over_cases_is_that_of_each_pair():
    def pair(head: float) -> dict[str, float]:
        return {"base": 0.0, "head": head, "copy": 0.0}

    found = pairs.together([{0: pair(0.1), 1: pair(0.3), 2: pair(9.0)}, {1: pair(0.1), 0: pair(0.3)}])
    assert found is not None
    assert (found.centre, found.pairs) == (pytest.approx(0.2), 2)
    assert found.error < 0.01  # each pair has the same mean, whatever its cases do
    assert pairs.together([{0: pair(0.1)}, {0: pair(0.2), 1: pair(0.2)}]) is None
    assert pairs.together([]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("factor", 1.0),
        ("factor", math.nan),
        ("error", 0.5),
        ("missed", 0.0),
        ("looks", (4, 4)),
        ("minutes", 0.0),
    ],
)
def test_precision_is_checked(field: str, value: Any):
    with pytest.raises(impl.InvalidArgument, match=field):
        Precision(**{field: value})


def test_looks_end_with_as_many_pairs_as_may_be():
    assert looks(4) == (4,)
    assert looks(7) == (4, 6, 7)
    assert looks(30) == (4, 6, 9, 30)
    with pytest.raises(impl.InvalidArgument, match="pairs is 3"):
        looks(3)


def record(
    selector: str, number: int, ratios: dict[str, float], noise: np.random.Generator, **states: str
) -> dict[str, Any]:
    """As `run.pairs.measure` yields it; without samples where a state is not ok."""
    told = {arm: {"status": states.get(arm, "ok"), "reason": None} for arm in ARMS}
    named = {"benchmark": "step", "case": selector, "selector": selector, "unit": "seconds", "pair": number}
    if {told[arm]["status"] for arm in ("base", "head")} != {"ok"}:
        return {**named, "states": told}
    order = [*ARMS, *reversed(ARMS)] * 3
    own = {arm: ratios.get(arm, 1.0) * (1.0 + 0.005 * noise.standard_normal()) for arm in ARMS}
    wall_s = [0.1 * own[arm] for arm in order]
    return {
        **named,
        "states": told,
        "order": order,
        "wall_s": wall_s,
        "own_s": wall_s,
        "taken": [0] * len(order),
    }


def judged(
    ratios: dict[str, dict[str, float]], untouched: tuple[str, ...] = (), **states: str
) -> turns.Times:
    rng = np.random.default_rng(8)
    records = [record(name, number, of, rng, **states) for name, of in ratios.items() for number in range(4)]
    return turns.judge(records, Precision(), {name: name.split()[0] for name in ratios}, untouched)


def test_each_case_has_a_verdict_and_each_backend_a_mean():
    found = judged({"numba a": {}, "numba b": {"head": 1.3}, "numpy a": {}})
    verdicts = found.rows.set_index(["benchmark", "case"])["verdict"]
    assert dict(verdicts) == {
        ("step", "numba a"): "same",
        ("step", "numba b"): "slower",
        ("step", "numpy a"): "same",
        (turns.MEAN, "numba"): "slower",
    }
    assert exit_status(found.rows) == 1
    row = found.rows.iloc[1]
    assert row["low"] < 1.3 < row["high"]
    assert (row["base"], row["n_base"]) == (pytest.approx(0.1, rel=0.02), 24)
    assert not found.undecided
    assert not found.moved


def test_a_small_loss_everywhere_shows_in_the_mean():
    """Each case by itself is within what a comparison can tell, all together are not."""
    rng = np.random.default_rng(9)
    cases = [drawn(rng, 1.1, 4, 0.03, 0.01) for _ in range(24)]
    alone = pairs.verdicts({str(number): pairs.estimate(of) for number, of in enumerate(cases)}, Precision())
    assert "slower" not in alone.values()
    together = pairs.together([dict(enumerate(of)) for of in cases])
    assert together is not None
    assert pairs.verdict(together, Precision()) == "slower"


def test_a_copy_that_comes_out_otherwise_voids_all_times():
    found = judged({"numba a": {"head": 1.3}, "numba b": {"copy": 1.2}})
    assert set(found.rows["verdict"]) == {"void"}
    assert found.moved == ("copy of base: numba b",)
    assert exit_status(found.rows) == 5


def test_untouched_cases_are_controls_and_no_verdict():
    found = judged({"numba a": {}, "numpy a": {}}, untouched=("numpy a",))
    assert set(found.rows["verdict"]) == {"same"}
    found = judged({"numba a": {}, "numpy a": {"head": 1.3}}, untouched=("numpy a",))
    assert found.moved == ("numpy a",)
    assert exit_status(found.rows) == 5


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ({"head": "failed"}, "fails now"),
        ({"head": "unavailable"}, "no longer runs"),
        ({"base": "failed"}, "works now"),
        ({"base": "unavailable", "head": "unavailable"}, "n/a"),
    ],
)
def test_what_has_no_samples_is_judged_by_its_states(states: dict[str, str], verdict: str):
    found = judged({"numba a": {}}, **states)
    assert list(found.rows["verdict"]) == [verdict]
    assert not found.undecided


def test_a_process_that_was_killed_once_is_no_breakage():
    rng = np.random.default_rng(10)
    records = [
        record("numba a", 0, {}, rng, head="failed"),
        *(record("numba a", n, {}, rng) for n in (1, 2, 3)),
    ]
    found = turns.judge(records, Precision(), {"numba a": "numba"})
    assert list(found.rows["verdict"]) == ["same"]
    found = turns.judge(records[:2], Precision(), {"numba a": "numba"})  # one pair is none
    assert list(found.rows["verdict"]) == ["cannot tell"]
    assert found.undecided == {"numba a"}


def test_where_another_process_took_the_core_its_own_time_counts():
    times = {"wall_s": [0.1, 0.9, 0.3], "own_s": [0.09, 0.1, 0.1], "taken": [0, 3, 0]}
    assert turns.seconds(times) == [0.1, 0.1, 0.3]  # what waits by itself is slow
