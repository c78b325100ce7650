"""One figure over the rounds of a race: the median, how far it may be off, and what bounds it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.inference import median_interval
from calcbench.bench.analysis.quantiles import Reading, Waits, are_enough


@dataclass(frozen=True)
class Spread:
    """One figure over the rounds: the median, the lowest and the highest; all 0 for no rounds.

    *interval* is where the median lies with 95 % confidence, None for fewer than three rounds.
    *values* are the figure of each round, in the order of the rounds. Of some rounds only a lower
    bound may be known: *censored* says of which, and is empty where of none. Such a *median* is
    *at_least* what it says, and the interval has no upper end.
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
    interval = median_interval(plain)
    censored = tuple(one.at_least for one in readings)
    if interval and any(censored):
        interval = (interval[0], math.inf)
    return Spread(
        ordered[middle].value,
        ordered[0].value,
        ordered[-1].value,
        len(ordered),
        interval,
        plain,
        any(one.at_least for one in ordered[: middle + 1]),
        censored if any(censored) else (),
    )


def exact(value: float) -> Spread:
    """Return the spread of a *value* that is counted over all rounds, and so has no other."""
    return Spread(value, value, value, 1, (value, value), (value,))


def quantile_spread(rounds: Sequence[Waits], q: float, *, few: bool = False) -> Spread:
    """Return the *q*-quantile of each of *rounds*.

    Unless it is known of all of them, it is of none: a round that has too few requests for it may
    not be like the others. *few* are taken as well where only those count that there are.
    """
    if not all(waits.total and (few or are_enough(waits.total, q)) for waits in rounds):
        return NOTHING
    return spread(waits.quantile(q) for waits in rounds)
