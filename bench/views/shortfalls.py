"""What a result says of whom the driver limited, who failed requests, and who served nobody."""

from collections.abc import Iterable, Iterator, Sequence

from calcbench.bench.analysis.metrics import THROUGHPUT
from calcbench.bench.analysis.ranking import groups, rankable, ranked
from calcbench.bench.analysis.summary import Row
from calcbench.bench.units import format_rate
from calcbench.bench.views.wording import (
    answered,
    count_failures,
    describe_failures,
    enumerate_names,
    rounds_in_words,
)

# Of its core: a driver at its limit that computes for less of the time has waited for the core.
COMPUTING = 0.65


def serving_words(rows: Sequence[Row], fair: Sequence[Row]) -> str:
    """Return what the *fair* ones of *rows* do and the others do not; nothing where all do.

    With a place for the ending of the verbs.
    """
    others = [row for row in rows if row not in fair]
    parts = ["serve{0} every client"] * any(row.starves for row in others)
    if any(row.fails and not row.starves for row in others):
        parts.append("give{0} nearly every request a right response")
    return " and ".join(parts)


def none_answers(rows: Sequence[Row]) -> str:
    """Return that none of *rows* gives nearly all requests a right response, and how many do."""
    who = "nobody" if len(rows) > 1 else name(rows[0])
    if all(row.serves_nobody for row in rows):
        return f"{who} served any client" if len(rows) > 1 else f"{who} served no client"
    if len(rows) == 1:
        return f"{who} {answering(rows[0])}"
    shares = [
        f"{name(row)} {answered(row)}" for row in sorted(rows, key=lambda r: -r.answered_ratio)
    ]
    return f"{who} gives nearly every request a right response ({', '.join(shares)})"


def answering(row: Row) -> str:
    """Return what *row* did with its requests; that it served nobody in a round says most."""
    if row.unserved:
        return f"served nobody in {rounds_in_words(row.unserved)}"
    return f"gave a right response to {answered(row)} of its requests"


def limits(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on whom the driver limited, if anybody, and on what would tell more."""
    hidden = [row for row in rows if row.status == "ok" and row.limited]
    found = [
        f"of {enumerate_names(list(dict.fromkeys(name(row) for row in members)))} under {workload}"
        for workload, members in by_workload(row for row in hidden if not row.condition.is_control)
    ]
    if not found:
        return []
    who = "; ".join(found)
    waited = [0 < row.driver_share < COMPUTING for row in hidden]
    cures = ["more --drivers, or a workload that costs the server more,"] * (not all(waited))
    cures += ["a core for the driver that no other program uses"] * any(waited)
    more = f"{' and '.join(cures)} would tell"
    return [f"The driver was the limit {who}, so more may be possible than was seen: {more}."]


def overloads(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on those of *rows* that were offered more than they answer, if any."""
    found = [
        f"{name(row)} answers {THROUGHPUT.text(row)} of {format_rate(row.offered_per_s)} under"
        f" {row.condition.workload}"
        for row in rows
        if row.status == "ok" and row.overloaded and not row.condition.is_control
    ]
    if not found:
        return []
    told = f"Overloaded: {enumerate_names(found)}. The queue grew all the time, so response times"
    return [f"{told} say how long that was: with a longer --duration they are longer."]


def by_workload(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield each workload of *rows*, and which they are."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.condition.workload, []).append(row)
    yield from found.items()


def starvation(rows: list[Row], connections: int) -> list[str]:
    """Return a sentence on the strategies that left some client without a right response, if any.

    A client that got an error got a response, so of those no more is said than that.
    """
    starved = [
        row
        for row in rows
        if row.starves and not (row.serves_nobody or row.unserved) and not row.condition.is_control
    ]
    if not starved:
        return []
    workloads = {row.condition.workload for row in rows}
    parts: dict[str, list[str]] = {}  # under which workloads each is so
    for workload, members in by_workload(starved):
        served: dict[str, int] = {}
        for row in members:
            served[name(row)] = min(row.clients_served, served.get(name(row), connections))
        counts = [f"{strategy} served {count:,}" for strategy, count in served.items()]
        parts.setdefault(enumerate_names(counts), []).append(workload)
    told = [
        part + (f" under {enumerate_names(at)}" if len(at) < len(workloads) else "")
        for part, at in parts.items()
    ]
    what = "right response" if any(row.outcomes.failed for row in starved) else "response"
    return [f"Of {connections:,} clients {'; '.join(told)}; the others got no {what}."]


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on the strategies that failed too many requests, and on who served nobody.

    They come after all others, whatever else their figures say.
    """
    known = [row for row in rows if row.status == "ok" and not row.condition.is_control]
    found = []
    if failing := [row for row in known if row.fails and not row.serves_nobody]:
        last = [
            row
            for group in groups(known)
            if ranked(group)
            for row in rankable(group)
            if row in failing
        ]
        alone = [row for row in failing if row not in last]
        for members, what in (
            (last, ": behind all that give nearly every request one"),
            (
                [row for row in alone if not row.unserved],
                ": more requests failed than --most-failures allows",
            ),
            ([row for row in alone if row.unserved], ""),
        ):
            shares = [
                f"{name(row)} {answering(row)} under {row.condition.workload}"
                + (f" ({count_failures(row.all_outcomes)})" if row.all_outcomes.failed else "")
                for row in members
            ]
            if shares:
                found.append(f"{enumerate_names(shares)}{what}.")
    if nobody := [row for row in known if row.serves_nobody]:
        counts = [
            f"{name(row)} served 0 of {row.condition.connections:,} under {row.condition.workload}"
            + (f" ({count_failures(row.all_outcomes)})" if row.all_outcomes.failed else "")
            for row in nobody
        ]
        found.append(f"Last: {enumerate_names(counts)}.")
    return found


def failed_requests(rows: Iterable[Row]) -> list[str]:
    """Return a sentence on those of whom requests failed, if any, but for the `shortfalls`."""
    found = [
        f"with {name(row)} under {row.condition.workload} {describe_failures(row)}"
        for row in rows
        if row.all_outcomes.failed
        and not row.condition.is_control
        and not (row.status == "ok" and (row.fails or row.serves_nobody))
    ]
    return [f"Failed: {'; '.join(found)}."] if found else []


def name(row: Row) -> str:
    """Return the label of the strategy of *row*."""
    return row.condition.strategy
