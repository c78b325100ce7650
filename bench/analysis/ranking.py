"""Who is ahead of whom, as far as the rounds can tell: comparisons, tiers, and the control.

A family of comparisons is all pairs of strategies under one workload, way of connecting and
number of connections; at most one family in twenty has a false claim in it.

A tier ends only where everybody above is clearly ahead of everybody below. So two strategies that
cannot be told apart always share one, and «no clear difference» is a result like any other.

Whatever the figures are, those who serve every client and answer nearly all requests come first.
Behind all of their tiers is one of those who fall short, and behind that one of those who serve
nobody: how fast they are to whom they serve puts nobody in order.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.bounded import Figures, compare_rounds, held
from calcbench.bench.analysis.inference import Comparison, adjust, enough_rounds
from calcbench.bench.analysis.metrics import P50, P90, P99, THROUGHPUT, Metric
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.judgements import UNRANKED

Contests = dict[tuple[str, str], Comparison]


@dataclass(frozen=True)
class Control:
    """What an A/A control gave under its *condition*: *comparison* of a strategy against itself."""

    condition: Condition
    comparison: Comparison


def leading(rows: Iterable[Row]) -> Metric:
    """Return what *rows* are ranked by: throughput, or p99 where the load nearly sets the rate.

    Where so little was asked that no p99 is known, it is p90, or else p50; a control has no say.
    """
    rows = list(rows)
    rows = [row for row in rows if not row.condition.is_control] or rows
    if not any(row.offered_per_s or row.think_s for row in rows):
        return THROUGHPUT
    known = (metric for metric in (P99, P90, P50) if any(map(metric.known, rows)))
    return next(known, P99)


def groups(rows: Iterable[Row]) -> list[list[Row]]:
    """Return *rows* in groups that differ in their strategies only: those are compared."""
    return list(group_by(rows, lambda row: row.condition, "strategy").values())


def rankable(rows: Iterable[Row]) -> list[Row]:
    """Return *rows* but for those without figures, the control, and those that say nothing.

    Of one round nobody knows what chance did, so where others of a group have more, it is not
    ranked. Nor is who has too few requests for what they are ranked by.
    """
    measured = [
        row
        for group in groups(rows)
        for metric in (leading(group),)
        for row in group
        if row.status == "ok"
        and (metric.known(row) or row.serves_nobody)
        and not row.condition.is_control
        and row.judgement not in UNRANKED
    ]
    several = {row.condition.without("strategy") for row in measured if row.rounds > 1}
    return [
        row
        for row in measured
        if row.rounds > 1 or row.condition.without("strategy") not in several
    ]


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Return those of *rows*, of one group, that are ranked by their figures.

    Of those that can be, the ones that leave clients without any response only where all do that
    answer nearly all requests; those that fail more are never.
    """
    answering = [row for row in rankable(rows) if not (row.fails or row.serves_nobody)]
    return [row for row in answering if not row.starves] or answering


def behind(rows: Iterable[Row]) -> list[list[Row]]:
    """Return those of *rows*, of one group, that come behind all who are `ranked`, in order.

    First those who fall short of serving everybody, the one that answers the largest share before
    the others, and then those who serve nobody.
    """
    rows = list(rows)
    first = {row.condition for row in ranked(rows)}
    others = [row for row in rankable(rows) if row.condition not in first]
    some = [row for row in others if not row.serves_nobody]
    some.sort(key=lambda row: (row.fails, -row.answered_ratio))
    return [found for found in (some, [row for row in others if row.serves_nobody]) if found]


def compare(one: Row, other: Row, metric: Metric, family: int = 1) -> Comparison:
    """Compare two rows of one run, round by round, where both have one that counts.

    A difference is clear only where it is also with the driver's lateness in favour of either.
    """
    (ours, ours_least), (others, others_least) = (
        (by_round(row, metric), by_round(row, metric, prompt=True)) for row in (one, other)
    )
    seen = compare_rounds(ours, others, family)
    if not (ours_least.seen and others_least.seen):
        return seen
    least = compare_rounds(ours_least, others, family)
    return held(seen, least, compare_rounds(ours, others_least, family))


def by_round(row: Row, metric: Metric, *, prompt: bool = False) -> Figures:
    """Return the figure of each round of *row*; of none where some of them have none.

    It has bounds where only a lower one is known, and where the driver hid it. Of a round in which
    nothing came all that is known is that others had more. A *prompt* one is what it would be at
    least without the driver's lateness.
    """
    values = (metric.prompt if prompt else metric.spread)(row).values
    if len(values) != len(row.counted):
        return Figures({})
    seen = dict(zip(row.counted, values, strict=True))
    least = metric.spread(row).censored or [False] * len(values)
    most = min((value for value in values if value > 0), default=math.inf)
    bounds = {
        number: (value, math.inf if censored else most)
        for (number, value), censored in zip(seen.items(), least, strict=True)
        if censored or not value
    }
    if metric.hidden:
        bounds |= dict.fromkeys(row.limited, (0.0, math.inf))
    return Figures(seen, bounds, metric.edge_ratio(row))


