"""Show what changed between two results, as plain aligned text."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from calcbench.bench.analysis.compare import Change
from calcbench.bench.analysis.thresholds import WORDS, Judged, exit_status
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.units import (
    format_alike,
    format_figures,
    format_rate,
    format_ratios,
    format_seconds,
)
from calcbench.bench.views.export import as_json
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import mark, marks

HEADINGS = ("clients", "strategy", "metric", "A", "B", "typical change", "95% interval", "verdict")
LARGEST = 1e6  # a ratio beyond it is no figure any more
MANY_TIMES = 10  # from which on a change is no percentage any more
WORDS_AT_LEFT = ("strategy", "metric", "verdict")
LEGEND = (
    "A, B: medians of the rounds; typical change: from a round of A to one of B, estimated from all"
    " of them (Hodges and Lehmann), so not quite B/A; would show:"
    " as many rounds would find a change of that size; a verdict holds for all lines of its metric"
    " together (Holm), an interval for its own line"
)


def compare_lines(
    runs: tuple[Run, Run],
    changes: Sequence[Change],
    judged: Sequence[Judged],
    only_in_a: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the lines that show *changes*, what was *judged* of them, and what is *only_in_a*."""
    for label, run in zip("AB", runs, strict=True):
        yield f"{label}: {run.name}, {run.started}"
    yield from setting_differences(*runs)
    if only_in_a:
        yield f"Not in B: {'; '.join(only_in_a)}"
    groups = group_by(
        changes, lambda change: change.pair.second.condition, "strategy", "connections"
    )
    for at, members in groups.items():
        yield ""
        yield f"{at.workload}, {at.reuse}"
        table = [HEADINGS, *map(cells_of_change, members)]
        yield from aligned(table, places_of(HEADINGS, *WORDS_AT_LEFT))
    yield ""
    yield LEGEND
    pairs = (change.pair for change in changes)
    yield from marks({row.judgement for pair in pairs for row in (pair.first, pair.second)})
    if judged:
        yield ""
    for one in judged:
        yield f"{WORDS[one.status]}: fail if {one.threshold.text.strip()}: {one.where}: {seen(one)}"


def seen(judged: Judged) -> str:
    """Say in which interval the figure lies that was *judged*, or why that is not known."""
    if judged.interval is None:
        return judged.reason
    low, high = judged.interval
    if judged.threshold.relative:
        return ", ".join(changes_of(judged.value, low, high))
    unit = judged.threshold.metric.unit
    value, below, above = format_figures(judged.value, low, high)
    return f"{value}{unit}, {below} to {above}{unit}"


def setting_differences(first: Run, second: Run) -> Iterator[str]:
    """Yield a warning for each thing beside the strategies that is not the same in both runs."""
    if first == second:
        yield "A and B are the same result: the intervals show what chance alone can do"
    for label, run in zip("AB", (first, second), strict=True):
        if run.partial:
            yield f"{label} is only a part of its race"
    for what, values in (
        ("processor", [run.machine.get("cpu") for run in (first, second)]),
        ("number of cores", [run.machine.get("cores") for run in (first, second)]),
        ("kernel", [run.machine.get("kernel") for run in (first, second)]),
        ("Python", [run.versions.get("python") for run in (first, second)]),
        ("calcbench", [run.versions.get("calcbench") for run in (first, second)]),
        ("length of a measurement", [format_seconds(r.plan.duration_s) for r in (first, second)]),
        ("load", [describe_load(run.plan) for run in (first, second)]),
        ("limits and deadlines", [listed(run.plan.policy) for run in (first, second)]),
    ):
        if values[0] != values[1]:
            yield f"Not the same {what}: {values[0]} and {values[1]}"


def describe_load(plan: Plan) -> str:
    """Say what a *plan* offers beside its connections: two loads are two questions."""
    loop = f"{format_rate(plan.rate)}, {plan.arrivals}" if plan.rate else "a closed loop"
    return " with ".join([loop, *([listed(plan.behaviours)] if plan.behaviours else [])])


def listed(texts: Sequence[str]) -> str:
    """Return *texts* in one, or that all is at its default."""
    return ", ".join(sorted(texts)) or "the defaults"


def cells_of_change(change: Change) -> list[str]:
    """Return the cells of *change*."""
    first, second, comparison = change.pair.first, change.pair.second, change.comparison
    known = comparison.known
    return [
        f"{second.condition.connections:,}",
        second.condition.strategy,
        change.metric.name,
        *(
            mark(row) + change.metric.text(row) if change.metric.spread(row).rounds else ""
            for row in (first, second)
        ),
        *(changes_of(comparison.ratio, comparison.low, comparison.high) if known else ("", "")),
        change.verdict,
    ]


def changes_of(ratio: float, low: float, high: float) -> tuple[str, str]:
    """Return *ratio* as a change, and its interval, all rounded alike.

    ``+3.1%`` and ``−2.0% to +8.4%``; as multiples from double on: ``2.5x`` and ``1.9x to 3.4x``.
    """
    if not 1 / LARGEST < ratio < LARGEST:
        return "unknown", "unknown"
    if high >= LARGEST:
        change, *ends = format_changes(ratio, low)
        return change, f"{ends[0]} or more" if low > 1 / LARGEST else "unknown"
    change, *ends = format_changes(ratio, low, high)
    return change, " to ".join(ends)


def format_changes(*ratios: float) -> list[str]:
    """Return *ratios*, a figure and the ends of its interval, as changes rounded alike."""
    if ratios[0] >= 2 or max(ratios) >= MANY_TIMES:
        return format_ratios(*ratios)
    percents = [(ratio - 1) * 100 for ratio in ratios]
    differs = min(percents) > 0 or max(percents) < 0
    texts = format_alike(percents, 0 if abs(percents[0]) >= 10 else -1, *([0.0] if differs else []))
    return [
        ("−" if text.startswith("-") else "+" if float(text.replace(",", "")) else "")
        + f"{text.removeprefix('-')}%"
        for text in texts
    ]


def comparison_as_json(
    runs: tuple[Run, Run],
    changes: Sequence[Change],
    judged: Sequence[Judged],
    only_in_a: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that was found, as JSON can carry it; what is unknown is null."""
    return {
        "a": runs[0].name,
        "b": runs[1].name,
        "partial": [run.partial for run in runs],
        "only_in_a": list(only_in_a),
        "changes": [
            {
                **dataclasses.asdict(change.pair.second.condition),
                "metric": change.metric.name,
                **as_json(change.comparison),
                "verdict": change.verdict,
            }
            for change in changes
        ],
        "thresholds": [
            {
                "threshold": one.threshold.text,
                "where": one.where,
                "status": WORDS[one.status],
                "seen": seen(one),
            }
            for one in judged
        ],
        "exit_status": exit_status(judged),
    }
