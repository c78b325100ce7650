"""What a result says in words: who is ahead where, what flips, what cannot be told.

Pure functions of the summary. They claim only what `calcbench.bench.analysis.ranking` can tell
apart.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

from calcbench.bench.analysis.inference import NO_COMPARISON, Comparison
from calcbench.bench.analysis.metrics import P99, THROUGHPUT
from calcbench.bench.analysis.ranking import (
    Contests,
    Control,
    contests,
    controls,
    leading,
    rankable,
    ranked,
    rounds_to_tell,
)
from calcbench.bench.analysis.ranking import tiers as in_tiers
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.judgements import UNRANKED
from calcbench.bench.units import format_number, format_ratio
from calcbench.bench.views.wording import panels

FAILURES = {  # what happened to a row's rounds, by its status
    "ok": "Not every round counts, for {}.",
    "failed": "No round counts, for {}.",
    "unavailable": "Not measured, for it cannot run here: {}.",
}
USELESS = 20.0  # a difference that large needs no test


def verdict(summary: Summary) -> list[str]:
    """Return what a teacher can read aloud: who leads where, what flips, and who was starved.

    A sentence for each. Speaks of the highest number of connections. Claims a lead only over
    those who are clearly behind, and a flip only where both of its leads hold.
    """
    top = max((row.condition.connections for row in summary.rows), default=0)
    rows = [row for row in summary.rows if row.condition.connections == top]
    settings = group_by(rankable(rows), lambda row: row.condition, "strategy", "workload")
    sentences = ["This is only a part of the race."] if summary.partial else []
    by_workload = [
        {key.workload: found for key, found in panels(members).items()}
        for members in settings.values()
    ]
    for setting, workloads in zip(settings, by_workload, strict=True):
        leads = [f"{workload}: {leader(found)}" for workload, found in workloads.items()]
        clients = "1 connection" if top == 1 else f"{format_number(top)} connections"
        way = f" ({setting.reuse})" if len(settings) > 1 else ""
        sentences.append(f"With {clients}{way}, {'; '.join(leads)}.")
    for workloads in by_workload:
        if not any(row.offered_per_s for found in workloads.values() for row in found):
            sentences += flip(workloads)
    sentences += control_sentences(controls(summary.rows))
    sentences += unranked(rows) + starvation(rows, top) + failures(summary.rows)
    return sentences or ["Nothing was measured."]


def leader(rows: list[Row]) -> str:
    """Return who leads among *rows*, all of one workload, or that nobody clearly does."""
    metric = leading(rows)
    fair = ranked(rows)
    tiers = in_tiers(fair)
    best, *near = tiers[0]
    value = f"p99 {metric.text(best)}" if metric is P99 else metric.text(best)
    of_fair = " of those that serve every client" if len(fair) < len(rows) else ""
    if len(rows) == 1:
        return f"{name(best)} answers {value}" if metric is THROUGHPUT else f"{name(best)}: {value}"
    if len(fair) == 1:
        return f"{name(best)} alone serves every client ({value})"
    comparisons = contests(fair)
    if best.rounds < 2:
        second = sorted(fair, key=metric.median, reverse=metric.more_is_better)[1]
        ratio = format_ratio(metric.median(best) / metric.median(second))
        where = f"came first in the only round{of_fair}"
        return f"{name(best)} {where} ({value}, {ratio} {name(second)})"
    if near:
        names = enumerate_names([name(row) for row in tiers[0]])
        of_fair = ", which serve every client" if of_fair else ""
        seen = detectable(tiers[0], comparisons)
        return f"no clear difference between {names}{of_fair} (about {value}{seen})"
    second = tiers[1][0]
    ratio = sure_ratio(comparisons[name(best), name(second)])
    return f"{name(best)} is fastest{of_fair} ({value}, {ratio} {name(second)})"


def sure_ratio(comparison: Comparison) -> str:
    """Return the ratio that *comparison* holds and its interval: ``2.1x [1.9x to 2.3x]``."""
    ratio = (
        format_ratio(comparison.ratio) if comparison.ratio >= 1 else fine_ratio(comparison.ratio)
    )
    return f"{ratio} [{fine_ratio(comparison.low)} to {fine_ratio(comparison.high)}]"


def fine_ratio(ratio: float) -> str:
    """Return *ratio* with two decimals where it is near 1: ``0.98x``, ``1.25x``, ``3.1x``."""
    if not 1e-3 < ratio < 1e3:
        return "any"
    return f"{ratio:.2f}x" if ratio < 2 else format_ratio(ratio)


def detectable(rows: Sequence[Row], comparisons: Contests) -> str:
    """Say how large a difference between *rows* had to be to be seen, where that is known."""
    most = max(
        comparisons[name(one), name(other)].detectable
        for one, other in itertools.combinations(rows, 2)
    )
    if not math.isfinite(most):
        return ""
    rounds, needed = min(row.rounds for row in rows), rounds_to_tell(rows)
    more = f"; {needed} rounds tell more" if rounds < needed else ""
    if most > USELESS:
        return f"; {rounds} rounds as noisy as these show hardly any difference{more}"
    return f"; {rounds} rounds show differences from {fine_ratio(most)}{more}"


def control_sentences(found: Sequence[Control]) -> list[str]:
    """Return a sentence on what the A/A controls *found*, if there were any."""
    if not found:
        return []
    who = found[0].condition.strategy
    parts = [f"{control.condition.workload} {found_ratio(control.comparison)}" for control in found]
    same = f"A/A control, {who} against itself: {'; '.join(parts)}"
    if any(control.comparison.clear for control in found):
        return [f"{same}. It differs from itself, so trust no difference of that size here."]
    if all(control.comparison == NO_COMPARISON for control in found):
        return [f"{same}."]
    return [f"{same}: no clear difference, as it should be."]


def found_ratio(comparison: Comparison) -> str:
    """Return the ratio of a strategy to itself and its interval, or that nobody can tell."""
    if comparison == NO_COMPARISON:
        return "cannot tell, too few rounds count"
    low, high = fine_ratio(comparison.low), fine_ratio(comparison.high)
    return f"{fine_ratio(comparison.ratio)} [{low} to {high}]"


def flip(workloads: dict[str, list[Row]]) -> list[str]:
    """Return a sentence on the widest change of places between two of *workloads*, if any."""
    comparisons = {workload: contests(rows, THROUGHPUT) for workload, rows in workloads.items()}
    found = [
        (min(ahead, behind), first, second, *pair, ahead, behind)
        for first, second in itertools.combinations(comparisons, 2)
        for pair in comparisons[first].keys() & comparisons[second].keys()
        if (ahead := lead(comparisons[first][pair]))
        and (behind := lead(comparisons[second][pair[1], pair[0]]))
    ]
    if not found:
        return []
    _, first, second, one, other, ahead, behind = max(found)
    there = f"under {first} {one} is {format_ratio(ahead)} as fast as {other}"
    back = f"under {second} {other} is {format_ratio(behind)} as fast as {one}"
    return [f"The ranking flips: {there}, {back}."]


def lead(comparison: Comparison) -> float:
    """Return how many times the other ours is, or 0 where it is not clearly ahead."""
    return comparison.ratio if comparison.ahead else 0


def unranked(rows: list[Row]) -> list[str]:
    """Return a sentence on the strategies whose figures are not their own, if any."""
    known = rankable(rows)
    whose = dict.fromkeys(
        f"{name(row)} under {row.condition.workload} ({why_unranked(row)})"
        for row in rows
        if row.status == "ok" and row not in known and not row.condition.is_control
    )
    return [f"Not ranked: {enumerate_names(list(whose))}."] if whose else []


def why_unranked(row: Row) -> str:
    """Return in a word why *row* is not ranked, though it has figures."""
    return row.judgement if row.judgement in UNRANKED else "only one round counts"


def starvation(rows: list[Row], connections: int) -> list[str]:
    """Return a sentence on the strategies that left some client without any response, if any."""
    served: dict[str, int] = {}
    for row in rows:
        if row.starves and not row.condition.is_control:
            fewest = min(row.clients_served, served.get(name(row), connections))
            served[name(row)] = fewest
    if not served:
        return []
    counts = enumerate_names([f"{strategy} served {count:,}" for strategy, count in served.items()])
    return [f"Of {connections:,} clients {counts}; the others never got a response."]


def failures(rows: Iterable[Row]) -> list[str]:
    """Return a sentence on the strategies of which some round does not count, or none, if any.

    Why it does not, the lines below the tables say.
    """
    names: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.failed_rounds:
            names.setdefault(row.status, {})[name(row)] = None
    return [
        sentence.format(enumerate_names(list(names[status])))
        for status, sentence in FAILURES.items()
        if status in names
    ]


def name(row: Row) -> str:
    """Return the label of the strategy of *row*."""
    return row.condition.strategy


def enumerate_names(names: list[str]) -> str:
    """Return *names* as English lists them: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
