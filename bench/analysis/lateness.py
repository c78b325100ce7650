"""The least that a quantile of an open loop may be without the driver's lateness.

The driver reads responses as late as it sends requests, for it is away from both at the same time;
but nobody can see when a response was there to be read. So reading is taken to be as late as
sending was seen to be. However the two meet: where at most a share e of all was read more than l
late, at least 1 − q of all took x − l, if 1 − q + e of all took x (the union bound).
"""

from bisect import bisect_right
from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.schema.histogram import sorted_lateness, sorted_times

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

AWAY_NS = 1_000_000  # a driver that sends later than this has been away; a busy machine takes less
SHARES = (
    0,
    0.25,
    0.5,
    0.75,
    1,
)  # of what was sent that late: each gives a bound


def least_quantiles(samples: "Samples", *levels: float) -> list[int]:
    """Return the least that each of the quantiles *levels* of the response time may be, in ns.

    *samples* are those of an open loop, or histograms in place of them.
    """
    prompt, late = sorted_times(samples, "prompt"), sorted_lateness(samples)
    away = 1 - bisect_right(late, AWAY_NS) / len(late) if len(late) else 0.0

    def bound(q: float, share: float) -> int:
        read_late_ns = quantile(late, 1 - share) if len(late) else 0
        return quantile(prompt, q - share) - (read_late_ns if read_late_ns > AWAY_NS else 0)

    return [
        max(prompt[0], *(bound(q, part * away) for part in SHARES if part * away < q))
        for q in levels
    ]
