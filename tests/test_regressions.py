"""The judge of the regression gate, on samples whose truth is known."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import implementations as impl
from benchmarks.define.asv_parameters import REPEAT
from benchmarks.define.gate import ROUNDS
from benchmarks.define.pairing import Precision
from benchmarks.judge import gate as regressions
from benchmarks.judge.gate import Thresholds, confirmed, exit_status, judge
from benchmarks.show import gate as regression_summary
from benchmarks.show.gate import Comparison
from benchmarks.store.asv_files import COLUMNS

PER_ROUND = REPEAT[0]


def row(
    samples: list[float], *, unit: str = "seconds", status: str = "ok", name: str = "step", case: str = "a"
) -> dict[str, Any]:
    value = float(np.median(samples)) if samples else math.nan
    return dict(zip(COLUMNS, (name, case, f"{name}({case})", unit, status, value, samples), strict=True))


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def verdict(before: dict[str, Any], after: dict[str, Any], **thresholds: Any) -> str:
    (found,) = judge(table(before), table(after), Thresholds(**thresholds))["verdict"]
    return found


def times(
    rng: np.random.Generator, scale: float = 1.0, rounds: int = ROUNDS, drift: np.ndarray | None = None
) -> list[float]:
    """Step times as this kind of machine gives them.

    A process is off by some per cent whatever it runs, a sample by a little more, and now and then
    something else runs. `drift` is what the machine does to both sides in each round.
    """
    drift = np.ones(rounds) if drift is None else drift
    process = 1.0 + 0.03 * rng.standard_normal(rounds)
    sample = 1.0 + np.abs(0.02 * rng.standard_normal((rounds, PER_ROUND)))
    sample += rng.exponential(0.5, sample.shape) * (rng.random(sample.shape) < 0.08)
    return list((0.05 * scale * (drift * process)[:, None] * sample).ravel())


def rate_of(wanted: str, scale: float, trials: int = 2000, **thresholds: Any) -> float:
    rng = np.random.default_rng(7)
    sides: tuple[list[dict[str, Any]], ...] = ([], [])  # all trials are cases of one pair of tables
    for trial in range(trials):
        # up to 40 % slower for a while, for both sides alike as they are interleaved
        drift = 1.0 + 0.4 * rng.random(ROUNDS)
        for side, factor in zip(sides, (1.0, scale), strict=True):
            side.append(row(times(rng, factor, drift=drift), case=str(trial)))
    verdicts = judge(*(table(*side) for side in sides), Thresholds(**thresholds))["verdict"]
    assert len(verdicts) == trials
    return (verdicts == wanted).mean()


def test_noise_alone_is_rarely_slower_and_hardly_ever_twice():
    false_alarms = rate_of("slower", 1.0)
    assert false_alarms < 0.002
    # with the confirmation that follows, for the two dozen cases of a check
    assert 24 * false_alarms**2 < 0.001


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_thirty_per_cent_slower_is_found(drift: float):
    rng = np.random.default_rng(3)
    base, head = [], []
    for trial in range(500):
        both = 1.0 + drift * rng.random(ROUNDS)
        base.append(row(times(rng, drift=both), case=str(trial)))
        head.append(row(times(rng, 1.3, drift=both), case=str(trial)))
    verdicts = judge(table(*base), table(*head), Thresholds())["verdict"]
    assert len(verdicts) == 500
    assert (verdicts == "slower").mean() > 0.95


def test_a_third_faster_is_no_regression():
    rng = np.random.default_rng(0)
    verdicts = judge(table(row(times(rng, 1.5))), table(row(times(rng))), Thresholds())
    assert list(verdicts["verdict"]) == ["faster"]
    assert exit_status(verdicts) == regressions.OK


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ([0.100] * 3 + [0.130] * 9, "the minimum is the same: something else ran"),
        ([0.111] * 12, "below the factor"),
        ([0.130] * 2 + [0.0999] * 10, "the median is the same"),
    ],
)
def test_a_slowdown_has_to_show_in_median_and_minimum(head: list[float], why: str):
    assert verdict(row([0.1] * 12), row(head)) == "same", why


def test_ranks_have_to_tell_the_sides_apart():
    wide = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert verdict(row(wide), row([1.2 * time for time in wide])) == "same"


@pytest.mark.parametrize(("count", "wanted"), [(7, "too few samples"), (8, "slower")])
def test_too_few_samples_give_no_verdict(count: int, wanted: str):
    base = [0.1 + 1e-4 * i for i in range(count)]
    assert verdict(row(base), row([2 * time for time in base])) == wanted


def test_times_that_the_call_itself_disturbs_are_not_judged():
    assert verdict(row([0.0009] * 12), row([0.0018] * 12)) == "too short"


@pytest.mark.parametrize(
    ("base", "head", "wanted"),
    [
        (6.0, 12.0, "more memory"),
        (12.0, 6.0, "less memory"),
        (6.0, 7.4, "same"),  # below the factor
        (0.5, 1.4, "same"),  # pages by the handful
        (0.0, 4.0, "more memory"),
        (0.0, 0.0, "same"),
    ],
)
def test_memory_has_a_bound_of_its_own(base: float, head: float, wanted: str):
    sides = [row([mib * 2**20], unit="bytes") for mib in (base, head)]
    assert verdict(*sides) == wanted


@pytest.mark.parametrize(
    ("base", "head", "wanted"),
    [(500.0, 1100.0, "more memory"), (5.0, 400.0, "same"), (-20.0, 1000.0, "more memory")],
)
def test_growth_of_memory_has_a_bound_of_its_own(base: float, head: float, wanted: str):
    assert verdict(*(row([value], unit="bytes/step") for value in (base, head))) == wanted


@pytest.mark.parametrize(
    ("base", "head", "wanted"),
    [
        ([0.02, 0.03, 0.0, 0.05], [0.45, 0.5, 0.52, 0.49], "learns worse"),
        ([0.02, 0.03, 0.0, 0.05], [0.1, 0.07, 0.12, 0.04], "same"),
        ([0.5, 0.5, 0.5, 0.5], [0.02, 0.03, 0.0, 0.05], "learns better"),
        ([0.02, 0.03, 0.0, 0.05], [0.0, 0.03, 0.48, 0.05], "learns worse"),  # one seed of four fails
        ([0.02, 0.03], [math.nan, 0.03], "learns worse"),
    ],
)
def test_learning_has_a_bound_of_its_own(base: list[float], head: list[float], wanted: str):
    assert verdict(*(row(errors, unit="wrong/trials") for errors in (base, head))) == wanted


@pytest.mark.parametrize(
    ("base", "head", "wanted", "status"),
    [
        ("ok", "failed", "fails now", 2),
        ("ok", "unavailable", "no longer runs", 2),
        ("failed", "ok", "works now", 3),
        ("unavailable", "ok", "new", 3),
        ("unavailable", "unavailable", "n/a", 3),
        ("failed", "failed", "fails", 3),
        ("failed", "unavailable", "fails", 3),
        ("unavailable", "failed", "fails", 3),
    ],
)
def test_what_runs_on_one_side_only(base: str, head: str, wanted: str, status: int):
    sides = [table(row([0.1] * 12 if state == "ok" else [], status=state)) for state in (base, head)]
    verdicts = judge(*sides, Thresholds())
    assert list(verdicts["verdict"]) == [wanted]
    assert exit_status(verdicts) == status


def test_what_was_measured_on_one_side_only_is_not_compared():
    verdicts = judge(table(row([0.1] * 12)), table(), Thresholds())
    assert list(verdicts["verdict"]) == ["not measured"]
    assert exit_status(verdicts) == regressions.NOTHING_COMPARED
    assert exit_status(judge(table(), table(), Thresholds())) == regressions.NOTHING_COMPARED


def test_what_was_measured_on_one_side_only_is_no_pass_beside_others():
    """A side that was killed in its last round has no figures, and nothing is known of its case."""
    same = row([0.1] * 12, case="b")
    verdicts = judge(table(row([0.1] * 12), same), table(same), Thresholds())
    assert sorted(verdicts["verdict"]) == ["not measured", "same"]
    assert exit_status(verdicts) == regressions.CANNOT_TELL


def test_units_that_are_not_known_are_not_judged():
    assert verdict(row([1.0], unit="furlongs"), row([9.0], unit="furlongs")) == "not judged"


def test_broken_outranks_slower_outranks_same():
    same, slow = row([0.1] * 12, case="b"), row([0.2] * 12, case="c")
    base = table(same, row([0.1] * 12, case="c"), row([0.1] * 12, case="d"))
    for rows, status in (
        ((same, slow, row([], status="failed", case="d")), regressions.BROKEN),
        ((same, slow, row([0.1] * 12, case="d")), regressions.REGRESSED),
        ((same, row([0.1] * 12, case="c"), row([0.1] * 12, case="d")), regressions.OK),
    ):
        assert exit_status(judge(base, table(*rows), Thresholds())) == status


def test_a_regression_has_to_be_found_twice():
    def judged(**heads: float) -> pd.DataFrame:
        base = table(*(row([0.1] * 12, case=case) for case in heads))
        return judge(
            base, table(*(row([time] * 12, case=case) for case, time in heads.items())), Thresholds()
        )

    first = judged(a=0.2, b=0.2, c=0.1, d=0.2)
    found = confirmed(first, judged(a=0.1, b=0.2)).set_index("case")["verdict"]
    assert dict(found) == {"a": "same", "b": "slower", "c": "same", "d": "slower"}  # d was not measured again


@pytest.mark.parametrize(
    ("name", "value"),
    [("factor", 1.0), ("factor", math.nan), ("p", 0.0), ("p", 2.0), ("samples", 1), ("error", 0.0)],
)
def test_thresholds_are_checked(name: str, value: float):
    with pytest.raises(impl.InvalidArgument, match=name):
        Thresholds(**{name: value})


def comparison(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> Comparison:
    base, head = (table(*side) for side in zip(*pairs, strict=True))
    thresholds = Thresholds()
    return Comparison(
        *("main", "a" * 40, "change", "b" * 40, "a processor, 2 cores"),
        thresholds,
        Precision(),
        judge(base, head, thresholds),
        pairs=4,
    )


def test_the_summary_for_a_pull_request_says_what_changed_first():
    found = comparison(
        (row([0.1] * 12, case="x|y"), row([0.1] * 12, case="x|y")),
        (row([0.1] * 12, case="slow"), row([0.2] * 12, case="slow")),
        (row([], status="unavailable", case="gone"), row([], status="unavailable", case="gone")),
        (row([3.0 * 2**20], unit="bytes", case="m"), row([9.0 * 2**20], unit="bytes", case="m")),
    )
    text = regression_summary.markdown(found)
    assert text.startswith("### Regression: 1 slower, 1 more memory\n")
    assert "| step | slow | 100.00 ms | 200.00 ms | 2.00 |" in text
    assert "| step | m | 3.0 MiB | 9.0 MiB | 3.00 |  | 1 / 1 | more memory |" in text
    assert "x\\|y" in text.split("<details>")[1]
    assert "gone" not in text
    assert (
        "main = aaaaaaaa, head change = bbbbbbbb; up to 4 pairs of processes on a processor, 2 cores" in text
    )
    columns = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(columns) == {9}


@pytest.mark.parametrize(
    ("after", "headline"),
    [
        (row([0.1] * 12), "No regression"),
        (row([0.05] * 12), "No regression: 1 faster"),
        (row([], status="failed"), "Broken: 1 fails now"),
        (row([0.1] * 2), "Nothing could be compared"),
    ],
)
def test_the_headline(after: dict[str, Any], headline: str):
    found = comparison((row([0.1] * 12), after))
    assert regression_summary.headline(found) == headline
    assert regression_summary.table(found).row_count == 1
