"""The rate of one round: whether it is the server's, or a lower bound of it."""

from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import Reading
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.lateness import kept_back
from calcbench.bench.schema.result import Measurement

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

MISSING = 0.02  # of an open loop's requests: so many may be answered behind the window of any


def rate_of(measurement: Measurement, samples: "Samples") -> Reading:
    """Return the right responses a second; where the driver was the limit, they are a lower bound.

    In an open loop they are what was offered where all of it was answered, whatever the driver did,
    and a bound, too, where it sent some too late to be answered within the window.
    """
    limited = measurement.judgement == DRIVER_BOUND
    if measurement.offered_per_s:
        missing = MISSING * measurement.outcomes.total
        kept = 0 if measurement.in_slices else kept_back(samples, measurement.elapsed_ns)
        unanswered = measurement.outcomes.total - measurement.right_responses
        limited = (limited or kept > missing) and unanswered > missing
    return Reading(measurement.right_responses * 1e9 / measurement.elapsed_ns, limited)
