"""What the two ends of a window do to a rate that few responses make up."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples

BURST = 0.1  # of the median latency: what comes within it came at once


def edge_ratio(samples: "Samples", right: "NDArray[np.bool_]") -> float:
    """Return how far off the rate of the *right* ones of *samples* may be, as a standard deviation.

    The ends of a window fall at random before or behind a burst, which is as many responses as
    come within a tenth of the median latency: the count is off by the difference of two such
    chances, which has a deviation of the root of 1/6. It does not cancel over rounds, for clients
    that start together stay together, and every round has them begin alike.
    """
    import numpy as np

    latencies = samples["latency_ns"][right]
    if not len(latencies):
        return 0.0
    done = np.sort(samples["sent_ns"][right] + latencies)
    together = np.searchsorted(done, done + np.median(latencies) * BURST, "right")
    burst = int((together - np.arange(len(done))).max())
    return round(burst / len(done) * math.sqrt(1 / 6), 6)
