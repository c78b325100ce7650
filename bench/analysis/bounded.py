"""Compare figures that are known to lie within bounds only, as where the driver was the limit.

A server is at least as fast as a driver at its limit has seen it: such a round is a lower bound, a
censored figure. All tests here rise and fall with each figure. So a claim that holds for the least
that ours can be beside the most that the other's can be holds for whatever they are; nothing else
is claimed, and no round is left out. The interval that is found in this way may have no upper end.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.inference import (
    ALPHA,
    PAIRED_T,
    SIGNED_RANK,
    Comparison,
    compare_paired,
    from_log,
    student_p,
)
from calcbench.bench.analysis.intervals import (
    LEAST_ROUNDS,
    paired_estimate,
    standard_error,
)
from calcbench.bench.analysis.rank_tests import cliffs_delta, signed_rank_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REACH = 1.96  # standard deviations of what does not cancel over rounds, for 95 %


@dataclass(frozen=True)
class Figures:
    """What was *seen* in each round, by its number, and between which *bounds* the figure lies.

    Without bounds it is what was seen. *edge_ratio* is the standard deviation of an error that all
    rounds may share.
    """

    seen: Mapping[int, float]
    bounds: Mapping[int, tuple[float, float]] = dataclasses.field(default_factory=dict)
    edge_ratio: float = 0

    def in_rounds(self, numbers: Sequence[int]) -> list[float]:
        """Return what was seen in the rounds *numbers*."""
        return [self.seen[number] for number in numbers]

    def ends(self, number: int) -> tuple[float, float]:
        """Return the least and the most that the figure of round *number* may be, as logarithms."""
        low, high = self.bounds.get(number, (self.seen[number], self.seen[number]))
        return (math.log(low) if low > 0 else -math.inf), (
            math.log(high) if high > 0 else -math.inf
        )


def compare_rounds(ours: Figures, others: Figures, family: int = 1) -> Comparison:
    """Compare *ours* with *others* in the rounds that both have.

    *family* is as for `compare_paired`.
    """
    both = [number for number in ours.seen if number in others.seen]
    slack = slack_of(ours, others)
    if any(number in one.bounds for one in (ours, others) for number in both):
        return compare_bounded(ours, others, both, slack, family)
    one, other = ours.in_rounds(both), others.in_rounds(both)
    return within(slack, lambda by: compare_paired([v * by for v in one], other, family))


def slack_of(*compared: Figures) -> float:
    """Return how far off, as a logarithm, what is made of all *compared* may be in every round."""
    return REACH * math.hypot(*(figures.edge_ratio for figures in compared))


def within(slack: float, compare: Callable[[float], Comparison]) -> Comparison:
    """Return what can be claimed where ours may be off by *slack*, of its logarithm, either way.

    *compare* compares with ours multiplied by a number.
    """
    middle = compare(1.0)
    if not slack:
        return middle
    return held(middle, compare(math.exp(-slack)), compare(math.exp(slack)))


def compare_bounded(
    ours: Figures, others: Figures, both: Sequence[int], slack: float, family: int
) -> Comparison:
    """Compare *ours* with *others* in the rounds *both*, in some of which they have bounds.

    Without enough rounds for the rank test Student's stands in. A driver at its limit cuts the
    noise of the server off; so the rounds are taken to be at least as noisy as those are in which
    both figures are known.
    """
    import numpy as np

    rounds = len(both)
    seen = ours.in_rounds(both), others.in_rounds(both)
    sure = [
        one.seen[number] for one in (ours, others) for number in both if number not in one.bounds
    ]
    if rounds < 2 or min(sure, default=1) <= 0:
        return Comparison(rounds=rounds)
    pairs = [(ours.ends(number), others.ends(number)) for number in both]
    lowest = np.array([one[0] - other[1] for one, other in pairs]) - slack
    highest = np.array([one[1] - other[0] for one, other in pairs]) + slack
    exact = 2 / 2**rounds * family <= ALPHA
    noise = noise_of(ours, others, both)
    middle_low, low, p_ahead = lower_end(lowest, noise, exact=exact)
    middle_high, high, p_behind = (-end for end in lower_end(-highest, noise, exact=exact))
    ratio, p = 1.0, 1.0
    if middle_low > 0:
        ratio, p = from_log(middle_low), p_ahead
    elif middle_high < 0:
        ratio, p = from_log(middle_high), -p_behind
    elif min(*seen[0], *seen[1]) > 0:
        ratio = from_log(float(np.median(np.log(seen[0]) - np.log(seen[1]))))
    return Comparison(
        ratio=ratio,
        low=from_log(low),
        high=from_log(high),
        p=p,
        adjusted=min(p * family, 1.0),
        test=SIGNED_RANK if exact else PAIRED_T,
        effect=cliffs_delta(*seen),
        rounds=rounds,
    )


def noise_of(ours: Figures, others: Figures, both: Sequence[int]) -> float:
    """Return the least that the log-ratio is taken to deviate: as it does where both are known.

    Without two such rounds it is what two would have that are as noisy as the noisier one, and that
    nothing disturbs alike. Of one that has bounds in all rounds nothing was cut off in some of
    them, so there it is 0: the ratios that were seen show all of their noise.
    """
    import numpy as np

    known = [
        {number for number in both if number not in figures.bounds} for figures in (ours, others)
    ]
    if not all(known):
        return 0.0
    if len(pairs := sorted(known[0] & known[1])) >= 2:
        logs = np.log(ours.in_rounds(pairs)) - np.log(others.in_rounds(pairs))
        return float(logs.std(ddof=1))
    alone = [
        float(np.log(figures.in_rounds(sorted(numbers))).std(ddof=1))
        for figures, numbers in zip((ours, others), known, strict=True)
        if len(numbers) >= LEAST_ROUNDS
    ]
    return math.sqrt(2) * max(alone, default=0.0)


def lower_end(
    lowest: "NDArray[np.float64]", noise: float, *, exact: bool
) -> tuple[float, float, float]:
    """Return the middle of *lowest*, the lower end of its interval, and p of a middle above 0.

    *lowest* is the least that each log-ratio may be, and *noise* the least of its deviation.
    *exact* says that the rounds are enough for the rank test to speak.
    """
    import numpy as np

    rounds = len(lowest)
    known = bool(np.all(np.isfinite(lowest)))
    seen = float(standard_error(lowest)) if known else math.inf
    error = max(seen, noise / math.sqrt(rounds))
    estimate = paired_estimate(lowest, error)
    middle, end = float(estimate.middle), float(estimate.low)
    if middle <= 0:
        return middle, end, 1.0
    if exact:
        return middle, end, signed_rank_p(lowest)
    return middle, end, student_p(float(lowest.mean()), error, rounds - 1) if known else 1.0


def one_sided(comparison: Comparison, *, ours: bool, others: bool) -> Comparison:
    """Return what is left of a *comparison* where *ours*, *others* or both are lower bounds.

    Where ours are larger than they say, the ratio has no upper end, and that ours are the smaller
    is no longer sure; and the other way round.
    """
    unsure = others if comparison.ratio > 1 else ours
    return dataclasses.replace(
        comparison,
        low=0.0 if others else comparison.low,
        high=math.inf if ours else comparison.high,
        p=1.0 if unsure else comparison.p,
        adjusted=1.0 if unsure else comparison.adjusted,
        detectable=math.inf if ours or others else comparison.detectable,
    )


def held(seen: Comparison, least: Comparison, most: Comparison) -> Comparison:
    """Return *seen* as it can be held when the truth lies anywhere between *least* and *most*."""
    if not seen.known:
        return seen
    certain = least.ratio > 1 or most.ratio < 1
    ends = seen, least, most
    return dataclasses.replace(
        seen,
        low=min(seen.low, least.low),
        high=max(seen.high, most.high),
        p=max(one.p for one in ends) if certain else 1.0,
        adjusted=max(one.adjusted for one in ends) if certain else 1.0,
        detectable=seen.detectable * max(seen.ratio / least.ratio, most.ratio / seen.ratio),
    )
