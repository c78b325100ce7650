"""Exact rank tests: counted over every arrangement that chance makes equally likely."""

import functools
import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95  # of one interval
LEAST_CONFIDENCE = 0.93  # of one that cannot be wider: all of five paired rounds cover 93.75 %
FEW = 8  # values of one side, up to which a rank-sum test is counted out and not approximated


def critical_value(counts: Sequence[int]) -> int | None:
    """Return the largest statistic that lies outside an interval, None if there is no interval.

    *counts* is how many of the equally likely arrangements give a statistic of 0, 1, 2 and so on,
    of doubled ranks, so that every second place is 0. An interval begins behind as many
    candidates, the first not counted. It covers `CONFIDENCE`, or all candidates where those cover
    no more than that, but `LEAST_CONFIDENCE`.
    """
    total, below, critical = sum(counts), 0, None
    for statistic, count in enumerate(counts[::2]):
        below += count
        least = CONFIDENCE if statistic else LEAST_CONFIDENCE
        if 1 - 2 * below / total < least:
            break
        critical = statistic
    return critical


def signed_rank_p(differences: "NDArray[np.float64]") -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test that *differences* centre on 0.

    Counted over every way to sign the ranks; ties share their mean rank, zeros are left out.
    """
    import numpy as np

    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    ranks = doubled_ranks(np.abs(differences))
    counts = signed_rank_counts(tuple(ranks.tolist()))
    return two_sided(counts, int(ranks[differences > 0].sum()))


def doubled_ranks(values: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return twice the rank of each of *values*, from 2: the mean rank of ties is whole then."""
    import numpy as np

    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    return np.asarray((2 * last - ties + 1)[place], np.int64)


@functools.cache  # without ties there is one result for each number of rounds
def signed_rank_counts(ranks: tuple[int, ...]) -> Sequence[int]:
    """Return in how many of all subsets of *ranks* the sum is 0, 1, 2 and so on."""
    counts = [1]
    for rank in ranks:
        longer = counts + [0] * rank
        for total, count in enumerate(counts):
            longer[total + rank] += count
        counts = longer
    return counts


def rank_sum_p(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """Return the exact two-sided p of the rank-sum test that *one* and *other* are alike.

    Mann & Whitney 1947, counted over every way to deal the ranks; ties share their mean rank.
    """
    import numpy as np

    ranks = doubled_ranks(np.concatenate([one, other]))
    counts = rank_sum_counts(tuple(ranks.tolist()), len(one))
    return two_sided(counts, int(ranks[: len(one)].sum()))


def rank_sum_p_of_many(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """Return the same p for any number of values: exact for `FEW` without ties, else by the normal.

    With the corrections for ties and for continuity (Hollander & Wolfe 1999, §4.1).
    """
    import numpy as np

    sizes, whole = (len(one), len(other)), len(one) + len(other)
    _, ties = np.unique(np.concatenate([one, other]), return_counts=True)
    if min(sizes) <= FEW and len(ties) == whole:
        return rank_sum_p(*sorted((one, other), key=len))
    doubled = doubled_ranks(np.concatenate([one, other]))[: len(one)].sum()
    above = abs(doubled / 2 - len(one) * (whole + 1) / 2)
    variance = math.prod(sizes) / 12 * (whole + 1 - (ties**3 - ties).sum() / (whole * (whole - 1)))
    if not variance:
        return 1.0
    return min(math.erfc((above - 0.5) / math.sqrt(2 * variance)), 1.0)


def theil_slope(series: "NDArray[np.float64]", chance: float) -> tuple[float, float, float]:
    """Return by how much *series* rises from one value to the next, and the interval of that.

    The median slope of all pairs (Theil 1950); the interval misses the true one with this *chance*
    (Sen 1968, §4).
    """
    import numpy as np

    count = len(series)
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((series[second] - series[first]) / (second - first))
    _, ties = np.unique(series, return_counts=True)
    pairs = count * (count - 1) * (2 * count + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    reach = NormalDist().inv_cdf(1 - chance / 2) * math.sqrt(pairs / 18)
    low = max(round((len(slopes) - reach) / 2) - 1, 0)
    high = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


@functools.cache
def rank_sum_counts(ranks: tuple[int, ...], size: int) -> Sequence[int]:
    """Return in how many subsets of *size* of the *ranks* the sum is 0, 1, 2 and so on."""
    most = sum(sorted(ranks)[-size:])
    counts = [[0] * (most + 1) for _ in range(size + 1)]
    counts[0][0] = 1
    for rank in ranks:
        for chosen in range(size, 0, -1):
            row, fewer = counts[chosen], counts[chosen - 1]
            for total in range(most, rank - 1, -1):
                row[total] += fewer[total - rank]
    return counts[size]


def two_sided(counts: Sequence[int], statistic: int) -> float:
    """Return twice the smaller tail of *statistic*, itself included, and at most 1."""
    tail = min(sum(counts[: statistic + 1]), sum(counts[statistic:]))
    return min(2 * tail / sum(counts), 1.0)


def cliffs_delta(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return how much more often one of *ours* is above one of *others* than below (Cliff 1993)."""
    pairs = itertools.product(ours, others)
    above = sum(int(one > other) - int(one < other) for one, other in pairs)
    return above / (len(ours) * len(others))
