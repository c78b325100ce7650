"""When requests are due: the schedule of an open loop, and how long users of a closed one think.

A closed loop asks when it has its response, so a server that stalls is asked less and its stall is
one slow response. Independent users do not wait for one another: each comes when it comes. Their
times depend on the rate, the kind of arrivals and the seed alone, so they are the same in every
run, and the same whether one driver keeps them or several share them.

Users of a service wait for their response, and think before they ask again: a closed loop with
think times (Schroeder et al. 2006, "Open versus closed"). Those too depend on the seed alone.
"""

import itertools
import random
import statistics
from collections.abc import Iterator
from typing import TypeVar

CONSTANT = "constant"  # one every 1/rate seconds
POISSON = "poisson"  # independent users: the gaps are exponentially distributed
ARRIVALS = (CONSTANT, POISSON)
EXPONENTIAL = "exponential"
THINKS = (CONSTANT, EXPONENTIAL)  # every think is as long, or of exponentially distributed length
SECOND_NS = 1_000_000_000
VARIETY = 4096  # thinks drawn in advance; each user begins at a place of its own among them

Thing = TypeVar("Thing")


def schedule(rate: float, arrivals: str, seed: int) -> Iterator[int]:
    """Yield when each request is due, ascending and without end, in nanoseconds from the start.

    *rate* is requests per second, above 0; *arrivals* is one of `ARRIVALS`.
    """
    gap_ns = SECOND_NS / rate
    if arrivals == CONSTANT:
        return (round(number * gap_ns) for number in itertools.count())
    return poisson(gap_ns, random.Random(f"arrivals/{seed}"))


def poisson(gap_ns: float, draw: random.Random) -> Iterator[int]:
    """Yield the arrivals of a Poisson process whose mean gap is *gap_ns*."""
    due = 0.0
    while True:
        due += draw.expovariate(1) * gap_ns
        yield round(due)


def thinks(think_s: float, distribution: str, seed: int) -> Iterator[Iterator[int]]:
    """Yield for each user, without end, how long it thinks before each of its requests.

    *think_s* is the mean, above 0, in seconds; *distribution* is one of `THINKS`; what is yielded
    is nanoseconds. The first think is what is left of one that began before we looked, so that
    users do not come all at once: of a constant one any part, of an exponential one as much as of
    one that begins.
    """
    mean_ns = think_s * SECOND_NS
    draw = random.Random(f"thinks/{seed}")
    if distribution == CONSTANT:
        while True:
            first = round(draw.random() * mean_ns)
            yield itertools.chain((first,), itertools.repeat(round(mean_ns)))
    drawn = [draw.expovariate(1) for _ in range(VARIETY)]
    scale = mean_ns / statistics.fmean(drawn)
    drawn_ns = [round(one * scale) for one in drawn]
    while True:
        first = round(draw.expovariate(1) * mean_ns)
        yield itertools.chain((first,), from_place(drawn_ns, draw.randrange(VARIETY)))


def from_place(things: list[int], place: int) -> Iterator[int]:
    """Yield *things* from *place* on, again and again."""
    return (things[number % len(things)] for number in itertools.count(place))


def every_nth(due: Iterator[Thing], number: int, drivers: int) -> Iterator[Thing]:
    """Return what driver *number*, from 0, keeps of what *drivers* share: a schedule, or users."""
    return itertools.islice(due, number, None, drivers)
