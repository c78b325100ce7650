"""Quantiles of one measurement: each is a time that was measured, and none is interpolated.

Not every request gets its answer. One that timed out, was reset, or is still out when the window
closes would have taken longer than it had waited by then, and nobody knows how much: its time is
*censored*. To leave such times out would show a server that loses every twentieth request as a fast
one. The estimator for them is Kaplan and Meier's (1958, doi:10.1080/01621459.1958.10501452): at
each time at which some request ended, it asks which share of those that were still waiting did. So
whoever stopped waiting early counts among those who waited until then, and says nothing of later.

Where a quantile lies beyond the last request that ended, all that is known is that it is longer
than what those who waited in vain had waited by then.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Counts


ROUNDING = 1e-6  # of a request: more than what floating point does to shares of them


@dataclass(frozen=True, order=True)
class Reading:
    """What an instrument shows: *value*, or *at_least* that where it goes no further."""

    value: float
    at_least: bool = False


def quantile(sorted_ns: "Sequence[int] | NDArray[np.int64]", q: float) -> int:
    """Return the smallest latency that at least a fraction *q* of requests met.

    *sorted_ns* is ascending nanoseconds, at least one; *q* is in 0–1. No interpolation, so the
    figure is a latency that happened (Hyndman & Fan 1996, definition 1); the same as numpy's
    ``inverted_cdf``. Raises ValueError for an empty sequence or a *q* out of range.
    """
    if len(sorted_ns) == 0:
        raise ValueError("no latency, so no quantile")
    check_quantile(q)
    return int(sorted_ns[max(math.ceil(len(sorted_ns) * q), 1) - 1])


def check_quantile(q: float) -> None:
    """Raise ValueError unless *q* is in 0 to 1."""
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile of {q} should be in 0 to 1")


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


class Waits:
    """How long requests took that *ended* as they should, and at least took that did not.

    Both are times with their counts. Within each of `times`, ascending, as many requests have
    ended as `reached` says, known or estimated; from the place `last` on they are the times of
    those who waited in vain, longer than anybody who did not.
    """

    def __init__(self, ended: "Counts", censored: "Counts") -> None:
        import numpy as np

        times = np.concatenate([ended[0], censored[0]])
        order = np.argsort(times, kind="stable")  # who ended comes before who waited as long
        times = times[order]
        counts = np.concatenate([ended[1], censored[1]])[order]
        in_vain = order >= len(ended[0])
        self.total = int(counts.sum())
        waiting = self.total - counts.cumsum()  # after each time
        places = np.flatnonzero(~in_vain)
        leaves = in_vain & (np.arange(len(times)) < places.max(initial=-1))
        # Who stops waiting early leaves their share to those who go on (Efron 1967), so each of
        # them counts for more. Behind the last that ended there is nobody to leave it to.
        shares = np.ones(len(times))
        shares[leaves] = 1 + counts[leaves] / waiting[leaves]
        self.times = times[~leaves]
        self.reached = (self.total - waiting * shares.cumprod())[~leaves]
        self.last = len(places)
        self.in_vain = int(counts[~leaves][self.last :].sum())  # of those at the end

    def quantile(self, q: float) -> Reading:
        """Return the smallest time within which at least a fraction *q* of requests ended.

        *q* is in 0–1. Where none is censored it is the same as `quantile`. Raises ValueError where
        there is no time, or for a *q* out of range.
        """
        if not self.total:
            raise ValueError("no latency, so no quantile")
        check_quantile(q)
        place = int(self.reached.searchsorted(max(self.total * q, 1) - ROUNDING))
        return Reading(int(self.times[place]), place >= self.last)

    def counts(self) -> "Counts":
        """Return the times with how many requests are known, or estimated, to have ended at each.

        Those behind the last that ended are counted at the time that they had waited.
        """
        import numpy as np

        counts = np.diff(np.rint(self.reached).astype(np.int64), prepend=0)
        return self.times[counts > 0], counts[counts > 0]


@dataclass(frozen=True)
class Quantiles:
    """Those of *total* times that somebody wants to know: *readings*, by q."""

    total: int
    readings: Mapping[float, Reading]

    def quantile(self, q: float) -> Reading:
        """Return the *q*-quantile, which must be one of them."""
        return self.readings[q]
