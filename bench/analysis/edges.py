"""What the two ends of a window do to a rate that few responses make up."""

import math
from typing import TYPE_CHECKING

from calcbench.bench.schema.outcomes import OK
from calcbench.bench.schema.result import Measurement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples

BURST = 0.1  # of the median latency: what comes within it came at once


def edge_of(measurement: Measurement, samples: "Samples") -> float:
    """Return how far off the rate of a *measurement* may be in all rounds alike.

    As a standard deviation: the ends of a window fall at random before or behind a burst, and the
    difference of two such chances has one of the root of 1/6. It does not cancel over rounds, for
    clients that start together stay together, and every round has them begin alike. Slices begin at
    moments of their own.
    """
    right = samples["outcome"] == OK
    responses = int(right.sum())
    if not responses or measurement.in_slices:
        return 0.0
    on_their_own = measurement.offered_per_s or measurement.think_s
    burst = 1 if on_their_own else largest_burst(samples, right)
    return round(burst / responses * math.sqrt(1 / 6), 6)


def largest_burst(samples: "Samples", right: "NDArray[np.bool_]") -> int:
    """Return how many of the *right* ones of *samples*, at least one, came at once at most.

    That is within a tenth of the median latency.
    """
    import numpy as np

    latencies = samples["latency_ns"][right]
    done = np.sort(samples["sent_ns"][right] + latencies)
    together = np.searchsorted(done, done + np.median(latencies) * BURST, "right")
    return int((together - np.arange(len(done))).max())
