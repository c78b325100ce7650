"""What a race is about: where each quantity comes from and what it is called."""

from collections.abc import Callable
from dataclasses import dataclass

from calcbench.bench.analysis.quantiles import least_count
from calcbench.bench.analysis.summary import Row, Spread
from calcbench.bench.units import format_number

INTERVAL_ROUNDS = 5  # from which on a chart shows the interval


@dataclass(frozen=True)
class Metric:
    """One quantity that a summary holds for every condition.

    *name* is what it is called in thresholds such as ``p99>50ms``, *file* the chart's name without
    a suffix, empty where none is drawn. *spread* finds the quantity in a row, *scale*
    brings it from its stored unit to *unit*. Of times, *quantile* is which one, 0–1; 0 of others.
    """

    name: str
    file: str
    title: str
    axis: str
    unit: str
    more_is_better: bool
    scale: float
    spread: Callable[[Row], Spread]
    quantile: float = 0.0

    def known(self, row: Row) -> bool:
        """Tell whether *row* holds this quantity."""
        return self.spread(row).rounds > 0

    @property
    def why_unknown(self) -> str:
        """Say why a row that was measured does not hold this quantity."""
        if not self.quantile:
            return "it was not measured"
        least = least_count(self.quantile)
        return f"too few responses for {self.name}, which takes {least} in each round"

    def of(self, row: Row) -> tuple[float, float, float]:
        """Return the low end, the median and the high end over the rounds, in *unit*.

        The ends are those of the median's interval; of fewer rounds than `INTERVAL_ROUNDS` the
        lowest and the highest, for an interval is then so wide that it hides everything else.
        """
        spread = self.spread(row)
        low, high = spread.low, spread.high
        if spread.interval and spread.rounds >= INTERVAL_ROUNDS:
            low, high = spread.interval
        low, high = min(low, spread.median), max(high, spread.median)
        return low * self.scale, spread.median * self.scale, high * self.scale

    def median(self, row: Row) -> float:
        """Return the median over the rounds, in *unit*."""
        return self.spread(row).median * self.scale

    def text(self, row: Row) -> str:
        """Return the median as a reader sees it: ``41,200/s``."""
        return format_number(float(self.median(row))) + self.unit


def latency(
    name: str,
    title: str,
    axis: str,
    spread: Callable[[Row], Spread],
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
        quantile=quantile,
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
    ),
    latency(
        "p50",
        "Latency, p50: half of the responses take longer; less is better",
        "p50",
        lambda row: row.p50_ns,
        file="latency-p50",
        quantile=0.5,
    ),
    latency(
        "p99",
        "Latency, p99: one response in 100 takes longer; less is better",
        "p99",
        lambda row: row.p99_ns,
        file="latency-p99",
        quantile=0.99,
    ),
)
THROUGHPUT, P50, P99 = METRICS
P90 = latency("p90", "Latency, p90", "p90", lambda row: row.p90_ns, quantile=0.9)
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
    latency("max", "Latency, the longest", "longest", lambda row: row.max_ns),
    CPU,
)
