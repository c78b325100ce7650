"""One try of a search for the highest rate: whether it kept the objective, or cannot tell."""

from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.quantiles import are_enough
from calcbench.bench.analysis.summary import Row, summarise_condition
from calcbench.bench.analysis.thresholds import Threshold
from calcbench.bench.diagnosis.failures import is_servers_failure
from calcbench.bench.schema.judgements import DRIVER_BOUND, INVALID, UNSERVED
from calcbench.bench.schema.result import Measurement
from calcbench.bench.units import format_rate

ACHIEVED_RATIO = 0.95  # of what is offered must be answered in time
FAILED_RATIO = 0.001  # of what is asked may fail

KEPT, NOT_KEPT, UNKNOWN = "kept", "not kept", "cannot tell"


@dataclass(frozen=True)
class Try:
    """One measurement at *rate*, what came of it, and why, in words."""

    rate: float
    outcome: str
    why: str


def judge_try(measurement: Measurement, objective: Threshold, folder: Path) -> Try:
    """Return whether *measurement*, of an open loop, kept the *objective*."""
    rate, outcomes = measurement.offered_per_s, measurement.outcomes
    if measurement.status == "unavailable":
        return Try(rate, UNKNOWN, measurement.reason)
    if is_servers_failure(measurement):
        return Try(rate, NOT_KEPT, measurement.reason)
    if measurement.judgement == UNSERVED:
        return Try(rate, NOT_KEPT, "; ".join(measurement.evidence.reasons[:1]))
    if not outcomes.ok or outcomes.failed > FAILED_RATIO * outcomes.total:
        what = f"{outcomes.failed:,} of {outcomes.total:,} failed"
        # A server that is not there fails too; that is for the reason to say.
        return Try(rate, NOT_KEPT if outcomes.total else UNKNOWN, measurement.reason or what)
    # A server that falls silent under a rate has not kept it: its figures say so.
    unknown = measurement.judgement in (DRIVER_BOUND, INVALID)
    if measurement.status != "ok" or unknown:
        return Try(rate, UNKNOWN, measurement.reason or measurement.judgement)
    row = summarise_condition(measurement.condition, [measurement], folder, few=True)
    due = rate * measurement.elapsed_ns / 1e9
    if measurement.right_responses + 1 < ACHIEVED_RATIO * due:  # one may fall beside the window
        return Try(rate, NOT_KEPT, f"only {format_rate(row.throughput.median)} were answered")
    value = objective.metric.median(row)
    # Of a value that is a lower bound nobody knows that it is below the limit.
    kept = value < objective.limit and not objective.metric.is_bound(row)
    return Try(rate, KEPT if kept else NOT_KEPT, in_words(objective.metric, row))


def in_words(metric: Metric, row: Row) -> str:
    """Say what *metric* is of *row*, or, of too few responses for it, what it is of just those."""
    few = metric.quantile and not are_enough(row.requests, metric.quantile)
    if few and not metric.is_bound(row):
        return f"{metric.quantile:.0%} of {row.requests:,} responses within {metric.text(row)}"
    return f"{metric.name} {metric.text(row)}"
