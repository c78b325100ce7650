"""What the rounds of a race allow one to say: intervals, comparisons, and when not to say anything.

The round is the unit; requests within one are not independent of each other. Two strategies are
compared by the logarithm of their ratio in each round, because noise here multiplies: an
interrupt costs a share of the work, not a number of responses. Of two strategies with the same
kind of noise that difference is symmetric, which is all that the rank tests below ask for.

The ratio is Hodges and Lehmann's, paired or not, and its interval is of the same ranks
(`calcbench.bench.analysis.intervals`). A rank test is exact but needs rounds: of n paired ones it
cannot give a p below 2/2^n. Where it could not reach the level, even if every round agreed,
Student's t stands in, which takes noise for log-normal; `Comparison.test` says which one spoke. A
difference is clear only where the interval agrees.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.intervals import (
    LEAST_ROUNDS,
    RANKED,
    Estimate,
    apart_estimate,
    median_estimate,
    paired_estimate,
    standard_error,
    welch,
)
from calcbench.bench.analysis.rank_tests import cliffs_delta, rank_sum_p, signed_rank_p
from calcbench.bench.analysis.student import quantile, tail

ALPHA = 0.05  # of all comparisons of one family together
POWER = 0.8  # with which the smallest detectable difference would be detected
LOG_MOST = 700.0  # beyond it exp overflows

SIGNED_RANK, RANK_SUM = "exact signed-rank", "exact rank-sum"
PAIRED_T, WELCH_T = "paired t", "Welch's t"
NO_TEST = "none"


@dataclass(frozen=True)
class Comparison:
    """One figure of two strategies: how many times the other's is ours, and how sure that is.

    *ratio* lies in *low* to *high* with `CONFIDENCE`. *p* is of *test* alone, *adjusted* for all
    comparisons of its family (`adjust`). *effect* is Cliff's delta, from −1 (every round of ours
    lies below every round of the other's) to 1. *detectable* is the ratio that as many rounds
    with this noise would have told from 1 in four of five races. *rounds* are those that counted;
    of fewer than two there is no test and no ratio.
    """

    ratio: float = 1.0
    low: float = 0.0
    high: float = math.inf
    p: float = 1.0
    adjusted: float = 1.0
    test: str = NO_TEST
    effect: float = 0.0
    detectable: float = math.inf
    rounds: int = 0

    @property
    def known(self) -> bool:
        """Tell whether there is a ratio: whether the rounds allowed a test."""
        return self.test != NO_TEST

    @property
    def too_few(self) -> bool:
        """Tell whether the rounds are too few to call it no difference, if it is not clear."""
        return not self.clear and (not self.known or self.rounds < LEAST_ROUNDS)

    @property
    def clear(self) -> bool:
        """Tell whether the difference is more than chance does, by its test and by its interval."""
        return self.adjusted <= ALPHA and not self.low <= 1 <= self.high

    @property
    def ahead(self) -> bool:
        """Tell whether ours is clearly the larger."""
        return self.clear and self.ratio > 1

    @property
    def behind(self) -> bool:
        """Tell whether ours is clearly the smaller."""
        return self.clear and self.ratio < 1


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval in which the median lies with `CONFIDENCE`; None for too few *values*.

    Ranks can be told of a 0 and of what has no end, and noise cannot.
    """
    least, most = min(values, default=0), max(values, default=0)
    known = least > 0 and most < math.inf
    if len(values) < (LEAST_ROUNDS if known else RANKED) or not most:
        return None
    if least == most:
        return float(least), float(least)
    import numpy as np

    with np.errstate(divide="ignore"):
        estimate = median_estimate(np.log(np.asarray(values, np.float64)))
    return from_log(float(estimate.low)), from_log(float(estimate.high))


