"""How servers that take turns became faster and slower together: that is the machine's doing.

Their slices lie between one another, so at the same part of what is measured they had the same
machine. What most of them did there is in none of them.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import doubled_ranks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNRELATED = 0.1  # chance of taking series for related that are not


def common_movement(others: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return how the *others* moved at each part of the window, around 1; nothing without any.

    Each is a series in bins of its own, which may be empty. It is the median of what they did, each
    beside its own level, so that of three or more a single one that warms up does not count.
    """
    import numpy as np

    known = [np.asarray(series, np.float64) for series in others if len(series)]
    known = [series for series in known if np.median(series) > 0]
    if not known:
        return ()
    bins = max(len(series) for series in known)
    levels = [resample(series / np.median(series), bins) for series in known]
    return tuple(np.median(levels, axis=0).tolist())


def resample(series: "NDArray[np.float64]", bins: int) -> "NDArray[np.float64]":
    """Return *series* in so many *bins* of the same window, each the mean of what lies in it."""
    import numpy as np

    until = np.concatenate(([0.0], np.cumsum(series)))
    edges = np.linspace(0, len(series), bins + 1)
    found: NDArray[np.float64] = np.diff(np.interp(edges, np.arange(len(until)), until))
    return found * bins / len(series)


def beside(series: "NDArray[np.float64]", common: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return *series* without what it has in *common* with the others.

    Where they did nothing at all, it is what it usually is.
    """
    import numpy as np

    moved = common > 0
    ratio = series[moved] / common[moved]
    whole = np.full(len(series), np.median(ratio))
    whole[moved] = ratio
    return whole


def move_alike(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> bool:
    """Tell whether *one* rose and fell with the *other*, and not by chance: Spearman's rank test.

    By its normal approximation, one-sided.
    """
    mean = len(one) + 1  # of doubled ranks
    ranks, others = doubled_ranks(one) - mean, doubled_ranks(other) - mean
    spread = math.sqrt(int(ranks @ ranks) * int(others @ others))
    sure = NormalDist().inv_cdf(1 - UNRELATED) / math.sqrt(len(one) - 1)
    return int(ranks @ others) > sure * spread  # where one of them did not move, both are 0
