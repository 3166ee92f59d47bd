"""The statistics of the comparison, all from SciPy: intervals, paired tests, time to an event.

Seeds are the samples. A seed gives every rule the same initial weights and trials, so that rules are compared
within seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import (
    CensoredData,
    bootstrap,
    ecdf,
    mannwhitneyu,
    nct,
    rankdata,
    t,
    trim_mean,
)

CONFIDENCE = 0.95
SIGNIFICANT = 0.05
"""Adjusted p of a pair of rules that is told apart."""
POWER = 0.9
"""How often a difference would be told, for it to count as one that can be seen."""

_RANKS = 3.0 / np.pi  # efficiency of Wilcoxon's test beside that of t, where differences are normal
_RESAMPLES = 9999


def interval(values: np.ndarray, resamples: int = _RESAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """The bootstrapped confidence interval of the mean over the first axis.

    Args:
        values: (seeds, ...), of one seed at least; the interval of one is NaN.
        resamples: how many; fewer do where an interval is drawn and not printed.
    """
    if len(values) < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing
    found = bootstrap(
        (values,),
        np.mean,
        axis=0,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",  # others divide by a spread, which is 0 where seeds agree
        rng=0,
    )
    return found.confidence_interval.low, found.confidence_interval.high


def iqm(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The interquartile mean: of the middle half of the values (Agarwal et al. 2021, arXiv 2108.13264)."""
    return np.asarray(trim_mean(values, 0.25, axis=axis))  # pyright: ignore[reportArgumentType]


def iqm_interval(tasks: Sequence[np.ndarray], resamples: int = _RESAMPLES) -> tuple[float, float]:
    """The interval of the interquartile mean over the seeds of all tasks, by a stratified bootstrap.

    Args:
        tasks: (seeds,) figures of each; seeds are drawn within their task. NaN where one has one seed alone.
        resamples: how many.
    """
    if min(map(len, tasks)) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    drawn = [rng.choice(values, (resamples, len(values))) for values in tasks]
    low, high = np.quantile(iqm(np.concatenate(drawn, axis=1), axis=1), _ends())
    return float(low), float(high)


def improvement(first: np.ndarray, second: np.ndarray) -> float:
    """The probability that a run of the first is higher than one of the second, ties counting half."""
    return float(mannwhitneyu(first, second).statistic) / (len(first) * len(second))


def profile(scores: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Share of runs whose score is higher than each of `at`."""
    return (np.asarray(scores)[:, None] > at).mean(axis=0)


def detectable(differences: np.ndarray, tests: int) -> float:
    """The mean difference that would be told 9 times of 10, with these seeds and this spread.

    By Wilcoxon's test where differences are normal: as by a t test of pi/3 as many seeds fewer, at the level
    that Holm's method asks of the first of so many tests. Infinite where no p is so low.

    Args:
        differences: (seeds,) of two rules; their spread counts, not their mean.
        tests: that are made together.
    """
    n, level = len(differences), SIGNIFICANT / tests
    if 2.0 ** (1 - n) > level:
        return float("inf")
    error = float(np.std(differences, ddof=1)) / np.sqrt(_RANKS * n)
    if error == 0.0:
        return 0.0
    least = t.ppf(1.0 - level / 2.0, n - 1)
    return error * float(brentq(lambda away: nct.sf(least, n - 1, away) - POWER, 0.0, 4.0 * least + 10.0))  # type: ignore[arg-type]


def _ends() -> tuple[float, float]:
    return (1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0


@dataclass(frozen=True)
class Paired:
    """Two rules over the same seeds.

    Attributes:
        seeds: how many.
        difference, low, high: mean of first minus second, and its bootstrapped interval.
        p: two-sided, of the Wilcoxon signed-rank test; exact, ties included; zeros are left out.
        rank_biserial: matched-pairs rank-biserial correlation, -1 (the first is lower in all seeds) to 1.
    """

    seeds: int
    difference: float
    low: float
    high: float
    p: float
    rank_biserial: float


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compare figures of the same seeds, two at least."""
    differences = first - second
    low, high = interval(differences)
    return Paired(
        len(differences),
        float(differences.mean()),
        float(low),
        float(high),
        _signed_rank(differences),
        _rank_biserial(differences),
    )


def _signed_rank(differences: np.ndarray) -> float:
    """p of Wilcoxon's signed-rank test, two-sided, over all patterns of signs; 1 where nothing differs.

    Patterns are counted by their rank sum, one seed after the other. SciPy is exact without ties alone, and
    shares of some hundred trials tie; to draw patterns, as it can, takes it minutes for a report of 20 seeds.
    """
    differences = differences[differences != 0.0]
    ranks = (2.0 * rankdata(np.abs(differences))).astype(int)  # whole numbers: of a tie they are halves
    patterns = np.ones(1)
    for rank in ranks:
        without, with_it = np.pad(patterns, (0, rank)), np.pad(patterns, (rank, 0))
        patterns = without + with_it
    above = int(ranks[differences > 0.0].sum())
    least = min(above, int(ranks.sum()) - above)
    return min(1.0, 2.0 * float(patterns[: least + 1].sum() / patterns.sum()))


def _rank_biserial(differences: np.ndarray) -> float:
    """(R+ - R-) / (R+ + R-), the rank sums of the test; 0 where nothing differs (Kerby 2014)."""
    differences = differences[differences != 0.0]
    if differences.size == 0:
        return 0.0
    ranks = rankdata(np.abs(differences))
    return float((np.sign(differences) * ranks).sum() / ranks.sum())


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted for all comparisons together by Holm's (1979) method, which SciPy does not have."""
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p, float)[order] * factors), 1.0)
    return adjusted.tolist()


@dataclass(frozen=True)
class Reached:
    """How the share of seeds that met the criterion grows (Kaplan-Meier).

    Attributes:
        at: where it grows, ascending; share: from there on. The first pair is (0, 0).
        median: where the share reaches one half; NaN where it never does.
    """

    at: np.ndarray
    share: np.ndarray
    median: float


def reached(at: np.ndarray, met: np.ndarray) -> Reached:
    """Seeds that ended without the criterion count as long as they ran, and are not taken for failures.

    Args:
        at: (seeds,) where each met the criterion or, without, where it ended.
        met: (seeds,) bool.
    """
    if not met.any():
        return Reached(np.zeros(1), np.zeros(1), float("nan"))
    found = ecdf(CensoredData(uncensored=at[met], right=at[~met])).cdf
    half = np.flatnonzero(found.probabilities >= 0.5)
    median = float(found.quantiles[half[0]]) if half.size else float("nan")
    return Reached(
        np.concatenate([[0.0], found.quantiles]), np.concatenate([[0.0], found.probabilities]), median
    )
