"""What the columns and signs of a table mean."""

import math
from collections.abc import Collection, Sequence

from calcbench.bench.analysis.metrics import P50, P99
from calcbench.bench.analysis.summary import Row
from calcbench.bench.views.lateness import AT_MOST_LEGEND, DRIVERS_LEGEND

LEGEND = (
    "all figures: medians of the rounds; req/s: right responses per second; ±: 95% interval of the"
    " median; served: clients that got a right response; errors: share of the requests that failed;"
    " tier: each is measurably better than the next; same tier: they do not all differ measurably;"
    " who leaves clients, or too many requests, without a right response comes behind all others"
)
BOUND_LEGEND = (
    ">: longer than that, and nobody knows how much: so many requests got no right response"
)
LOW_END_LEGEND = "−: so much less at most, and nobody knows how much more"
CPU_LEGEND = (
    "CPU tier: the same by the CPU time for each response, the least first; left out where the"
    " terminal is too narrow"
)
NO_TIER_LEGEND = (
    "–: not ranked, because only one round counts, nobody gives nearly every request a right"
    " response, or a mark says why"
)
AGAIN_LEGEND = "A/A: the same strategy measured once more, a control that shows what chance does"
CONTROL = "A/A"  # in place of a tier
NO_TIER = "–"


def legends(tiers: Collection[str], rows: Sequence[Row], *, by_cpu: bool) -> list[str]:
    """Return what stands below tables of *rows* with such *tiers*, and some *by_cpu* or none."""
    beside = ((NO_TIER, NO_TIER_LEGEND), (CONTROL, AGAIN_LEGEND))
    found = [LEGEND, *([CPU_LEGEND] if by_cpu else [])]
    found += [legend for sign, legend in beside if sign in tiers]
    times = [(metric, row) for row in rows for metric in (P50, P99) if row.status == "ok"]
    if any(metric.lateness_shows(row) for metric, row in times):
        found.append(AT_MOST_LEGEND)
    if any(row.limited and metric.known(row) for metric, row in times):
        found.append(DRIVERS_LEGEND)
    if any(row.throughput.interval and math.isinf(row.throughput.interval[1]) for row in rows):
        found.append(LOW_END_LEGEND)
    if any(metric.is_bound(row) for metric, row in times):
        found.append(BOUND_LEGEND)
    return found
