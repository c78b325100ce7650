"""What a race is about: where each quantity comes from and what it is called."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from calcbench.bench.analysis.quantiles import least_count
from calcbench.bench.analysis.spread import NOTHING, Spread, exact
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.judgements import SILENT, UNRANKED
from calcbench.bench.schema.outcomes import OK, OUTCOMES
from calcbench.bench.units import format_number

LEAST = 1e-9  # of the least rate that was seen: in place of 0, which has no logarithm
INTERVAL_ROUNDS = 5  # from which on a chart shows the interval


@dataclass(frozen=True)
class Metric:
    """One quantity that a summary holds for every condition.

    *name* is what it is called in thresholds such as ``p99>50ms``, *file* the chart's name without
    a suffix, empty where none is drawn. *spread* finds the quantity in a row, *scale*
    brings it from its stored unit to *unit*, and *bound* stands before one of which only a lower
    bound is known. *prompt* finds what it would be at least without the driver's lateness, where
    that is known. Of times, *quantile* is which one, 0–1; 0 of others. One that *counts_failures*,
    in requests or clients as *axis* says, is not estimated but counted, and what it has counted is
    so whatever is thought of the round. One that is *hidden* is unknown where the driver was the
    limit.
    """

    name: str
    file: str
    title: str
    axis: str
    unit: str
    more_is_better: bool
    scale: float
    spread: Callable[[Row], Spread]
    prompt: Callable[[Row], Spread] = lambda _: NOTHING
    bound: str = "> "
    quantile: float = 0.0
    counts_failures: bool = False
    hidden: bool = False

    def known(self, row: Row) -> bool:
        """Tell whether *row* holds this quantity."""
        return self.spread(row).rounds > 0

    @property
    def why_unknown(self) -> str:
        """Say why a row that was measured does not hold this quantity."""
        if not self.quantile:
            return "it was not measured"
        least = least_count(self.quantile)
        return f"too few requests for {self.name}, which takes {least} in each round"

    def of(self, row: Row) -> tuple[float, float, float]:
        """Return the low end, the median and the high end over the rounds, in *unit*.

        The ends are those of the median's interval; of fewer rounds than `INTERVAL_ROUNDS` the
        lowest and the highest, for an interval is then so wide that it hides everything else. In
        place of an upper end that is not known there is the highest that was seen.
        """
        spread = self.spread(row)
        low, high = spread.low, spread.high
        if spread.interval and spread.rounds >= INTERVAL_ROUNDS:
            low, high = spread.interval
        high = high if math.isfinite(high) else spread.high
        low, high = min(low, spread.median), max(high, spread.median)
        return low * self.scale, spread.median * self.scale, high * self.scale

    def median(self, row: Row) -> float:
        """Return the median over the rounds, in *unit*."""
        return self.spread(row).median * self.scale

    def least(self, row: Row) -> float:
        """Return what the median would be at least, had the driver been in time, in *unit*."""
        prompt, median = self.prompt(row), self.median(row)
        return min(prompt.median * self.scale, median) if prompt.rounds else median

    def lateness_shows(self, row: Row) -> bool:
        """Tell whether the driver's lateness can change the median as a reader sees it."""
        if self.is_bound(row):
            return False
        return format_number(float(self.least(row))) != format_number(float(self.median(row)))

    def edge_ratio(self, row: Row) -> float:
        """Return how far off this may be in all rounds alike, as a standard deviation."""
        return row.edge_ratio if self.more_is_better else 0.0

    def ends(self, row: Row) -> tuple[Sequence[float], Sequence[float]]:
        """Return the least and the most that this may be in each round of *row*, but for bounds.

        The least is without the driver's lateness. A round in which nothing came had less than any
        other.
        """
        values = self.spread(row).values
        lowest = min((value for value in values if value > 0), default=0.0)
        most = [value or lowest for value in values]
        return self.prompt(row).values or [value or lowest * LEAST for value in values], most

    def at_worst(self, row: Row, interval: tuple[float, float]) -> tuple[float, float]:
        """Return what is left of the *interval* of this where *row* does not count.

        Of silence all that is known is that this is so bad or worse, and so it is of how long a
        growing queue makes everybody wait; of the rest, nothing.
        """
        grows = row.overloaded and row.judgement not in UNRANKED
        if not (row.judgement == SILENT or grows):
            return 0.0, math.inf
        low, high = interval
        return (0.0, high) if self.more_is_better else (low, math.inf)

    def text(self, row: Row) -> str:
        """Return the median as a reader sees it: ``41,200/s``, or ``> 500 ms``."""
        bound = self.bound if self.is_bound(row) else ""
        return bound + format_number(float(self.median(row))) + self.unit

    def is_bound(self, row: Row) -> bool:
        """Tell whether the median is only known to be more than it says."""
        return self.spread(row).at_least


