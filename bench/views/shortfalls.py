"""What a result says of whom the driver limited, who failed requests, and who served nobody."""

from collections.abc import Iterable, Iterator, Sequence

from calcbench.bench.analysis.summary import Row
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
        parts.append("answer{0} nearly every request")
    return " and ".join(parts)


def none_answers(rows: Sequence[Row]) -> str:
    """Return that none of *rows* answers nearly all of its requests, and how many each does."""
    who = "nobody" if len(rows) > 1 else name(rows[0])
    if all(row.serves_nobody for row in rows):
        return f"{who} served any client" if len(rows) > 1 else f"{who} served no client"
    if len(rows) == 1:
        return f"{who} {answering(rows[0])}"
    shares = [
        f"{name(row)} {answered(row)}" for row in sorted(rows, key=lambda r: -r.answered_ratio)
    ]
    return f"{who} answers nearly every request ({', '.join(shares)})"


def answering(row: Row) -> str:
    """Return what *row* did with its requests; that it served nobody in a round says most."""
    if row.unserved:
        return f"served nobody in {rounds_in_words(row.unserved)}"
    return f"answered {answered(row)} of its requests"


def limits(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on whom the driver limited, if anybody, and on what would tell more."""
    hidden = [row for row in rows if row.status == "ok" and row.limited]
    found = [
        f"{enumerate_names(list(dict.fromkeys(name(row) for row in members)))} under {workload}"
        for workload, members in by_workload(row for row in hidden if not row.condition.is_control)
    ]
    if not found:
        return []
    who = enumerate_names(found)
    more = "--drivers 2, or a workload that costs the server more, would tell"
    if all(0 < row.driver_share < COMPUTING for row in hidden):
        more = "a core for the driver that no other program uses would tell"
    return [f"The driver was the limit of {who}, which may be faster than was seen: {more}."]


def by_workload(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield each workload of *rows*, and which they are."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.condition.workload, []).append(row)
    yield from found.items()


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on the strategies that failed too many requests, and on who served nobody.

    They come after all others, whatever else their figures say.
    """
    known = [row for row in rows if row.status == "ok" and not row.condition.is_control]
    found = []
    if failing := [row for row in known if row.fails and not row.serves_nobody]:
        shares = [
            f"{name(row)} {answering(row)} under {row.condition.workload}"
            + (f" ({count_failures(row.all_outcomes)})" if row.all_outcomes.failed else "")
            for row in failing
        ]
        found.append(f"{enumerate_names(shares)}: behind all that answer nearly every request.")
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
        f"with {name(row)} under {row.condition.workload} {describe_failures(row.all_outcomes)}"
        for row in rows
        if row.all_outcomes.failed
        and not row.condition.is_control
        and not (row.status == "ok" and (row.fails or row.serves_nobody))
    ]
    return [f"Failed: {'; '.join(found)}."] if found else []


def name(row: Row) -> str:
    """Return the label of the strategy of *row*."""
    return row.condition.strategy
