"""What the rounds of a race allow one to say: intervals, comparisons, and when not to say anything.

The round is the unit; requests within one are not independent of each other. Two strategies are
compared by the logarithm of their ratio in each round, because noise here multiplies: an
interrupt costs a share of the work, not a number of responses. Of two strategies with the same
kind of noise that difference is symmetric, which is all that the rank tests below ask for.

A rank test is exact but needs rounds: of n paired ones it cannot give a p below 2/2^n. Where it
could not reach the level, even if every round agreed, Student's t stands in, which takes noise
for log-normal; `Comparison.test` says which one spoke.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import (
    CONFIDENCE,
    cliffs_delta,
    critical_value,
    rank_sum_counts,
    rank_sum_p,
    signed_rank_counts,
    signed_rank_p,
)
from calcbench.bench.analysis.student import quantile, tail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ALPHA = 0.05  # of all comparisons of one family together
POWER = 0.8  # with which the smallest detectable difference would be detected
RESAMPLES = 2_000  # of the bootstrap: its error is far below that of a few rounds
LEAST_ROUNDS = 3  # for an interval of a median
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
        """Tell whether the difference is more than chance does."""
        return self.adjusted <= ALPHA

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

    The median of the logarithms, give or take Student's t times its standard error by the
    bootstrap (Efron & Tibshirani 1993, §12.2). The percentile interval is too narrow here: it
    covers 75 % where 95 % are required for three rounds, and 86 % for seven; this one covers 95
    to 97 % from three rounds on if noise is normal, and up to 98.5 % where a few rounds lie far
    off, as on a busy machine: it is then wider than it need be (`make validate`).
    """
    if len(values) < LEAST_ROUNDS or min(values) <= 0:
        return None
    if min(values) == max(values):
        return float(values[0]), float(values[0])
    import numpy as np

    logs = np.log(np.sort(np.asarray(values, np.float64)))
    # The same values give the same interval: a report drawn twice is the same report.
    draw = np.random.default_rng(len(values))
    medians = np.median(logs[draw.integers(0, len(logs), (RESAMPLES, len(logs)))], axis=1)
    middle = float(np.median(logs))
    reach = quantile(len(values) - 1, (1 + CONFIDENCE) / 2) * float(medians.std(ddof=1))
    return from_log(middle - reach), from_log(middle + reach)


def compare_paired(ours: Sequence[float], others: Sequence[float], family: int = 1) -> Comparison:
    """Compare *ours* with *others*, measured in the same rounds, place for place.

    *family* is how many comparisons are made together; `adjust` is to be given all of them.
    Tells nothing where a figure is not above 0 or there are fewer than two rounds.
    """
    if len(ours) < 2 or min(*ours, *others) <= 0:
        return Comparison(rounds=len(ours))
    import numpy as np

    logs = np.log(np.asarray(ours, np.float64)) - np.log(np.asarray(others, np.float64))
    rounds = len(logs)
    error = float(logs.std(ddof=1)) / math.sqrt(rounds)
    walsh = np.sort(
        [(one + other) / 2 for one, other in itertools.combinations_with_replacement(logs, 2)]
    )
    counts = signed_rank_counts(tuple(range(2, 2 * rounds + 1, 2)))
    exact = 2 / 2**rounds * family <= ALPHA
    p = signed_rank_p(logs) if exact else student_p(float(logs.mean()), error, rounds - 1)
    return make_comparison(
        walsh,
        counts,
        by_student=(float(logs.mean()), error, rounds - 1),
        p=p,
        test=SIGNED_RANK if exact else PAIRED_T,
        effect=cliffs_delta(ours, others),
        rounds=rounds,
        family=family,
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
    differences = np.sort(np.subtract.outer(one, other).ravel())
    counts = rank_sum_counts(range(2, 2 * (len(one) + len(other)) + 1, 2), len(one))
    lowest = len(one) * (len(one) + 1)  # the doubled rank sum when all of ours are the lowest
    exact = 2 / math.comb(len(one) + len(other), len(one)) * family <= ALPHA
    # Welch 1947: the degrees of freedom of two noises that differ.
    parts = [float(logs.var(ddof=1)) / len(logs) for logs in (one, other)]
    error = math.sqrt(sum(parts))
    freedom = (
        sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (one, other), strict=True))
        if error
        else len(one) + len(other) - 2
    )
    mean = float(one.mean() - other.mean())
    return make_comparison(
        differences,
        counts[lowest:],
        by_student=(mean, error, freedom),
        p=rank_sum_p(one, other) if exact else student_p(mean, error, freedom),
        test=RANK_SUM if exact else WELCH_T,
        effect=cliffs_delta(ours, others),
        rounds=min(len(one), len(other)),
        family=family,
    )


def make_comparison(
    candidates: "NDArray[np.float64]",
    counts: Sequence[int],
    *,
    by_student: tuple[float, float, float],
    p: float,
    test: str,
    effect: float,
    rounds: int,
    family: int,
) -> Comparison:
    """Return the comparison whose log-ratio is the median of *candidates* (Hodges & Lehmann 1963).

    Its interval holds every shift that the rank test with *counts* would not reject, or, where
    the rounds are too few for that, is Student's; *by_student* is his mean, error and freedom.
    """
    import numpy as np

    mean, error, freedom = by_student
    critical = critical_value(counts)
    if critical is None:
        middle, reach = mean, quantile(freedom, (1 + CONFIDENCE) / 2) * error
        low, high = middle - reach, middle + reach
    else:
        middle = float(np.median(candidates))
        low, high = float(candidates[critical]), float(candidates[-1 - critical])
    # Bloom 1995: the smallest detectable effect is a multiple of the standard error. Holm's first
    # step asks for a p below the level divided by the number of comparisons.
    multiple = quantile(freedom, 1 - ALPHA / family / 2) + quantile(freedom, POWER)
    return Comparison(
        ratio=from_log(middle),
        low=from_log(low),
        high=from_log(high),
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
