"""What the driver's lateness does to the figures of an open loop, and whose it is.

Each quantile of the response time lies between two ends: as it was seen, from when a request was
due, and as it would be at least, had the driver sent everything in time
(`calcbench.bench.schema.lateness`). Where they lie close together, lateness changes nothing,
however many requests left late; where they do not, the figure is as much the driver's as the
server's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.lateness import least_quantiles
from calcbench.bench.analysis.quantiles import Waits
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.histogram import counted_times
from calcbench.bench.units import format_ns

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

REPORTED = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
# What lateness may be of a quantile, at least so much of it and so long: beyond both the figure is
# not the server's. A busy machine takes about as long to wake a process.
MOST_RATIO = 0.10
MOST_NS = 1_000_000
HALF = 0.5  # of the time in which the driver was missed


@dataclass(frozen=True)
class LatenessError:
    """What lateness may be of a reported quantile: *least_ns* to *most_ns* is where it lies."""

    quantile: str
    least_ns: int
    most_ns: int

    @property
    def ratio(self) -> float:
        """How much of the figure may be lateness, 0–1."""
        return 1 - self.least_ns / self.most_ns if self.most_ns else 0.0

    @property
    def matters(self) -> bool:
        """Whether it is so much that the figure is not the server's."""
        return self.ratio > MOST_RATIO and self.most_ns - self.least_ns > MOST_NS

    @property
    def fault(self) -> str:
        """Why the figure does not count, or nothing where it does."""
        if not self.matters:
            return ""
        return (
            f"the driver was late: {format_ns(self.most_ns - self.least_ns)} of a"
            f" {self.quantile} of {format_ns(self.most_ns)} may be its own"
        )


def lateness_error(columns: "Samples") -> LatenessError:
    """Return the gravest error that lateness makes in a reported quantile of an open loop.

    *columns* are samples, or histograms in place of them. The gravest is the one that is the
    largest part of its figure, among those that matter where some do.
    """
    response = Waits(*counted_times(columns, "response"))
    if not response.total:
        return LatenessError("p50", 0, 0)
    least = least_quantiles(columns, *REPORTED.values())
    errors = [
        LatenessError(name, least_ns, int(response.quantile(q).value))
        for (name, q), least_ns in zip(REPORTED.items(), least, strict=True)
    ]
    return max(errors, key=lambda one: (one.matters, one.ratio))


def whose_lateness(evidence: Evidence) -> str:
    """Say who kept the driver from sending in time, as far as *evidence* shows it.

    It is who took at least half of the time in which the driver owed somebody a request.
    """
    missed = HALF * (evidence.overdue_ratio or 0)
    if (steal := evidence.steal_ratio or 0) and steal >= missed:
        return f"the host of this machine, which gave a core to others for {steal:.0%} of the time"
    if (delay := evidence.driver_delay_ratio or 0) and delay >= missed:
        return f"other programs on the driver's core, for which it waited {delay:.0%} of the time"
    if (busy := evidence.driver_cpu_ratio or 0) and busy >= missed:
        return f"the driver itself, which was computing for {busy:.0%} of the time"
    return "this machine's timer, which woke the driver too late though its core was free"
