"""One figure over the rounds of a race: the median, how far it may be off, and what bounds it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, stdev

from calcbench.bench.analysis.inference import median_interval
from calcbench.bench.analysis.intervals import RANKED
from calcbench.bench.analysis.quantiles import Reading, Waits, are_enough
from calcbench.bench.analysis.rank_tests import CONFIDENCE
from calcbench.bench.analysis.student import quantile


@dataclass(frozen=True)
class Spread:
    """One figure over the rounds: the median, the lowest and the highest; all 0 for no rounds.

    *interval* is where the median lies with 95 % confidence, None for fewer than three rounds.
    *values* are the figure of each round, in the order of the rounds. Of some rounds only a lower
    bound may be known: *censored* says of which, and is empty where of none. Such a *median* is
    *at_least* what it says; the interval has no upper end where one of those would be it.
    """

    median: float = 0
    low: float = 0
    high: float = 0
    rounds: int = 0
    interval: tuple[float, float] | None = None
    values: tuple[float, ...] = ()
    at_least: bool = False
    censored: tuple[bool, ...] = ()


NOTHING = Spread()


def spread(values: Iterable[float | Reading]) -> Spread:
    """Return the lower median, the lowest and the highest of *values*, one for each round.

    Of *values* that are only known to be *at_least* so large, the median of the bounds is a bound
    of the median; it is more where none of those up to it is such a one.
    """
    readings = [one if isinstance(one, Reading) else Reading(one) for one in values]
    if not readings:
        return NOTHING
    ordered = sorted(readings)
    middle = (len(ordered) - 1) // 2
    plain = tuple(one.value for one in readings)
    censored = tuple(one.at_least for one in readings)
    return Spread(
        ordered[middle].value,
        ordered[0].value,
        ordered[-1].value,
        len(ordered),
        interval_of(readings),
        plain,
        any(one.at_least for one in ordered[: middle + 1]),
        censored if any(censored) else (),
    )


def interval_of(readings: Sequence[Reading]) -> tuple[float, float] | None:
    """Return the interval in which the median of *readings* lies; None for too few of them.

    Its lower end is what it would be if no bound were exceeded, and its upper one if each were by
    far. A bound cuts noise off; so, where the interval is one of noise, that is at least what the
    others have, with their degrees of freedom. One alone has its distance from the least bound.
    """
    values = [one.value for one in readings]
    interval = median_interval(values)
    if interval is None or not any(one.at_least for one in readings):
        return interval
    if len(values) >= RANKED:
        most = median_interval([math.inf if one.at_least else one.value for one in readings])
        return interval[0], most[1] if most else math.inf
    exact = [math.log(one.value) for one in readings if not one.at_least]
    if len(exact) == 1:
        exact.append(math.log(min(one.value for one in readings if one.at_least)))
    if not exact:
        return interval[0], math.inf
    error = stdev(exact) / math.sqrt(len(values))
    reach = quantile(len(exact) - 1, (1 + CONFIDENCE) / 2) * error
    return min(interval[0], median(values) * math.exp(-reach)), math.inf


def exact(value: float, least: float | None = None) -> Spread:
    """Return the spread of a *value* that is counted over all rounds, and so has no other.

    Where not all of it may belong there, *least* is what does.
    """
    return Spread(value, value, value, 1, (value if least is None else least, value), (value,))


def quantile_spread(rounds: Sequence[Waits], q: float, *, few: bool = False) -> Spread:
    """Return the *q*-quantile of each of *rounds*.

    Unless it is known of all of them, it is of none: a round that has too few requests for it may
    not be like the others. *few* are taken as well where only those count that there are.
    """
    if not all(waits.total and (few or are_enough(waits.total, q)) for waits in rounds):
        return NOTHING
    return spread(waits.quantile(q) for waits in rounds)