def compare_paired(ours: Sequence[float], others: Sequence[float], family: int = 1) -> Comparison:
    """Compare *ours* with *others*, measured in the same rounds, place for place.

    *family* is how many comparisons are made together; `adjust` is to be given all of them.
    Tells nothing where a figure is not above 0 or there are fewer than two rounds.
    """
    if len(ours) < 2 or min(*ours, *others) <= 0:
        return Comparison(rounds=len(ours))
    import numpy as np

    logs = np.log(np.asarray(ours, np.float64)) - np.log(np.asarray(others, np.float64))
    rounds, mean, error = len(logs), float(logs.mean()), float(standard_error(logs))
    exact = 2 / 2**rounds * family <= ALPHA
    return make_comparison(
        paired_estimate(logs),
        p=signed_rank_p(logs) if exact else student_p(mean, error, rounds - 1),
        test=SIGNED_RANK if exact else PAIRED_T,
        effect=cliffs_delta(ours, others),
        rounds=rounds,
        family=family,
        error=error,
        freedom=rounds - 1,
    )


def compare_apart(ours: Sequence[float], others: Sequence[float], family: int = 1) -> Comparison:
    """Compare *ours* with *others*, measured at different times, so that no round has a partner.

    The rest is as for `compare_paired`.
    """
    least = min(len(ours), len(others))
    if least < 2 or min(*ours, *others) <= 0:
        return Comparison(rounds=least)
    import numpy as np

    one, other = (np.log(np.asarray(values, np.float64)) for values in (ours, others))
    exact = 2 / math.comb(len(one) + len(other), len(one)) * family <= ALPHA
    error, freedom = map(float, welch(one, other))
    mean = float(one.mean() - other.mean())
    return make_comparison(
        apart_estimate(one, other),
        p=rank_sum_p(one, other) if exact else student_p(mean, error, freedom),
        test=RANK_SUM if exact else WELCH_T,
        effect=cliffs_delta(ours, others),
        rounds=least,
        family=family,
        error=error,
        freedom=freedom,
    )


def make_comparison(
    estimate: Estimate,
    *,
    p: float,
    test: str,
    effect: float,
    rounds: int,
    family: int,
    error: float,
    freedom: float,
) -> Comparison:
    """Return the comparison whose log-ratio and its interval are the *estimate*.

    *error* and *freedom* are those of Student's test, which says what would have been detected.
    """
    # Bloom 1995: the smallest detectable effect is a multiple of the standard error. Holm's first
    # step asks for a p below the level divided by the number of comparisons.
    multiple = quantile(freedom, 1 - ALPHA / family / 2) + quantile(freedom, POWER)
    return Comparison(
        ratio=from_log(float(estimate.middle)),
        low=from_log(float(estimate.low)),
        high=from_log(float(estimate.high)),
        p=p,
        adjusted=min(p * family, 1.0),
        test=test,
        effect=effect,
        detectable=from_log(multiple * error),
        rounds=rounds,
    )


def from_log(value: float) -> float:
    """Return e to the *value*, infinite where that is too large."""
    return math.exp(value) if value <= LOG_MOST else math.inf


def student_p(mean: float, error: float, freedom: float) -> float:
    """Return the two-sided p of Student's test that a *mean* with this standard *error* is 0."""
    if not error:
        return 1.0 if not mean else 0.0
    return 2 * tail(freedom, abs(mean / error))


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return *comparisons*, all of one family, with p adjusted so that all hold together.

    Holm 1979: the smallest p is multiplied by how many there are, the next by one less, and none
    becomes smaller than the one before. At most one family in twenty then has a false claim.
    """
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p)
    adjusted, least = list(comparisons), 0.0
    for done, index in enumerate(order):
        least = max(least, min(comparisons[index].p * (len(order) - done), 1.0))
        adjusted[index] = dataclasses.replace(comparisons[index], adjusted=least)
    return adjusted


def enough_rounds(family: int) -> int:
    """Return from how many paired rounds on the exact test can speak in a *family*."""
    return math.ceil(math.log2(2 * family / ALPHA))
