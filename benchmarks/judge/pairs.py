"""Whether a commit is slower, from times of both in turns.

Pure: samples in, verdicts out. What counts is the pair of processes, as samples of one process have its luck
in common: where it came to lie in memory, what else ran while it did. A pair gives one number, the median
over its blocks of the logarithm of the ratio; each block has the two sides in turns, so that what the machine
does falls on both. The error of the mean over pairs is that of a hierarchical bootstrap, pairs first and
blocks within them (Davison & Hinkley 1997, section 3.8), and its interval is Student's with as many degrees
of freedom as pairs less one: percentiles of a bootstrap of four are too narrow (Hesterberg 2015, doi
10.1080/00031305.2015.1089789).

Three verdicts against a bound that matters: slower, where the whole interval lies above it; same, where it
lies below; else nobody can tell. There may be several looks at growing numbers of pairs, over which the
probabilities are divided (Bonferroni), and many cases, over which those of "slower" are corrected (Holm
1979).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from benchmarks.define.pairing import Precision
from benchmarks.judge import statistics

Blocks = Sequence[float]
"""Logarithms of ratios, a number per block of a pair of processes."""

SLOWER, FASTER, SAME, CANNOT_TELL = "slower", "faster", "same", "cannot tell"

_DRAWS = 2000
_LEAST_ERROR = 1e-3  # of a logarithm: clocks and rounding, however alike a few pairs come out


@dataclass(frozen=True)
class Estimate:
    """A mean of logarithms over pairs.

    Attributes:
        centre: the mean.
        error: its standard error.
        pairs: how many.
    """

    centre: float
    error: float
    pairs: int

    @property
    def ratio(self) -> float:
        """Head's time over base's."""
        return math.exp(self.centre)

    def interval(self, error: float) -> tuple[float, float]:
        """Of the ratio; it lies above, and below, with a probability of `error` each."""
        half = float(student.ppf(1.0 - error, self.pairs - 1)) * self.error
        return math.exp(self.centre - half), math.exp(self.centre + half)

    def p_at_most(self, factor: float) -> float:
        """How probable a mean this large is where the ratio is `factor` at most."""
        return float(student.sf((self.centre - math.log(factor)) / self.error, self.pairs - 1))

    def p_at_least(self, factor: float) -> float:
        """How probable a mean this small is where the ratio is `factor` at least."""
        return float(student.cdf((self.centre - math.log(factor)) / self.error, self.pairs - 1))


def blocks(order: Sequence[str], seconds: Sequence[float], against: str, side: str) -> list[float]:
    """The logarithm of a ratio of each block.

    Args:
        order: the arm of each sample, in blocks in which each arm has two.
        seconds: the samples.
        against, side: arms; the ratio is that of `side` over `against`.
    """
    size = 2 * len(set(order))
    found = []
    for start in range(0, len(order) - size + 1, size):
        means = {}
        for arm in (against, side):
            logs = [
                math.log(value)
                for name, value in zip(
                    order[start : start + size], seconds[start : start + size], strict=True
                )
                if name == arm
            ]
            means[arm] = sum(logs) / len(logs)
        found.append(means[side] - means[against])
    return found


def estimate(pairs: Sequence[Blocks], seed: int = 0) -> Estimate:
    """Of two pairs or more, each with a block or more."""
    rng = np.random.default_rng(seed)
    values = [np.asarray(blocks, float) for blocks in pairs]
    n = len(values)
    chosen = rng.integers(n, size=(_DRAWS, n))
    drawn = np.empty((_DRAWS, n))
    for place in range(n):
        for number, of_pair in enumerate(values):
            rows = np.flatnonzero(chosen[:, place] == number)
            again = of_pair[rng.integers(len(of_pair), size=(len(rows), len(of_pair)))]
            drawn[rows, place] = np.median(again, axis=1)
    # pairs that are drawn from n vary by (n-1)/n of what pairs do
    error = float(drawn.mean(axis=1).std()) * math.sqrt(n / (n - 1))
    centre = float(np.mean([np.median(of_pair) for of_pair in values]))
    return Estimate(centre, max(error, _LEAST_ERROR), n)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values by name, corrected for there being so many; the least first."""
    ranked = sorted(p_values, key=lambda name: p_values[name])
    return dict(zip(ranked, statistics.holm([p_values[name] for name in ranked]), strict=True))


def verdicts(estimates: Mapping[str, Estimate], precision: Precision) -> dict[str, str]:
    """A verdict for each case; all are corrected together, so they are those of one look."""
    slower = holm({name: found.p_at_most(precision.factor) for name, found in estimates.items()})
    return {name: _verdict(found, slower[name], precision) for name, found in estimates.items()}


def verdict(found: Estimate, precision: Precision, family: int = 1) -> str:
    """The verdict of one of `family` cases of which no other is slower."""
    return _verdict(found, min(family * found.p_at_most(precision.factor), 1.0), precision)


def _verdict(found: Estimate, p_not_slower: float, precision: Precision) -> str:
    looks = len(precision.looks)
    if looks * p_not_slower <= precision.error:
        return SLOWER
    if looks * found.p_at_least(1.0 / precision.factor) <= precision.missed:
        return FASTER
    return SAME if looks * found.p_at_least(precision.factor) <= precision.missed else CANNOT_TELL


def moved(estimates: Mapping[str, Estimate], precision: Precision) -> list[str]:
    """Of cases in which nothing has changed, those that came out slower or faster all the same."""
    looks = len(precision.looks)
    both = {
        name: min(found.p_at_most(precision.factor), found.p_at_least(1.0 / precision.factor)) * 2.0
        for name, found in estimates.items()
    }
    return [name for name, p in holm(both).items() if looks * p <= precision.error]


def together(cases: Sequence[Sequence[Blocks]]) -> Estimate | None:
    """The geometric mean over cases: that of each pair of processes, as far as all cases have it."""
    common = min((len(pairs) for pairs in cases), default=0)
    if common < 2:
        return None
    means = [[float(np.mean([np.median(pairs[number]) for pairs in cases]))] for number in range(common)]
    return estimate(means)
