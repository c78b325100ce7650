"""When the requests of an open loop are due: fixed in advance, whatever the server does.

A closed loop asks when it has its response, so a server that stalls is asked less and its stall is
one slow response. Independent users do not wait for one another: each comes when it comes. Their
times depend on the rate, the kind of arrivals and the seed alone, so they are the same in every
run, and the same whether one driver keeps them or several share them.
"""

import itertools
import random
from collections.abc import Iterator

CONSTANT = "constant"  # one every 1/rate seconds
POISSON = "poisson"  # independent users: the gaps are exponentially distributed
ARRIVALS = (CONSTANT, POISSON)
SECOND_NS = 1_000_000_000


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


def every_nth(due: Iterator[int], number: int, drivers: int) -> Iterator[int]:
    """Return what driver *number*, from 0, keeps of a schedule that *drivers* share."""
    return itertools.islice(due, number, None, drivers)
