"""What a result says in words: who is ahead where, what flips, and what is not known.

Pure functions of the summary. They claim only what `calcbench.bench.analysis.ranking` can tell
apart.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import THROUGHPUT
from calcbench.bench.analysis.ranking import (
    Control,
    contenders,
    contests,
    controls,
    leading,
    rankable,
    ranked,
    tiers,
)
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.judgements import CONTENDED, UNRANKED, UNSTEADY
from calcbench.bench.units import format_ratios
from calcbench.bench.views.shortfalls import (
    failed_requests,
    limits,
    name,
    none_answers,
    overloads,
    serving_words,
    shortfalls,
    starvation,
)
from calcbench.bench.views.standing import (
    few_rounds,
    figure_of,
    how_far_behind,
    share_one_round,
    sure_ratio,
    undecided,
    why_hidden,
)
from calcbench.bench.views.wording import DOUBTS, enumerate_names, load_in_words, panels

FAILURES = {  # what happened to a row's rounds, by its status
    "ok": "Some rounds of {} do not count.",
    "failed": "No round of {} counts.",
    "unavailable": "Cannot run here, so not measured: {}.",
}
ALIKE = ": no clear difference, as it should be."
DIFFERS = ". It differs from itself, so do not trust any difference of that size here."


def verdict(summary: Summary) -> list[str]:
    """Return what a teacher can read aloud: who leads where, what flips, and who was starved.

    A sentence for each. Speaks of the highest number of connections. Claims a lead only over
    those who are clearly behind, and a flip only where both of its leads hold.
    """
    measured = [row for row in summary.rows if row.status == "ok"] or summary.rows
    top = max((row.condition.connections for row in measured), default=0)
    rows = [row for row in summary.rows if row.condition.connections == top]
    settings = group_by(rankable(rows), lambda row: row.condition, "strategy", "workload")
    sentences = ["This is only a part of the race."] if summary.partial and rows else []
    contested = [
        {key.workload: found for key, found in panels(members).items()}
        for members in settings.values()
    ]
    for setting, workloads in zip(settings, contested, strict=True):
        leads = [f"{workload}: {leader(found)}" for workload, found in workloads.items()]
        way = f" ({setting.reuse})" if len(settings) > 1 else ""
        found = [row for rows in workloads.values() for row in rows]
        at = "At" if any(row.offered_per_s for row in found) else "With"
        sentences.append(f"{at} {load_in_words(found, top)}{way}, {'; '.join(leads)}.")
        sentences += caveat(workloads)
    for workloads in contested:
        if leading([row for found in workloads.values() for row in found]) is THROUGHPUT:
            sentences += flip(workloads)
    sentences += control_sentences(controls(summary.rows))
    sentences += limits(rows) + overloads(rows) + unranked(rows)
    sentences += starvation(rows, top) + shortfalls(rows) + failed_requests(rows)
    sentences += failures(summary.rows)
    return sentences or ["Nothing was measured."]


def caveat(workloads: dict[str, list[Row]]) -> list[str]:
    """Return a sentence on those of *workloads* under which no point is beyond doubt, if any."""
    doubtful = [
        workload
        for workload, rows in workloads.items()
        if all(row.judgement in (CONTENDED, UNSTEADY) for row in rows)
    ]
    if not doubtful:
        return []
    found = {row.judgement for workload in doubtful for row in workloads[workload]}
    known = [judgement for judgement in DOUBTS if judgement in found]
    where = f" under {enumerate_names(doubtful)}" if len(doubtful) < len(workloads) else ""
    what = ", or ".join(DOUBTS[judgement][1] for judgement in known)
    return [f"Every point{where} was {' or '.join(known)}: {what}."]


def leader(rows: list[Row]) -> str:
    """Return who leads among *rows*, all of one workload, or that nobody clearly does."""
    metric = leading(rows)
    fair = ranked(rows)
    if not fair:
        return none_answers(rows)
    comparisons = contests(fair, metric)
    level = contenders(fair, metric, comparisons)
    best = level[0]
    value = figure_of(metric, metric.text(best))
    serving = serving_words(rows, fair)
    of_fair = f" of those that {serving.format('')}" if serving else ""
    if len(rows) == 1:
        return f"{name(best)} answers {value}" if metric is THROUGHPUT else f"{name(best)}: {value}"
    if len(fair) == 1:
        return f"{name(best)} alone {serving.format('s')} ({value})"
    hidden = why_hidden(fair, metric)
    if share_one_round(fair) and not hidden:
        second = sorted(fair, key=metric.median, reverse=metric.more_is_better)[1]
        if metric.median(best) == metric.median(second):
            return f"{name(best)} and {name(second)} came out alike in the only round ({value})"
        more, less = (best, second) if metric.more_is_better else (second, best)
        ratio = format_ratios(metric.median(more) / metric.median(less))[0]
        beside = how_far_behind(metric, second, ratio, "took")
        return f"{name(best)} came first in the only round{of_fair} ({value}, {beside})"
    if len(level) > 1:
        return undecided(level, fair, metric, comparisons, serving.format(""))
    second = tiers(fair, metric, comparisons)[1][0]
    more, less = (best, second) if metric.more_is_better else (second, best)
    beside = how_far_behind(metric, second, comparisons[name(more), name(less)])
    return f"{name(best)} is fastest{of_fair} ({value}, {beside})"


def control_sentences(found: Sequence[Control]) -> list[str]:
    """Return a sentence on what the A/A controls *found*, if there were any."""
    if not found:
        return []
    known = [control for control in found if not why_untold(control.comparison)]
    untold = [control for control in found if why_untold(control.comparison)]
    sentences = []
    who = f"A/A control, {found[0].condition.strategy} against itself"
    if known:
        parts = [f"{one.condition.workload} {sure_ratio(one.comparison)}" for one in known]
        differs = any(control.comparison.clear for control in known)
        sentences.append(f"{who}: {'; '.join(parts)}" + (DIFFERS if differs else ALIKE))
    if untold:
        parts = [f"{one.condition.workload}, {why_untold(one.comparison)}" for one in untold]
        sentences.append(f"{who}: cannot tell under {'; '.join(parts)}.")
    return sentences


def why_untold(control: Comparison) -> str:
    """Say why a comparison of a strategy with itself tells nothing, or nothing."""
    if control.too_few:
        return few_rounds(control.rounds)
    unbounded = control.low == 0 and math.isinf(control.high)
    return "only lower bounds are known" if unbounded else ""


def flip(workloads: dict[str, list[Row]]) -> list[str]:
    """Return a sentence on the widest change of places between two of *workloads*, if any."""
    comparisons = {
        workload: contests([row for row in rows if not row.fails], THROUGHPUT)
        for workload, rows in workloads.items()
    }
    found = [
        (min(lead(ahead), lead(behind)), first, second, *pair)
        for first, second in itertools.combinations(comparisons, 2)
        for pair in comparisons[first].keys() & comparisons[second].keys()
        if (ahead := comparisons[first][pair]).ahead
        and (behind := comparisons[second][pair[1], pair[0]]).ahead
    ]
    if not found:
        return []
    _, first, second, one, other = max(found)
    there = f"under {first} {one} is {lead_in_words(comparisons[first][one, other])} {other}"
    back = f"under {second} {other} is {lead_in_words(comparisons[second][other, one])} {one}"
    return [f"The ranking flips: {there}, {back}."]


def lead(comparison: Comparison) -> float:
    """Return how many times the other ours is; the least where nobody knows how many."""
    return comparison.low if math.isinf(comparison.high) else comparison.ratio


def lead_in_words(comparison: Comparison) -> str:
    """Return how many times as fast ours is, ``at least`` where that is all that is known."""
    least = "at least " if math.isinf(comparison.high) else ""
    return f"{least}{format_ratios(lead(comparison))[0]} as fast as"


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
    if row.judgement in UNRANKED:
        return row.judgement
    return "only one round counts" if row.rounds < 2 else "too few requests"


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
