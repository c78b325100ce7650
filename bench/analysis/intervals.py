"""Middles of a few rounds, and the interval that belongs to each: of one sample, or of two.

All are of logarithms, because noise here multiplies, and along the last axis, so that one call does
for a race and for thousands of simulated ones. They were chosen by simulation among Student's
interval of the mean, of trimmed means, bootstraps and others (docs/4-measuring.md has the table):
those of ranks cover 93 to 97 % from `RANKED` rounds on, whatever the noise, and a few disturbed
rounds hardly move them.

Below that, where no ranks can be sure, Student's t times the standard error of the mean is laid
around the same middle; noise with heavy tails then makes the interval wider than it need be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import (
    CONFIDENCE,
    critical_value,
    rank_sum_counts,
    signed_rank_counts,
)
from calcbench.bench.analysis.student import quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_ROUNDS = 3  # for an interval of a median
RANKED = 5  # rounds, from which on a median and a paired ratio have intervals that take no noise


@dataclass(frozen=True)
class Estimate:
    """A *middle*, and its interval from *low* to *high*; arrays, without the last axis."""

    middle: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    high: "NDArray[np.float64]"


def median_estimate(logs: "NDArray[np.float64]") -> Estimate:
    """Return the median of *logs*, of at least `LEAST_ROUNDS`, and its interval.

    Between two of the values each, so that it covers `CONFIDENCE`: interpolated as Hettmansperger &
    Sheather 1986 do (Stat. Probab. Lett. 4:75). The range of five values covers 93.75 %, and there
    is nothing beyond it to go to.
    """
    import numpy as np

    rounds = logs.shape[-1]
    if rounds < RANKED:
        return around(np.median(logs, axis=-1), standard_error(logs), rounds - 1)
    ordered = np.sort(logs, axis=-1)
    depth, weight = depth_of(rounds)

    def at(place: int, inner: int) -> "NDArray[np.float64]":
        within = weight * ordered[..., inner] if weight else 0.0  # and not 0 times infinity
        return np.asarray((1 - weight) * ordered[..., place] + within)

    middle = np.median(ordered, axis=-1)
    return Estimate(middle, at(depth - 1, depth), at(rounds - depth, rounds - depth - 1))


def depth_of(rounds: int) -> tuple[int, float]:
    """Return which of the outermost values the interval of a median begins at, counted from 1.

    And the weight of the next one within, 0–1, where so many *rounds* are given.
    """

    def covered(depth: int) -> float:
        below = sum(math.comb(rounds, fewer) for fewer in range(depth))
        return 1 - 2 * below / int(2**rounds)

    depth = 1
    while covered(depth + 1) >= CONFIDENCE:
        depth += 1
    outer, inner = covered(depth), covered(depth + 1)
    if outer < CONFIDENCE:
        return depth, 0.0
    part = (outer - CONFIDENCE) / (outer - inner)
    return depth, (rounds - depth) * part / (depth + (rounds - 2 * depth) * part)


def paired_estimate(logs: "NDArray[np.float64]", error: float | None = None) -> Estimate:
    """Return the middle of *logs*, differences of one sample, and its interval.

    The median of the means of all pairs, each value with itself too (Hodges & Lehmann 1963), and
    all shifts that the signed-rank test does not reject. Of few *logs* it is Student's, with their
    standard *error* where no larger one is given.
    """
    import numpy as np

    rounds = logs.shape[-1]
    one, other = np.triu_indices(rounds)
    means = np.sort((logs[..., one] + logs[..., other]) / 2, axis=-1)
    counts = signed_rank_counts(tuple(range(2, 2 * rounds + 1, 2)))
    return of_candidates(
        means, counts, standard_error(logs) if error is None else np.asarray(error), rounds - 1
    )


def apart_estimate(ours: "NDArray[np.float64]", others: "NDArray[np.float64]") -> Estimate:
    """Return by how much *ours* lie above *others*, two samples without pairs, and its interval.

    The median of all differences between the two (Hodges & Lehmann 1963), and all shifts that the
    rank-sum test does not reject.
    """
    import numpy as np

    sizes = ours.shape[-1], others.shape[-1]
    differences = (ours[..., :, None] - others[..., None, :]).reshape(*ours.shape[:-1], -1)
    counts = rank_sum_counts(tuple(range(2, 2 * sum(sizes) + 1, 2)), sizes[0])
    lowest = sizes[0] * (sizes[0] + 1)  # the doubled rank sum when all of ours are the lowest
    error, freedom = welch(ours, others)
    return of_candidates(np.sort(differences, axis=-1), counts[lowest:], error, freedom)


def of_candidates(
    candidates: "NDArray[np.float64]",
    counts: Sequence[int],
    error: "NDArray[np.float64]",
    freedom: "float | NDArray[np.float64]",
) -> Estimate:
    """Return the median of *candidates*, ascending, and all that a test with *counts* holds.

    Where the test rejects nothing, the interval is Student's, of the standard *error*.
    """
    import numpy as np

    middle, critical = np.median(candidates, axis=-1), critical_value(counts)
    if critical is None:
        return around(middle, error, freedom)
    return Estimate(middle, candidates[..., critical], candidates[..., -1 - critical])


def around(
    middle: "NDArray[np.float64]",
    error: "NDArray[np.float64]",
    freedom: "float | NDArray[np.float64]",
) -> Estimate:
    """Return *middle*, give or take Student's t times the standard *error*."""
    import numpy as np

    times = np.vectorize(quantile, otypes=[float])(freedom, (1 + CONFIDENCE) / 2)
    with np.errstate(invalid="ignore"):  # -inf + inf, where only one end is known
        return Estimate(middle, middle - times * error, middle + times * error)


def standard_error(logs: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the standard error of the mean of *logs*."""
    import numpy as np

    return np.asarray(logs.std(axis=-1, ddof=1) / math.sqrt(logs.shape[-1]))


def welch(
    ours: "NDArray[np.float64]", others: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return the standard error of the difference of two means, and its degrees of freedom.

    Welch 1947, for two noises that differ; without any, those of two that are alike.
    """
    import numpy as np

    both = ours, others
    parts = [standard_error(logs) ** 2 for logs in both]
    error = np.sqrt(parts[0] + parts[1])
    shares = sum(part**2 / (logs.shape[-1] - 1) for part, logs in zip(parts, both, strict=True))
    alike = ours.shape[-1] + others.shape[-1] - 2
    with np.errstate(invalid="ignore"):  # 0 / 0 where there is no noise
        freedom = np.where(error > 0, (parts[0] + parts[1]) ** 2 / shares, alike)
    return error, freedom
