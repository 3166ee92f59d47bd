"""Summaries over seeds and tasks, against what is known of them."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from benchmarks.define.metrics import METRICS
from benchmarks.judge import learning, over_tasks, statistics


def test_interquartile_mean_is_of_the_middle_half() -> None:
    values = np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -100.0])
    assert statistics.iqm(values) == np.mean([2.0, 3.0, 4.0, 5.0])
    assert statistics.iqm(np.stack([values, values + 1]), axis=1).tolist() == [3.5, 4.5]


def test_its_interval_covers_it_as_often_as_it_says() -> None:
    """Of normal samples, whose interquartile mean is their middle; over two tasks of different spread."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        low, high = statistics.iqm_interval([rng.normal(0, 1, 20), rng.normal(0, 1, 20)], resamples=500)
        inside += low <= 0.0 <= high
    assert 0.88 < inside / 300 < 0.98
    assert np.isnan(statistics.iqm_interval([np.ones(1), np.ones(5)])).all()


def test_seeds_are_drawn_within_their_task() -> None:
    """Tasks that agree among their seeds have no interval, however far they are apart."""
    low, high = statistics.iqm_interval([np.zeros(10), np.ones(10)])
    assert (low, high) == (0.5, 0.5)


def test_probability_of_improvement() -> None:
    assert statistics.improvement(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert statistics.improvement(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == (0 + 0 + 1 + 0.5) / 4


def test_profile() -> None:
    at = np.array([0.0, 0.5, 0.9, 1.0])
    assert statistics.profile(np.array([0.4, 0.6, 0.95, 1.0]), at).tolist() == [1.0, 0.75, 0.5, 0.0]


@pytest.mark.parametrize(("seeds", "tests"), [(10, 1), (20, 10)])
def test_the_difference_that_would_be_seen_is_seen_9_times_of_10(seeds: int, tests: int) -> None:
    rng = np.random.default_rng(1)
    spread = 2.0
    sample = rng.normal(0, 1, seeds)
    sample = spread * (sample - sample.mean()) / sample.std(ddof=1)
    least = statistics.detectable(sample, tests)
    trials = rng.normal(least, spread, (400, seeds))
    seen = np.mean([wilcoxon(trial).pvalue < 0.05 / tests for trial in trials])  # pyright: ignore
    assert 0.84 < seen < 0.96
    assert statistics.detectable(2.0 * sample, tests) == pytest.approx(2.0 * least)


def test_where_no_test_can_tell_no_difference_is_seen() -> None:
    assert np.isinf(statistics.detectable(np.array([1.0, 2.0, 3.0]), 1))
    assert statistics.detectable(np.full(8, 0.5), 1) == 0.0


def runs(task: str, means: dict[str, float], seeds: int = 12, spread: float = 0.01) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        {
            **{
                "task": task,
                "rule": rule,
                "mode": "adjoint",
                "seed": seed,
                "final": rng.normal(mean, spread),
            },
            **{"settings": {"network": {"n_out": 2}}, "end": "steps", "timing": None, "last_step": 100},
            **{"criterion_step": 50.0 + seed, "criterion_s": 5.0, "train_s": 10.0},
        }
        for seed in range(seeds)
        for rule, mean in means.items()
    ]
    return pd.DataFrame(rows)


PARTS = [
    runs("temporal_xor", {"bptt": 0.99, "eprop_symmetric": 0.9, "eprop_random": 0.9}),
    runs("copy_recall", {"bptt": 0.5, "eprop_symmetric": 0.2, "eprop_random": 0.4}),
]
TESTS = [learning.between(part) for part in PARTS]


def test_matrix_says_who_is_better_than_whom() -> None:
    table = over_tasks.matrix(PARTS, TESTS).set_index(["task", "rule"])
    assert table.loc[("temporal_xor", "bptt"), "beats"] == ("eprop_symmetric", "eprop_random")
    assert table.loc[("temporal_xor", "eprop_random"), "beats"] == ()
    # the smaller error is better
    assert table.loc[("copy_recall", "eprop_symmetric"), "beats"] == ("bptt", "eprop_random")
    assert table.loc[("copy_recall", "bptt"), "beats"] == ()
    row = table.loc[("temporal_xor", "bptt")]
    assert row["iqm_low"] < row["iqm"] < row["iqm_high"]
    assert row["seeds"] == 12


def test_scores_are_0_for_guessing_and_1_without_error() -> None:
    exact = runs("temporal_xor", {"bptt": 1.0, "eprop_random": 0.5}, spread=0.0)
    assert over_tasks.scores(exact).groupby("rule")["score"].mean().to_dict() == {
        "bptt": 1.0,
        "eprop_random": 0.0,
    }
    squares = over_tasks.scores(runs("copy_recall", {"bptt": 0.25}, spread=0.0))
    assert set(squares["score"]) == {0.75}
    assert over_tasks.scores(runs("somebody's", {"bptt": 0.25}))["score"].isna().all()


def test_overall_is_of_the_rules_that_all_tasks_have() -> None:
    table = over_tasks.overall([*PARTS, runs("delayed_match", {"bptt": 0.99, "eprop_symmetric": 0.6})])
    assert table["rule"].tolist() == ["bptt", "eprop_symmetric"]
    assert table["runs"].tolist() == [36, 36]
    best = table.set_index("rule")["improves"]
    assert np.isnan(best["bptt"]) != np.isnan(best["eprop_symmetric"])


def test_of_each_pair_it_is_said_where_either_is_better_and_by_how_much() -> None:
    by_pair = {(one.first, one.second): one for one in over_tasks.told(PARTS, TESTS)}
    open_ = by_pair["eprop_symmetric", "eprop_random"]
    assert open_.first_on == pytest.approx({"copy_recall": 0.2}, rel=0.1)
    assert (open_.second_on, set(open_.open_on)) == ({}, {"temporal_xor"})
    assert 0.0 < open_.open_on["temporal_xor"] < 0.05
    best = by_pair["bptt", "eprop_random"]
    assert best.first_on == pytest.approx({"temporal_xor": 0.09}, rel=0.1)
    assert best.second_on == pytest.approx({"copy_recall": 0.1}, rel=0.2)


def test_a_pair_has_its_power() -> None:
    table = learning.pairs(PARTS[0], combinations(("bptt", "eprop_symmetric", "eprop_random"), 2))
    assert (table["detectable"] > 0.0).all()
    assert table["improvement"].iloc[0] == 1.0


def test_a_difference_that_no_number_of_points_would_show_is_printed_as_one() -> None:
    assert METRICS["test_accuracy"].format(float("inf")) == METRICS["nmse"].format(float("inf")) == "∞"
    assert METRICS["test_accuracy"].format(-0.012) == "−1.2"
