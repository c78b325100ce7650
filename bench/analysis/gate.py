"""What comes of thresholds, for the rows of one result and for the changes between two."""

import math
from collections.abc import Sequence

from calcbench.bench.analysis.bounded import REACH
from calcbench.bench.analysis.compare import (
    Pair,
    compare_rows,
    doubt_of,
    in_result,
    serves_nobody,
    where_of,
)
from calcbench.bench.analysis.metrics import unserved
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.analysis.thresholds import (
    BROKEN,
    CANNOT_TELL,
    HELD,
    Judged,
    Threshold,
    too_few,
)
from calcbench.bench.units import format_count

WHOLE = "the whole comparison"  # where a threshold is judged that is about all of it


def judge_all(
    thresholds: Sequence[Threshold],
    pairs: Sequence[Pair],
    second: Summary,
    missing: Sequence[str],
    losses: Sequence[str] = (),
) -> list[Judged]:
    """Return what comes of each of *thresholds*.

    One of a change looks at all *pairs*, one of a figure at all rows of the *second* result. Of
    what is *missing* there neither can tell, nor of a comparison with *losses* as a whole.
    """
    judged: list[Judged] = []
    for threshold in thresholds:
        if threshold.relative:
            judged += [judge_change(threshold, pair) for pair in pairs]
        else:
            judged += judge_rows([threshold], second, "B")
    unknown = [*((WHOLE, loss) for loss in losses), *((where, "not in B") for where in missing)]
    return judged + [
        Judged(threshold, where, CANNOT_TELL, why)
        for threshold in thresholds
        for where, why in unknown
    ]


def judge_rows(thresholds: Sequence[Threshold], summary: Summary, label: str = "") -> list[Judged]:
    """Return what comes of each of *thresholds*, none of a change, for each row of *summary*.

    *label* is what the result is called, if there is another one.
    """
    rows = [row for row in summary.rows if not row.condition.is_control]
    return [judge_row(threshold, row, label) for threshold in thresholds for row in rows]


def judge_change(threshold: Threshold, pair: Pair) -> Judged:
    """Return what comes of *threshold* for the change from one of *pair* to the other."""
    metric, where = threshold.metric, pair.where
    works = pair.first.status == "ok" and not serves_nobody(pair.first, "A")
    if works and (reason := serves_nobody(pair.second, "B")):
        return Judged(threshold, where, BROKEN, reason)
    comparison = compare_rows(pair, metric, 1)
    if doubt := pair.doubt(metric):
        known = metric.at_worst(pair.second, (comparison.low, comparison.high))
        judged = threshold.judged(where, comparison.ratio, known)
        if judged.status == BROKEN and not doubt_of(pair.first, metric, "A"):
            return judged
        return Judged(threshold, where, CANNOT_TELL, doubt)
    if not comparison.known:
        rounds = min(metric.spread(row).rounds for row in (pair.first, pair.second))
        reason = too_few(rounds) if rounds else metric.why_unknown
        return Judged(threshold, where, CANNOT_TELL, reason)
    judged = threshold.judged(where, comparison.ratio, (comparison.low, comparison.high))
    return beside_shortfall(pair.second, judged, "B")


def judge_row(threshold: Threshold, row: Row, label: str) -> Judged:
    """Return what comes of *threshold* for *row* of the result *label*.

    A request that failed has failed, who waited has waited, and who was not served was not,
    whatever is thought of the round; that no more did can be told only of a round that counts.
    """
    metric, where = threshold.metric, where_of(row.condition)
    if reason := serves_nobody(row, label):
        return Judged(threshold, where, BROKEN, reason)
    spread, reason = metric.spread(row), doubt_of(row, metric, label)
    low, high = (end * metric.scale for end in spread.interval or (0, math.inf))
    if least := metric.prompt(row).interval:  # without the driver's lateness
        low = min(low, least[0] * metric.scale)
    slack = math.exp(REACH * metric.edge_ratio(row))
    interval = low / slack, high * slack
    if reason and not metric.counts_failures:
        interval = metric.at_worst(row, interval)
    judged = threshold.judged(where, metric.median(row), interval)
    if reason and judged.status != BROKEN:
        return Judged(threshold, where, CANNOT_TELL, reason)
    if spread.interval is None:
        reason = too_few(spread.rounds) if spread.rounds else metric.why_unknown
        return Judged(threshold, where, CANNOT_TELL, reason)
    if metric.counts_failures and judged.status == CANNOT_TELL:
        reason = f"{row.unsent:,} timed out because the driver sent them too late"
        return Judged(threshold, where, CANNOT_TELL, reason + in_result(label))
    return beside_shortfall(row, judged, label)


def beside_shortfall(row: Row, judged: Judged, label: str) -> Judged:
    """Return what was *judged* of *row*, of the result *label*, in view of how it falls short.

    Other figures hold nothing where too many of the requests were not answered, or some clients
    were not served: they are those of the rest.
    """
    if judged.threshold.metric.counts_failures or judged.status != HELD or not row.falls_short:
        return judged
    return Judged(judged.threshold, judged.where, CANNOT_TELL, shortfall(row, label))


def shortfall(row: Row, label: str) -> str:
    """Say how *row*, of the result *label*, falls short of serving everybody."""
    if reason := serves_nobody(row, label):
        return reason
    failed, total, left = row.own_outcomes.failed, row.all_outcomes.total, unserved(row)
    if row.fails:
        return f"{failed:,} of {format_count(total, 'request')} failed{in_result(label)}"
    return f"{left:,} of {row.condition.connections:,} clients were not served{in_result(label)}"
