"""Whether a commit is slower, from times of both in turns.

Pure: samples in, verdicts out. What counts is the pair of processes, as samples of one process have its luck
in common: where it came to lie in memory, what else ran while it did. A pair gives one number for each side,
the median over its blocks of the logarithm of the side's seconds; each block has all sides in turns, so that
what the machine does falls on all. Pairs are then the blocks of a randomised complete block design, and sides
its treatments (Box, Hunter & Hunter 2005, Statistics for Experimenters, section 4.2): the ratio is that of
head to the mean of base and its copy, which run the same code, and its error is what all sides vary by that
neither pairs nor sides explain. With four pairs that has six degrees of freedom, and head against base alone
three, of which the quantiles that many cases need are twice as large.

Three verdicts against a bound that matters: slower, where the whole interval lies above it; same, where it
lies below; else nobody can tell. There may be several looks at growing numbers of pairs, over which the
probabilities are divided (Bonferroni), and many cases, over which those of "slower" are corrected (Holm
1979).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from benchmarks.define.pairing import ARMS, Precision
from benchmarks.judge import statistics

Levels = Mapping[str, float]
"""Of a pair of processes: arm -> the logarithm of its seconds, less the mean over arms."""

SLOWER, FASTER, SAME, CANNOT_TELL = "slower", "faster", "same", "cannot tell"

_LEAST_ERROR = 1e-3  # of a logarithm: clocks and rounding, however alike a few pairs come out


@dataclass(frozen=True)
class Estimate:
    """A mean of logarithms over pairs.

    Attributes:
        centre: the mean.
        error: its standard error.
        pairs: how many.
        freedom: degrees of freedom of the error.
    """

    centre: float
    error: float
    pairs: int
    freedom: int

    @property
    def ratio(self) -> float:
        """Head's time over base's."""
        return math.exp(self.centre)

    def interval(self, error: float) -> tuple[float, float]:
        """Of the ratio; it lies above, and below, with a probability of `error` each."""
        half = float(student.ppf(1.0 - error, self.freedom)) * self.error
        return math.exp(self.centre - half), math.exp(self.centre + half)

    def p_at_most(self, factor: float) -> float:
        """How probable a mean this large is where the ratio is `factor` at most."""
        return float(student.sf((self.centre - math.log(factor)) / self.error, self.freedom))

    def p_at_least(self, factor: float) -> float:
        """How probable a mean this small is where the ratio is `factor` at least."""
        return float(student.cdf((self.centre - math.log(factor)) / self.error, self.freedom))


def levels(order: Sequence[str], seconds: Sequence[float]) -> dict[str, float]:
    """`Levels` of a pair.

    Args:
        order: the arm of each sample, in blocks in which each arm has two.
        seconds: the samples.
    """
    of = np.array(order).reshape(-1, 2 * len(set(order)))
    logs = np.log(np.asarray(seconds, float)).reshape(of.shape)
    there = [arm for arm in ARMS if arm in order]
    blocks = np.array(
        [[float(row[names == arm].mean()) for arm in there] for names, row in zip(of, logs, strict=True)]
    )
    centred = blocks - blocks.mean(axis=1, keepdims=True)
    return dict(zip(there, np.median(centred, axis=0).tolist(), strict=True))


def estimate(
    pairs: Sequence[Levels], side: str = ARMS[1], against: Collection[str] = (ARMS[0], ARMS[2])
) -> Estimate:
    """The ratio of a side, from two pairs or more; what not all pairs have is left out.

    Args:
        pairs: of the same arms; all that they have tell what arms vary by.
        side: the arm whose ratio it is; all pairs have it.
        against: arms whose mean it is compared with, one of which all pairs have.
    """
    arms = [arm for arm in pairs[0] if all(arm in pair for pair in pairs)]
    values = np.array([[pair[arm] for arm in arms] for pair in pairs])
    others = [arms.index(arm) for arm in against if arm in arms]
    centre = (values[:, arms.index(side)] - values[:, others].mean(axis=1)).mean()
    residuals = values - values.mean(axis=1, keepdims=True)
    residuals -= residuals.mean(axis=0)
    freedom = (len(pairs) - 1) * (len(arms) - 1)
    variance = float((residuals**2).sum()) / freedom
    error = math.sqrt(variance * (1.0 + 1.0 / len(others)) / len(pairs))
    return Estimate(float(centre), max(error, _LEAST_ERROR), len(pairs), freedom)


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


def together(cases: Sequence[Mapping[int, Levels]]) -> Estimate | None:
    """The geometric mean over cases: that of each pair of processes that all cases have.

    Args:
        cases: of each, number of a pair -> its levels.
    """
    common = sorted(set.intersection(*(set(of) for of in cases))) if cases else []
    if len(common) < 2:
        return None
    arms = [arm for arm in ARMS if all(arm in of[number] for of in cases for number in common)]
    means = [{arm: float(np.mean([of[number][arm] for of in cases])) for arm in arms} for number in common]
    return estimate(means)
