"""What stands below a table: parts of a response time, what background clients met, fairness."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from calcbench.bench.analysis.quantiles import are_enough
from calcbench.bench.analysis.spread import Spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import WrkFigures
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.units import (
    format_count,
    format_ns,
    format_number,
    format_rate,
    format_seconds,
    plural,
)
from calcbench.bench.views.interleaving import window_remarks
from calcbench.bench.views.wording import describe_failures

Number = TypeVar("Number", int, float)

PAUSED = 0.01  # of the clients' time: below it no figure that is shown changes by their pauses
IDLE = "idle"  # the behaviour of clients that ask nothing
LONGER, SHORT_NS = 1.1, 50_000_000  # a warm-up that ends later than this is worth a remark
# What a background client has met, as a sentence says it; whatever else is counted is an outcome.
MET = {
    "connections": ("connection", ""),
    "asked": ("request", ""),
    "ok": ("right response", ""),
    "wrong": ("wrong response", ""),
    "http_error": ("error response", ""),
    "closed": ("time", " closed by the server"),
    "reset": ("time", " reset by the server"),
    "refused": ("time", " refused"),
    "resets": ("reset", ""),
}


def remarks(rows: Sequence[Row], run: Run) -> list[str]:
    """Return what is to be said of *rows*, all of one table of *run*."""
    conditions = {row.condition for row in rows}
    shown = [measurement for measurement in run.measurements if measurement.condition in conditions]
    return [
        *failed_remarks(rows),
        *schedule_remarks(rows, run.plan, shown),
        *unopened_remarks(shown),
        *warmup_remarks(shown, run.plan),
        *pause_remarks(shown),
        *window_remarks(rows, run),
        *background_remarks(shown),
        *wrk_remarks(shown),
        *folded_remark(shown),
        *printed_remarks(shown),
        *fairness(rows),
    ]


def failed_remarks(rows: Iterable[Row]) -> list[str]:
    """Say of whom requests failed, which part of all, and in which way."""
    return [
        f"failed with {row.condition.strategy} at {row.condition.connections:,}:"
        f" {describe_failures(row)}"
        for row in rows
        if row.all_outcomes.failed
    ]


def schedule_remarks(
    rows: Sequence[Row], plan: Plan, measurements: Iterable[Measurement]
) -> list[str]:
    """Say what was offered, what the response times are made up of, and over how many connections.

    That is of an open loop; of users who think, from when their response times count.
    """
    offered = [row for row in rows if row.status == "ok" and row.offered_per_s]
    if any(row.status == "ok" and row.think_s for row in rows):
        return [f"closed loop, {plan.thinking} thinks: latencies count from the end of a think"]
    if not offered:
        return []
    rate = format_rate(offered[0].offered_per_s)
    how = f"open loop, {rate} offered, {plan.arrivals} arrivals"
    found = [f"{how}: latencies count from when a request was due"]
    used = connections_used(measurements)
    for row in offered:
        name = f"{row.condition.strategy} at {row.condition.connections:,}"
        found.append(
            f"{name}: service time {two_quantiles(row.service_p50_ns, row.service_p99_ns)};"
            f" dispatch delay {two_quantiles(row.dispatch_p50_ns, row.dispatch_p99_ns)}"
            f"{used.get(row.condition, '')}"
        )
    return found


def connections_used(measurements: Iterable[Measurement]) -> dict[Condition, str]:
    """Say, as the end of a sentence, how many connections carried a request in any round, at least.

    Older results do not know it.
    """
    used: dict[Condition, int] = {}
    for one in measurements:
        count = one.evidence.connections_used
        if one.status == "ok" and count is not None:
            used[one.condition] = min(used.get(one.condition, count), count)
    return {
        at: f"; {count:,} of {format_count(at.connections, 'connection')} carried a request"
        for at, count in used.items()
    }


def unopened_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say how many connections could not be opened before the load, in the worst round."""
    unopened = worst(measurements, lambda one: one.evidence.connections_unopened or 0)
    return [
        f"{at.strategy} at {at.connections:,}: {format_count(count, 'connection')} could not be"
        " opened before the load began"
        for at, count in unopened.items()
    ]


