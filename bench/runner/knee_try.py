"""One try of a search for the highest rate: whether it kept the objective, or cannot tell.

A response time counts from when a request was due. So a try that keeps the objective keeps it
however late the driver was; one that does not says nothing of the server where that may be the
driver's doing. To keep it takes as many requests as a p99: fewer do not show that hardly any fails.

The response times of a short try may keep the objective while a queue grows. So the server must
answer nearly as many as were due in the window. Some of what it answers there was due before, and
some of what is due in it is answered behind it: as many, where it keeps up and all come at even
intervals. Independent users come by chance, and so differ both in how many are due, which is
counted, and in how many are out at either end of the window, which is allowed for.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.quantiles import are_enough, least_count
from calcbench.bench.analysis.rates import KEPT_UP
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.summary import Row, row_of, why_not
from calcbench.bench.analysis.thresholds import Threshold
from calcbench.bench.diagnosis.failures import is_servers_failure
from calcbench.bench.diagnosis.lateness import MOST_RATIO, whose_lateness
from calcbench.bench.schema.arrivals import CONSTANT, POISSON
from calcbench.bench.schema.histogram import counted_times
from calcbench.bench.schema.judgements import CONTENDED, DRIVER_BOUND, INVALID, UNSERVED
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import read_samples
from calcbench.bench.units import format_count, format_rate
from calcbench.bench.views.lateness import show_range

FAILED_RATIO = 0.001  # of what is asked may fail
QUANTILE = 0.99  # the one whose requests are enough to keep a rate, whatever the objective is
LEAST_REQUESTS = least_count(QUANTILE)

KEPT, NOT_KEPT, UNKNOWN = "kept", "not kept", "cannot tell"


@dataclass(frozen=True)
class Try:
    """One measurement at *rate*, what came of it, and why, in words.

    Where that cannot be told because the driver was late, *late_ns* is how late 99 in 100 of its
    requests left at most, and *whose* says by whose doing.
    """

    rate: float
    outcome: str
    why: str
    late_ns: int = 0
    whose: str = ""


def judge_try(
    measurement: Measurement, objective: Threshold, folder: Path, arrivals: str = CONSTANT
) -> Try:
    """Return whether *measurement*, of an open loop with such *arrivals*, kept the *objective*."""
    rate, outcomes, figures = measurement.offered_per_s, measurement.outcomes, Rounds(folder)
    if measurement.status == "unavailable":
        return Try(rate, UNKNOWN, measurement.reason)
    if is_servers_failure(measurement):
        return Try(rate, NOT_KEPT, measurement.reason)
    if measurement.judgement == UNSERVED:
        return Try(rate, NOT_KEPT, "; ".join(measurement.evidence.reasons[:1]))
    most_failed = FAILED_RATIO * outcomes.total
    if not outcomes.ok or outcomes.failed > most_failed:
        if outcomes.failed - figures.unsent(measurement) <= most_failed:
            return late_try(measurement, why_not(measurement))
        what = f"{outcomes.failed:,} of {outcomes.total:,} failed"
        if causes := sorted(measurement.failures, key=lambda failure: -failure.count):
            what += f", {'most' if causes[1:] else 'all'} of them: {causes[0].why}"
        # A server that is not there fails too; that is for the reason to say.
        return Try(rate, NOT_KEPT if outcomes.total else UNKNOWN, measurement.reason or what)
    if measurement.status != "ok" or measurement.judgement == INVALID:
        return Try(rate, UNKNOWN, why_not(measurement))
    row = row_of(measurement.condition, [measurement], figures, few=True)
    responses = row.throughput.median * measurement.elapsed_ns / 1e9
    beside = 1 + (chance_at_ends(mean_out(measurement, folder)) if arrivals == POISSON else 0)
    answered = responses + beside >= KEPT_UP * outcomes.total
    metric = objective.metric
    # Of a value that is a lower bound nobody knows that it is below the limit.
    if answered and metric.median(row) < objective.limit and not metric.is_bound(row):
        if row.requests < LEAST_REQUESTS:
            return Try(rate, UNKNOWN, too_few(metric))
        return Try(rate, KEPT, in_words(metric, row))
    if measurement.judgement == DRIVER_BOUND:
        return late_try(measurement, why_not(measurement))
    if not answered and row.throughput.at_least:
        return late_try(measurement, "the driver was late, so some were answered too late to count")
    if answered and metric.least(row) < objective.limit and not metric.is_bound(row):
        seen = f"{metric.name} {show_range(row, metric)}, for the driver was late"
        return late_try(measurement, seen)
    reasons = measurement.evidence.reasons[: measurement.judgement == CONTENDED]
    seen = in_words(metric, row)
    if not answered:
        due = format_rate(outcomes.total * 1e9 / measurement.elapsed_ns)
        seen = f"of {due} only {format_rate(row.throughput.median)} got right responses"
    return Try(rate, NOT_KEPT, "; ".join([seen, *reasons]))


def mean_out(measurement: Measurement, folder: Path) -> float:
    """Return how many requests were out on average: Little's law, of all that they have waited."""
    known, censored = counted_times(read_samples(folder, measurement), "response")
    waited_ns = sum(int((times * counts).sum()) for times, counts in (known, censored))
    return waited_ns / measurement.elapsed_ns


def chance_at_ends(out: float) -> float:
    """Return how many more may be out at one end of a window than at the other, by chance.

    That is of independent users, and a standard deviation: where so many are *out* on average, they
    are at either end more or fewer by the root of it.
    """
    return math.sqrt(2 * out)


def late_try(measurement: Measurement, why: str) -> Try:
    """Return that *measurement* tells nothing, *why*, and the driver's lateness if that counts."""
    evidence, rate = measurement.evidence, measurement.offered_per_s
    if (evidence.lateness_error_ratio or 0) <= MOST_RATIO:
        return Try(rate, UNKNOWN, why)
    return Try(rate, UNKNOWN, why, evidence.lateness_p99_ns or 0, whose_lateness(evidence))


def too_few(metric: Metric) -> str:
    """Say that a try that kept the objective, of *metric*, has too few requests to keep a rate."""
    fails = " and for seeing whether any fail" if metric.quantile != QUANTILE else ""
    return (
        f"too few requests for {metric.name}{fails}, which takes {LEAST_REQUESTS}:"
        " give a longer --duration"
    )


def in_words(metric: Metric, row: Row) -> str:
    """Say what *metric* is of *row*, or, of too few requests for it, what it is of just those."""
    few = metric.quantile and not are_enough(row.requests, metric.quantile)
    if few and not metric.is_bound(row):
        responses = format_count(row.requests, "response")
        return f"{metric.quantile:.0%} of {responses} within {metric.text(row)}"
    return f"{metric.name} {metric.text(row)}"
