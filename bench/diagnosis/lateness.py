"""What the driver's lateness does to the figures of an open loop, and whose it is.

Each quantile of the response time lies between two ends: as it was seen, from when a request was
due, and as it would be at least, had the driver sent everything in time
(`calcbench.bench.schema.lateness`). That is an error bar and no judgement: what holds at both ends
holds, however many requests left late, and only where the two ends say different things can nobody
tell.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.lateness import least_quantiles
from calcbench.bench.analysis.quantiles import Waits, quantile
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.histogram import counted_times
from calcbench.bench.schema.lateness import lateness, overdue_ns, timed_out_unsent
from calcbench.bench.units import format_count

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

REPORTED = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
# What lateness may be of a quantile: beyond both, so much of it and so long, it is more than what a
# busy machine takes to wake a process.
MOST_RATIO = 0.10
MOST_NS = 1_000_000
UNSENT = "the driver was so late that {} timed out before being sent"
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
        """Whether it is more than what a busy machine does to any driver."""
        return self.ratio > MOST_RATIO and self.most_ns - self.least_ns > MOST_NS


def lateness_error(columns: "Samples") -> LatenessError:
    """Return the gravest error that lateness makes in a reported quantile of a response time.

    It is that of an open loop, or of users who think. *columns* are samples, or histograms in place
    of them. The gravest is the one that is the largest part of its figure, among those that matter
    where some do.
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


def of_the_lateness(evidence: Evidence, observation: Observation) -> Evidence:
    """Return *evidence* with what the driver's lateness does to response times.

    Where requests timed out because of it, that is the driver's fault and no error bar.
    """
    samples, histograms = observation.samples, observation.histograms
    error = lateness_error(histograms.columns() if histograms else samples)
    evidence = dataclasses.replace(evidence, lateness_error_ratio=round(error.ratio, 4))
    if not len(samples["outcome"]):  # histograms do not say what came when
        return evidence
    import numpy as np

    late, elapsed_ns = np.sort(lateness(samples)), observation.elapsed_ns
    unsent = timed_out_unsent(samples)
    return dataclasses.replace(
        evidence,
        driver_fault=UNSENT.format(format_count(unsent, "request")) if unsent else "",
        lateness_p99_ns=quantile(late, 0.99),
        overdue_ratio=round(overdue_ns(samples, elapsed_ns) / elapsed_ns, 4),
    )


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
