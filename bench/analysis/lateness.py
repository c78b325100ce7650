"""The least that a quantile of an open loop may be without the driver's lateness.

The driver reads responses as late as it sends requests, for it is away from both at the same time;
but nobody can see when a response was there to be read. So reading is taken to be as late as
sending was seen to be. However the two meet: where at most a share e of all was read more than l
late, at least 1 − q of all took x − l, if 1 − q + e of all took x (the union bound).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import Waits
from calcbench.bench.schema import lateness
from calcbench.bench.schema.histogram import counted_lateness, counted_times
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import read_samples

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

AWAY_NS = 1_000_000  # a driver that sends later than this has been away; a busy machine takes less
SHARES = (0, 0.25, 0.5, 0.75, 1)  # of what was sent that late: each gives a bound


def least_quantiles(samples: "Samples", *levels: float) -> list[int]:
    """Return the least that each of the quantiles *levels* of the response time may be, in ns.

    *samples* are those of an open loop, or histograms in place of them.
    """
    values, counts = counted_lateness(samples)
    late = Waits((values, counts), (values[:0], counts[:0]))
    prompt = Waits(*counted_times(samples, "prompt"))
    away = int(counts[values > AWAY_NS].sum()) / late.total if late.total else 0.0

    def bound(q: float, share: float) -> int:
        read_late_ns = late.quantile(1 - share).value if late.total else 0
        least_ns = prompt.quantile(q - share).value
        return int(least_ns - (read_late_ns if read_late_ns > AWAY_NS else 0))

    fastest_ns = int(prompt.times[0])
    return [
        max(fastest_ns, *(bound(q, part * away) for part in SHARES if part * away < q))
        for q in levels
    ]


def timed_out_unsent(measurement: Measurement, folder: Path) -> int:
    """Return how many requests of *measurement* timed out because the driver sent them too late.

    Its samples lie in *folder*. Raises CalcbenchError when they are missing or broken.
    """
    if measurement.status != "ok" or not measurement.evidence.driver_fault:
        return 0
    return lateness.timed_out_unsent(read_samples(folder, measurement))
