"""Percentiles of one measurement: each is a latency that happened, and none is interpolated."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def quantile(sorted_ns: "Sequence[int] | NDArray[np.int64]", q: float) -> int:
    """Return the smallest latency that at least a fraction *q* of requests met.

    *sorted_ns* is ascending nanoseconds, at least one; *q* is in 0–1. No interpolation, so the
    figure is a latency that happened (Hyndman & Fan 1996, definition 1); the same as numpy's
    ``inverted_cdf``. Raises ValueError for an empty sequence or a *q* out of range.
    """
    if len(sorted_ns) == 0:
        raise ValueError("no latency, so no quantile")
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile of {q} should be in 0 to 1")
    return int(sorted_ns[max(math.ceil(len(sorted_ns) * q), 1) - 1])


def are_enough(count: int, q: float) -> bool:
    """Tell whether so many latencies can tell their *q*-quantile, 0–1, at all.

    They can where it lies between the shortest and the longest of them with `CONFIDENCE`, which is
    1 − q**n − (1 − q)**n of n, whatever their distribution (David & Nagaraja 2003, §7.1): p50
    takes 6, p90 29 and p99 299. The p99 of 12 would be the longest of them, and a p92 at best.
    """
    return 1 - q**count - (1 - q) ** count >= CONFIDENCE


def least_count(q: float) -> int:
    """Return how many latencies can tell their *q*-quantile, above 0 and below 1."""
    return next(count for count in itertools.count(1) if are_enough(count, q))
