"""What stands in each cell of a table."""

import math
from collections.abc import Sequence

from calcbench.bench.analysis.metrics import P50, P99
from calcbench.bench.analysis.ranking import rankable, tier_numbers
from calcbench.bench.analysis.spread import Spread, reach_of
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.condition import Condition
from calcbench.bench.units import format_number, format_share
from calcbench.bench.views.lateness import show_latency
from calcbench.bench.views.legend import CONTROL, NO_TIER
from calcbench.bench.views.wording import mark, percent_of, served

CPU_TIER = "CPU tier"
HEADINGS = (
    "clients",
    "strategy",
    "tier",
    "req/s",
    "±",
    "p50 ms",
    "p99 ms",
    "CPU µs/req",
    CPU_TIER,
    "served",
    "errors",
)
LEAST_SHARE = 1e-4  # of a median, that its interval is wide: rounds that agree are still rounds


def cells_of_row(row: Row, tier: str, cpu_tier: int | None, *, lost: bool) -> list[str]:
    """Return the cells of *row*, with what stands for its *tier*, and its *cpu_tier*, if any.

    It is *lost* where no load could be made, as when the driver was killed.
    """
    start = [f"{row.condition.connections:,}", row.condition.strategy, tier]
    if row.status != "ok":
        return [*start, "not measured" if lost else row.status, *[""] * (len(HEADINGS) - 4)]
    return [
        *start,
        mark(row) + format_number(float(row.throughput.median)),
        show_spread(row.throughput, row.edge_ratio),
        show_latency(row, P50),
        show_latency(row, P99),
        show_cpu(row.cpu_us_per_request),
        str(cpu_tier or ""),
        served(row),
        percent_of(row.all_outcomes.failed_ratio) if row.all_outcomes.failed else "0",
    ]


def show_tiers(rows: Sequence[Row]) -> dict[Condition, str]:
    """Return what stands for the tier of each of *rows*; nothing where one round is all there is.

    Of those that are not ranked it is `NO_TIER`, also where only one round counts, and more do of
    others.
    """
    numbers = tier_numbers(rows)
    known = {row.condition for row in rankable(rows)}

    def show(row: Row) -> str:
        if row.status != "ok":
            return ""
        if row.rounds < 2:
            return "" if row.condition in known or row.condition.is_control else NO_TIER
        if row.condition.is_control:
            return CONTROL
        tier = numbers.get(row.condition)
        return str(tier) if tier else NO_TIER

    return {row.condition: show(row) for row in rows}


def show_cpu(spread: Spread) -> str:
    """Return the median of CPU times, or nothing: somebody else's server is not watched."""
    return format_number(float(spread.median)) if spread.rounds else ""


def show_spread(spread: Spread, edge_ratio: float = 0) -> str:
    """Return how far from the shown median the real one may lie, in percent.

    By the rounds, and by the *edge_ratio* of a row; with a minus where nobody knows how much more
    it may be. Empty where the rounds are too few to know.
    """
    if not spread.interval or not spread.median:
        return ""
    furthest = reach_of(spread, edge_ratio)
    sign = "−" if math.isinf(spread.interval[1]) else ""
    return sign + (format_share(max(furthest, LEAST_SHARE)) if furthest < 0.995 else ">99%")
