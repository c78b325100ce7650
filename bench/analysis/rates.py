"""The rate of one round: whether it is the server's, or a lower bound of it."""

import math
from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import Reading
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.lateness import kept_back
from calcbench.bench.schema.result import Measurement

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

KEPT_UP = 0.95  # of what was due: with less in the window, and not by chance, a queue grows
MISSING = 0.02  # of an open loop's requests: so many may be answered behind the window of any


def rate_of(measurement: Measurement, samples: "Samples") -> Reading:
    """Return the right responses a second; where the driver was the limit, they are a lower bound.

    In an open loop they are what was offered where all of it was answered, whatever the driver did.
    What it sent too late to be answered within the window counts as answered there, where that was
    all that was missing; where it was not, they are a bound, too.
    """
    answered, elapsed_ns = measurement.right_responses, measurement.elapsed_ns
    limited = measurement.judgement == DRIVER_BOUND
    if measurement.offered_per_s:
        missing = MISSING * measurement.outcomes.total
        kept = 0 if measurement.in_slices else kept_back(samples, elapsed_ns)
        if measurement.outcomes.total - answered - kept <= missing:
            return Reading((answered + kept) * 1e9 / elapsed_ns, False)
        limited = limited or kept > missing
    return Reading(answered * 1e9 / elapsed_ns, limited)


def falls_behind(measurement: Measurement, rate: Reading) -> bool:
    """Tell whether a server whose *rate* was seen answers surely less than an open loop offers.

    Then a queue grows, and response times say for how long it was measured. What failed was
    answered, too; but for what chance does to a Poisson number (two standard deviations), as many
    right responses come within a window as are due in it.
    """
    due = measurement.outcomes.ok
    least = KEPT_UP * due - 2 * math.sqrt(due)
    answered = rate.value * measurement.elapsed_ns / 1e9
    return bool(measurement.offered_per_s) and not rate.at_least and answered < least