def contests(rows: Sequence[Row], metric: Metric | None = None) -> Contests:
    """Compare each of *rows*, of one group, with each other; adjusted for how many that are.

    Every pair is in the result both ways.
    """
    metric = metric or leading(rows)
    pairs = list(itertools.combinations(rows, 2))
    comparisons = adjust([compare(one, other, metric, len(pairs)) for one, other in pairs])
    found: Contests = {}
    for (one, other), comparison in zip(pairs, comparisons, strict=True):
        found[one.condition.strategy, other.condition.strategy] = comparison
        found[other.condition.strategy, one.condition.strategy] = turned(comparison)
    return found


def turned(comparison: Comparison) -> Comparison:
    """Return what *comparison* says, from the other side."""
    return dataclasses.replace(
        comparison,
        ratio=1 / comparison.ratio if comparison.ratio else float("inf"),
        low=1 / comparison.high if comparison.high else float("inf"),
        high=1 / comparison.low if comparison.low else float("inf"),
        effect=-comparison.effect,
    )


def tiers(
    rows: Sequence[Row], metric: Metric | None = None, comparisons: Contests | None = None
) -> list[list[Row]]:
    """Return *rows*, of one group, in tiers, the best first, and the best first within each.

    *comparisons* are their `contests`, where they are known already.
    """
    metric = metric or leading(rows)
    order = sorted(rows, key=metric.median, reverse=metric.more_is_better)
    known = contests(order, metric) if comparisons is None else comparisons

    def ahead(one: Row, other: Row) -> bool:
        comparison = known[one.condition.strategy, other.condition.strategy]
        return comparison.ahead if metric.more_is_better else comparison.behind

    found: list[list[Row]] = []
    for place, row in enumerate(order):
        if all(ahead(above, below) for above in order[:place] for below in order[place:]):
            found.append([])
        found[-1].append(row)
    return found


def contenders(rows: Sequence[Row], metric: Metric, comparisons: Contests) -> list[Row]:
    """Return those of *rows*, of one group, that may be the best of them, the best median first.

    They are the first tier, but for whom another one is clearly ahead of. *comparisons* are the
    `contests` of *rows*.
    """
    first = tiers(rows, metric, comparisons)[0]

    def beaten(row: Row) -> bool:
        against = (
            comparisons[row.condition.strategy, other.condition.strategy]
            for other in first
            if other is not row
        )
        return any(one.behind if metric.more_is_better else one.ahead for one in against)

    unbeaten = [row for row in first if not beaten(row)]
    return unbeaten if len(unbeaten) > 1 else first


def comparable(rows: Iterable[Row], metric: Metric) -> list[Row]:
    """Return those of *rows*, of one group, that are ranked and have *metric* in every round."""
    return [row for row in ranked(rows) if by_round(row, metric).seen]


def numbered_tiers(
    rows: Iterable[Row], metric: Metric | None = None
) -> list[tuple[int, list[Row]]]:
    """Return the tiers of each group of *rows*, counted from 1 in each.

    They are by *metric*, or else by what leads each group; only then are those who fall short
    behind the others. One round tells nothing apart, so there is no tier where that is all that
    counts; nor where nobody answers nearly all requests.
    """
    return [
        (number, tier)
        for group in groups(rows)
        for by in (metric or leading(group),)
        if (first := comparable(group, by))
        for number, tier in enumerate(tiers(first, by) + ([] if metric else behind(group)), 1)
        if tier[0].rounds > 1  # as all of a group have, or none (see rankable)
    ]


def tier_numbers(rows: Iterable[Row], metric: Metric | None = None) -> dict[Condition, int]:
    """Return the tier of each of *rows*, of any groups, that has one, as `numbered_tiers` does."""
    return {row.condition: number for number, tier in numbered_tiers(rows, metric) for row in tier}


def controls(rows: Iterable[Row]) -> list[Control]:
    """Return what each A/A control among *rows* gave; together they are one family."""
    known = {row.condition: row for row in rows}
    metric = leading(known.values())
    pairs = [
        (row, known[original])
        for row in known.values()
        if row.condition.is_control
        and (original := dataclasses.replace(row.condition, strategy=row.condition.variant))
        in known
        and row.status == known[original].status == "ok"
        and not (row.serves_nobody or known[original].serves_nobody)
        and not {row.judgement, known[original].judgement} & set(UNRANKED)
    ]
    comparisons = adjust([compare(again, first, metric, len(pairs)) for again, first in pairs])
    return [
        Control(first.condition, comparison)
        for (_, first), comparison in zip(pairs, comparisons, strict=True)
    ]


def without_controls(summary: Summary) -> Summary:
    """Return *summary* without the rows that only show what chance does."""
    rows = tuple(row for row in summary.rows if not row.condition.is_control)
    return dataclasses.replace(summary, rows=rows)


def rounds_to_tell(rows: Sequence[Row]) -> int:
    """Return from how many rounds on the exact test can tell all of *rows* apart."""
    return enough_rounds(max(len(rows) * (len(rows) - 1) // 2, 1))
