"""Which rates a search for the highest one tries, and where it ends.

An open loop at one rate either keeps the objective or does not. The rate is doubled until it is
not kept, or halved until it is, and then bisected (by ratio) until what is kept and what is not
lie close together. Each rate is tried until two tries agree, so that one hiccup decides nothing.
A try whose failure may be the driver's says nothing of the server: once a rate was kept, the search
ends there, and the knee is only known to be no lower. It ends, too, where the driver is as late at
half the rate: its lateness is not the load's; and at rates so low that no try lasts long enough for
the requests that it takes to keep one.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable

from calcbench.bench.runner.knee_try import KEPT, UNKNOWN, Try
from calcbench.bench.units import format_rate

CLOSE_RATIO = 1.1  # ratio of what is not kept to what is, at which the search ends
AGREE = 2  # tries that decide a rate
MOST_RATES = 16  # of one search
FALLS = 0.7  # lateness at half the rate that is more than this part of what it was has not fallen
LOWER = 8  # so far below the start a rate is sought at which the driver keeps its schedule


def search(
    attempt: Callable[[float], Try], start: float, least: float = 1
) -> tuple[float, float, str]:
    """Return the highest rate kept, the lowest not kept, and why it ended early.

    *attempt* tries a rate; the first one is *start*, and none that is lower is below *least*.
    """
    kept, broken, late_ns = 0.0, math.inf, 0
    rate = start
    for _ in range(MOST_RATES):
        one = decide(attempt, rate)
        if one.outcome == UNKNOWN:
            stays = late_ns and one.late_ns > FALLS * late_ns
            late_ns = one.late_ns
            if stays or kept or rate < start / LOWER or rate < 2 * least:
                return kept, broken, cannot_tell(one, stays=bool(stays))
        else:
            late_ns = 0
            if one.outcome == KEPT:
                kept = rate
            else:
                broken = rate
        if kept and broken <= kept * CLOSE_RATIO:
            return kept, broken, ""
        if not kept:
            rate /= 2
            if rate < least:
                lower = "lower rates take a longer --duration"
                return kept, broken, lower if rate >= 1 else "it sustains no rate"
        else:
            rate = kept * 2 if math.isinf(broken) else math.sqrt(kept * broken)
    return kept, broken, f"{MOST_RATES} rates were tried"


def cannot_tell(one: Try, *, stays: bool) -> str:
    """Say why *one* try tells nothing, and where the lateness comes from; it *stays* or falls."""
    found = f"at {format_rate(one.rate)}: {one.why}"
    if stays:
        found += "; the driver is as late as at twice the rate, so lower rates will not help"
    return f"{found}; its lateness comes from {one.whose}" if one.whose else found


def decide(attempt: Callable[[float], Try], rate: float) -> Try:
    """Try *rate* until tries agree; return the last of them, which is what they agree on."""
    votes: Counter[str] = Counter()
    while True:  # there are three outcomes, so of four tries two agree
        last = dataclasses.replace(attempt(rate), rate=rate)
        votes[last.outcome] += 1
        if votes[last.outcome] == AGREE:
            return last