def pause_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say whose clients spent much of their time in pauses after failures, in the worst round."""
    paused = worst(measurements, lambda one: one.evidence.pause_ratio or 0)
    return [
        f"{at.strategy} at {at.connections:,}: clients that failed several times in a row waited"
        f" before they connected again, {share:.0%} of the time of all clients"
        for at, share in paused.items()
        if share >= PAUSED
    ]


def warmup_remarks(measurements: Iterable[Measurement], plan: Plan) -> list[str]:
    """Say which open loops warmed up for much longer than *plan* says, as they had to."""
    longest = worst(measurements, lambda one: one.warmup_ns if one.offered_per_s else 0)
    return [
        f"{at.strategy} at {at.connections:,} warmed up for {format_ns(ns)} in place of"
        f" {format_seconds(plan.warmup_s)}: the load had not settled before"
        for at, ns in longest.items()
        if ns > LONGER * plan.warmup_s * 1e9 + SHORT_NS
    ]


def worst(
    measurements: Iterable[Measurement], figure: Callable[[Measurement], Number]
) -> dict[Condition, Number]:
    """Return the largest *figure* of any of *measurements* of each condition, where it is not 0."""
    found: dict[Condition, Number] = {}
    for one in measurements:
        if (value := figure(one)) > found.get(one.condition, 0):
            found[one.condition] = value
    return found


def two_quantiles(p50: Spread, p99: Spread) -> str:
    """Return those of two quantiles that are known, in milliseconds."""
    known = [
        f"{name} {'> ' if one.at_least else ''}{format_number(one.median / 1e6)} ms"
        for name, one in (("p50", p50), ("p99", p99))
        if one.rounds
    ]
    return ", ".join(known) or "unknown"


def background_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say what the clients who are not measured have met, for each condition, all rounds added."""
    met: dict[tuple[Condition, str], Counter[str]] = {}
    for measurement in measurements:
        for name, counts in measurement.evidence.background_clients.items():
            total = met.setdefault((measurement.condition, name), Counter())
            total.update({what: count for what, count in counts.items() if what != "clients"})
            total["clients"] = counts.get("clients", 0)
    return [
        f"with {at.strategy} at {at.connections:,}, {at.workload}: {counts['clients']:,} {name}"
        f" {plural(counts['clients'], 'client')}{describe_counts(name, counts)}"
        for (at, name), counts in met.items()
    ]


def describe_counts(behaviour: str, counts: Mapping[str, int]) -> str:
    """Return what *counts* say of clients of this *behaviour*; silent ones may count nothing."""
    parts = [
        format_count(counts[what], noun) + how
        for what, (noun, how) in MET.items()
        if counts.get(what)
    ]
    if parts:
        return f": {', '.join(parts)}"
    return " stayed connected" if behaviour == IDLE else ": no request ended"


def wrk_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say what wrk saw of the same server right after each measurement that it was asked about."""
    return [
        f"wrk, after {m.condition.strategy} at {m.condition.connections:,}, round {m.round:,}:"
        f" {format_rate(seen.per_s)}, {wrk_latencies(seen, m.elapsed_ns)}"
        f"{format_count(seen.errors, 'error')};"
        f" our driver: {format_rate(m.right_responses * 1e9 / m.elapsed_ns)}"
        for m in measurements
        if (seen := m.evidence.wrk)
    ]


def wrk_latencies(seen: WrkFigures, elapsed_ns: int) -> str:
    """Return the quantiles that wrk saw, with a comma behind each.

    It has none of no response, and of few, in about *elapsed_ns*, a p99 says nothing.
    """
    count = round(seen.per_s * elapsed_ns / 1e9)
    quantiles = (("p50", seen.p50_ns, 0.5), ("p99", seen.p99_ns, 0.99))
    return "".join(
        f"{name} {format_number(ns / 1e6)} ms, "
        for name, ns, q in quantiles
        if ns and are_enough(count, q)
    )


def folded_remark(measurements: Iterable[Measurement]) -> list[str]:
    """Say that histograms stand for samples, where they do."""
    if any(measurement.evidence.histograms for measurement in measurements):
        return [
            "too many samples to keep: quantiles come from histograms with 3 significant digits"
        ]
    return []


def printed_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say which servers have printed something, and its first line; that is no failure."""
    first: dict[str, str] = {}
    for measurement in measurements:
        if measurement.printed:
            line = measurement.printed.partition("\n")[0]
            first.setdefault(measurement.condition.strategy, line)
    return [f"{strategy} printed: {line}" for strategy, line in first.items()]


def fairness(rows: Sequence[Row]) -> list[str]:
    """Say how evenly the most clients of *rows* were served, and how evenly workers served them."""
    most = max((row.condition.connections for row in rows if row.status == "ok"), default=0)
    served = [
        row
        for row in rows
        if row.status == "ok" and row.condition.connections == most and not row.serves_nobody
    ]
    if most < 2:
        return []
    found = []
    for whom, fared in (
        ("clients", {row.condition.strategy: row.client_fairness for row in served}),
        ("workers", {row.condition.strategy: row.worker_fairness for row in served}),
    ):
        shares = [f"{name} {one.median:.2f}" for name, one in fared.items() if one.rounds]
        if shares:
            found.append(
                f"fairness over {whom} at {most:,} (Jain's index; 1: all got the same):"
                f" {', '.join(shares)}"
            )
    return found
