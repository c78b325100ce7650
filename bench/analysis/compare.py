"""What changed between two results, as far as the rounds can tell.

The two were measured at different times, so no round of one has a partner in the other, and what
else changed on the machine in between is in the difference as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.inference import Comparison, adjust, compare_apart
from calcbench.bench.analysis.metrics import FIGURES, Metric
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.analysis.thresholds import CANNOT_TELL, Judged, Threshold, too_few
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.judgements import UNRANKED
from calcbench.bench.units import format_share
from calcbench.core.errors import UsageError


def where_of(at: Condition) -> str:
    """Name the condition *at* in one line."""
    return f"{at.strategy}, {at.workload}, {at.reuse}, {at.connections:,}"


def doubt_of(row: Row, label: str) -> str:
    """Return why nothing can be told of *row*, of the result *label*, or nothing."""
    if row.status != "ok":
        return f"{row.status} in {label}"
    return f"{row.judgement} in {label}" if row.judgement in UNRANKED else ""


@dataclass(frozen=True)
class Pair:
    """The rows of one condition in two results."""

    first: Row
    second: Row

    @property
    def where(self) -> str:
        """Name the condition in one line."""
        return where_of(self.second.condition)

    @property
    def failure_reason(self) -> str:
        """Say why nothing can be told of the two, or nothing."""
        return doubt_of(self.first, "A") or doubt_of(self.second, "B")


@dataclass(frozen=True)
class Change:
    """How *metric* changed between the two of *pair*; *comparison* has the ratio of B to A."""

    pair: Pair
    metric: Metric
    comparison: Comparison

    @property
    def verdict(self) -> str:
        """Say whether B is better, in words; and where nobody knows, what would have been seen."""
        if self.pair.failure_reason:
            return self.pair.failure_reason
        if self.comparison.clear:
            return (
                "better" if (self.comparison.ratio > 1) == self.metric.more_is_better else "worse"
            )
        unknown = [row for row in (self.pair.first, self.pair.second) if not self.metric.known(row)]
        if unknown:
            return f"cannot tell: {self.metric.why_unknown}"
        if self.comparison.too_few:
            return f"cannot tell: {few_rounds(self.comparison.rounds)}"
        seen = self.comparison.detectable - 1
        shown = f" ({format_share(seen)} would show)" if 0 < seen < 10 else ""
        return f"no clear difference{shown}"


def few_rounds(rounds: int) -> str:
    """Say how many rounds of the result with fewer of them count."""
    if not rounds:
        return "no round that counts"
    return f"only {rounds} {'round counts' if rounds == 1 else 'rounds count'}"


def matched(first: Summary, second: Summary) -> list[Pair]:
    """Return the conditions that both were measured under, in the order of the second.

    Two results of one strategy each are compared whatever their strategies are called. Raises
    UsageError when nothing is common.
    """
    ours, theirs = (
        [row for row in summary.rows if not row.condition.is_control] for summary in (first, second)
    )
    names = [{row.condition.strategy for row in rows} for rows in (ours, theirs)]
    alone = all(len(found) == 1 for found in names)
    apart = ("strategy",) if alone else ()
    known = {row.condition.without(*apart): row for row in ours}
    pairs = [
        Pair(known[at], row) for row in theirs if (at := row.condition.without(*apart)) in known
    ]
    if not pairs:
        raise UsageError(
            f"{first.run} and {second.run} have nothing in common: no strategy, workload, way of"
            " connecting and number of connections is in both"
        )
    return pairs


def lacking(first: Summary, pairs: Sequence[Pair]) -> list[str]:
    """Return the conditions of the *first* result that none of *pairs* has, in words."""
    found = {pair.first.condition for pair in pairs}
    return [
        where_of(row.condition)
        for row in first.rows
        if not row.condition.is_control and row.condition not in found
    ]


def compare_all(pairs: Sequence[Pair]) -> list[Change]:
    """Compare *pairs* by every metric; the comparisons of one metric are one family."""
    changes = []
    for metric in FIGURES:
        family = sum(not pair.failure_reason for pair in pairs)
        comparisons = [compare_pair(pair, metric, family) for pair in pairs]
        sound = [index for index, pair in enumerate(pairs) if not pair.failure_reason]
        for index, adjusted in zip(sound, adjust([comparisons[at] for at in sound]), strict=True):
            comparisons[index] = adjusted
        changes += [
            Change(pair, metric, one)
            for pair, one in zip(pairs, comparisons, strict=True)
            # Of somebody else's server nobody knows the CPU time.
            if pair.failure_reason
            or metric.spread(pair.first).rounds
            or metric.spread(pair.second).rounds
        ]
    places = {id(pair): place for place, pair in enumerate(pairs)}
    return sorted(changes, key=lambda change: places[id(change.pair)])


def compare_pair(pair: Pair, metric: Metric, family: int) -> Comparison:
    """Compare the two of *pair* by *metric*; nothing is told where they say nothing."""
    if pair.failure_reason:
        return Comparison()
    return compare_apart(
        metric.spread(pair.second).values, metric.spread(pair.first).values, family
    )


def judge_all(
    thresholds: Sequence[Threshold], pairs: Sequence[Pair], second: Summary, missing: Sequence[str]
) -> list[Judged]:
    """Return what comes of each of *thresholds*.

    One of a change looks at all *pairs*, one of a figure at all rows of the *second* result; of
    what is *missing* there neither can tell.
    """
    rows = [row for row in second.rows if not row.condition.is_control]
    judged: list[Judged] = []
    for threshold in thresholds:
        if threshold.relative:
            judged += [judge_change(threshold, pair) for pair in pairs]
        else:
            judged += [judge_row(threshold, row) for row in rows]
    return judged + [
        Judged(threshold, where, CANNOT_TELL, "not in B")
        for threshold in thresholds
        for where in missing
    ]


def judge_change(threshold: Threshold, pair: Pair) -> Judged:
    """Return what comes of *threshold* for the change from one of *pair* to the other."""
    metric, where = threshold.metric, pair.where
    if pair.failure_reason:
        return Judged(threshold, where, CANNOT_TELL, pair.failure_reason)
    comparison = compare_pair(pair, metric, 1)
    if not comparison.known:
        rounds = min(metric.spread(row).rounds for row in (pair.first, pair.second))
        reason = too_few(rounds) if rounds else metric.why_unknown
        return Judged(threshold, where, CANNOT_TELL, reason)
    return threshold.judged(where, comparison.ratio, (comparison.low, comparison.high))


def judge_row(threshold: Threshold, row: Row) -> Judged:
    """Return what comes of *threshold* for *row* of the second result."""
    metric, where = threshold.metric, where_of(row.condition)
    spread = metric.spread(row)
    if reason := doubt_of(row, "B"):
        return Judged(threshold, where, CANNOT_TELL, reason)
    if spread.interval is None:
        reason = too_few(spread.rounds) if spread.rounds else metric.why_unknown
        return Judged(threshold, where, CANNOT_TELL, reason)
    low, high = (end * metric.scale for end in spread.interval)
    return threshold.judged(where, metric.median(row), (low, high))