def latency(
    name: str,
    title: str,
    axis: str,
    spread: Callable[[Row], Spread],
    prompt: Callable[[Row], Spread],
    file: str = "",
    quantile: float = 0.0,
) -> Metric:
    """Return the metric of a time that a row has in nanoseconds, and readers see in ms."""
    return Metric(
        name=name,
        file=file,
        title=title,
        axis=f"{axis} latency in ms",
        unit=" ms",
        more_is_better=False,
        scale=1e-6,
        spread=spread,
        prompt=prompt,
        quantile=quantile,
        hidden=True,
    )


METRICS = (
    Metric(
        name="throughput",
        file="throughput",
        title="Right responses per second: more is better",
        axis="right responses per second",
        unit="/s",
        more_is_better=True,
        scale=1,
        spread=lambda row: row.throughput,
        bound="at least ",
    ),
    latency(
        "p50",
        "Latency, p50: half of the requests take longer; less is better",
        "p50",
        lambda row: row.p50_ns,
        lambda row: row.prompt_p50_ns,
        file="latency-p50",
        quantile=0.5,
    ),
    latency(
        "p99",
        "Latency, p99: one request in 100 takes longer; less is better",
        "p99",
        lambda row: row.p99_ns,
        lambda row: row.prompt_p99_ns,
        file="latency-p99",
        quantile=0.99,
    ),
)
THROUGHPUT, P50, P99 = METRICS
P90 = latency(
    "p90",
    "Latency, p90",
    "p90",
    lambda row: row.p90_ns,
    lambda row: row.prompt_p90_ns,
    quantile=0.9,
)
CPU = Metric(
    name="cpu",
    file="",
    title="CPU time of the server for each right response",
    axis="CPU µs for each response",
    unit=" µs",
    more_is_better=False,
    scale=1,
    spread=lambda row: row.cpu_us_per_request,
)

# All that two results can be compared by; charts show the first few.
FIGURES = (
    *METRICS,
    P90,
    latency(
        "max",
        "Latency, the longest",
        "longest",
        lambda row: row.max_ns,
        lambda row: row.prompt_max_ns,
    ),
    CPU,
)


class Counts(NamedTuple):
    """How many failed of a *total*: as many as were *seen*, but for the driver at *least*."""

    seen: int
    least: int
    total: int


def failure_metrics(
    name: str, axis: str, count: Callable[[Row], Counts | None]
) -> tuple[Metric, Metric]:
    """Return how many failed as *name* says, and which share of all did, as metrics.

    *count* finds them in a row, None where nobody knows; *axis* says of what.
    """

    def number(row: Row) -> Spread:
        counts = count(row)
        return exact(counts.seen, counts.least) if counts else NOTHING

    def share(row: Row) -> Spread:
        counts = count(row)
        if not counts:
            return NOTHING
        total = max(counts.total, 1)
        return exact(counts.seen / total, counts.least / total)

    counted = Metric(
        name=name,
        file="",
        title=f"{axis.capitalize()} that ended so: {name}",
        axis=axis,
        unit="",
        more_is_better=False,
        scale=1,
        spread=number,
        counts_failures=True,
    )
    return counted, replace(counted, unit="%", scale=100, spread=share)


def of_requests(way: str) -> Callable[[Row], Counts]:
    """Return what finds in a row how many requests ended in one *way*, or failed in any."""
    found = attrgetter(way)

    def count(row: Row) -> Counts:
        every = row.all_outcomes
        return Counts(found(every), found(row.own_outcomes), every.total)

    return count


def of_clients(row: Row) -> Counts | None:
    """Return how many clients of *row* got no right response in some round.

    Each request that the driver sent too late may have been the only one of its client.
    """
    left = unserved(row)
    if left is None:
        return None
    return Counts(left, max(left - row.unsent, 0), row.condition.connections)


def unserved(row: Row) -> int | None:
    """Return how many clients of *row* got no right response in some round, None if none counts."""
    return row.condition.connections - row.clients_served if row.status == "ok" else None


# Of all ways to fail, and of each; and of clients. Only thresholds use them: no ratio is made of a
# count of 0.
FAILURES = {
    "errors": failure_metrics("errors", "requests", of_requests("failed")),
    **{
        way: failure_metrics(way, "requests", of_requests(way))
        for place, way in enumerate(OUTCOMES)
        if place != OK
    },
    "unserved": failure_metrics("unserved", "clients", of_clients),
}
