"""What changed between two results, as far as the rounds can tell.

The two were measured at different times, so no round of one has a partner in the other, and what
else changed on the machine in between is in the difference as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.bounded import REACH, held, one_sided
from calcbench.bench.analysis.inference import Comparison, adjust, compare_apart
from calcbench.bench.analysis.metrics import FIGURES, Metric
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.judgements import UNRANKED
from calcbench.bench.units import format_share
from calcbench.core.errors import UsageError


def where_of(at: Condition) -> str:
    """Name the condition *at* in one line."""
    return f"{at.strategy}, {at.workload}, {at.reuse}, {at.connections:,}"


def in_result(label: str) -> str:
    """Return in which result something is, where there are two and so they have a *label*."""
    return f" in {label}" if label else ""


def doubt_of(row: Row, metric: Metric, label: str) -> str:
    """Return why nothing can be told of *metric* of *row*, in the result *label*, or nothing.

    Of a server that falls behind what an open loop offers, response times grow for as long as it is
    measured.
    """
    where = in_result(label)
    if row.status != "ok":
        return row.status + where
    if row.serves_nobody:
        return serves_nobody(row, label)
    if metric.hidden and row.limited:  # left of it are the rounds in which it was slow
        return "driver-bound" + (" in some rounds" * (len(row.limited) < row.rounds)) + where
    if row.judgement in UNRANKED:
        return row.judgement + where
    return "overloaded" + where if row.overloaded and metric.quantile else ""


def serves_nobody(row: Row, label: str) -> str:
    """Say in how many rounds *row*, of the result *label*, served nobody; nothing where in none."""
    if not row.unserved and not row.serves_nobody:
        return ""
    some = "" if row.serves_nobody else f" in {len(row.unserved):,} of {row.rounds:,} rounds"
    return f"serves nobody{some}{in_result(label)}"


@dataclass(frozen=True)
class Pair:
    """The rows of one condition in two results."""

    first: Row
    second: Row

    @property
    def where(self) -> str:
        """Name the condition in one line."""
        return where_of(self.second.condition)

    def doubt(self, metric: Metric) -> str:
        """Say why nothing can be told of *metric* of the two, or nothing."""
        return doubt_of(self.first, metric, "A") or doubt_of(self.second, metric, "B")


@dataclass(frozen=True)
class Change:
    """How *metric* changed between the two of *pair*; *comparison* has the ratio of B to A."""

    pair: Pair
    metric: Metric
    comparison: Comparison

    @property
    def verdict(self) -> str:
        """Say whether B is better, in words; and where nobody knows, what would have been seen."""
        if doubt := self.pair.doubt(self.metric):
            return doubt
        rows = self.pair.first, self.pair.second
        if not self.comparison.clear and any(self.metric.spread(row).censored for row in rows):
            return "cannot tell: only lower bounds are known"
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


def unpaired(summary: Summary, pairs: Sequence[Pair]) -> list[str]:
    """Return the conditions of one of two results that none of their *pairs* has, in words."""
    found = {row.condition for pair in pairs for row in (pair.first, pair.second)}
    return [
        where_of(row.condition)
        for row in summary.rows
        if not row.condition.is_control and row.condition not in found
    ]


def compare_all(pairs: Sequence[Pair]) -> list[Change]:
    """Compare *pairs* by every metric; the comparisons of one metric are one family."""
    changes = []
    for metric in FIGURES:
        sound = [index for index, pair in enumerate(pairs) if not pair.doubt(metric)]
        comparisons = [compare_pair(pair, metric, len(sound)) for pair in pairs]
        for index, adjusted in zip(sound, adjust([comparisons[at] for at in sound]), strict=True):
            comparisons[index] = adjusted
        changes += [
            Change(pair, metric, one)
            for pair, one in zip(pairs, comparisons, strict=True)
            # Of somebody else's server nobody knows the CPU time.
            if pair.doubt(metric)
            or metric.spread(pair.first).rounds
            or metric.spread(pair.second).rounds
        ]
    places = {id(pair): place for place, pair in enumerate(pairs)}
    return sorted(changes, key=lambda change: places[id(change.pair)])


def compare_pair(pair: Pair, metric: Metric, family: int) -> Comparison:
    """Compare the two of *pair* by *metric*; nothing is told where they say nothing."""
    return Comparison() if pair.doubt(metric) else compare_rows(pair, metric, family)


def compare_rows(pair: Pair, metric: Metric, family: int) -> Comparison:
    """Compare the two of *pair* by *metric*, whatever is thought of them.

    A difference is clear only where it is for the least and for the most that either may be.
    """
    (least_first, first), (least_second, second) = (
        metric.ends(row) for row in (pair.first, pair.second)
    )
    slack = REACH * math.hypot(*map(metric.edge_ratio, (pair.first, pair.second)))
    found = compare_apart(second, first, family)
    if found.known:
        least = [value * math.exp(-slack) for value in least_second]
        most = [value * math.exp(slack) for value in second]
        found = held(
            found, compare_apart(least, first, family), compare_apart(most, least_first, family)
        )
    return one_sided(
        found,
        ours=any(metric.spread(pair.second).censored),
        others=any(metric.spread(pair.first).censored),
    )
