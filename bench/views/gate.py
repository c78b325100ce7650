"""Show what came of thresholds, as lines and for programs."""

import math
from collections.abc import Sequence
from typing import Any

from calcbench.bench.analysis.thresholds import WORDS, Judged, exit_status
from calcbench.bench.units import format_alike, format_ratios, last_place, round_to_three

LARGEST = 1e6  # a ratio beyond it is no figure any more
MANY_TIMES = 10  # from which on a change is no percentage any more


def judged_lines(judged: Sequence[Judged]) -> list[str]:
    """Return a line for each threshold and condition that was *judged*."""
    return [
        f"{WORDS[one.status]}: fail if {one.threshold.text.strip()}: {one.where}: {seen(one)}"
        for one in judged
    ]


def judged_as_json(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return what was *judged*, and the exit status that it makes."""
    return {
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


def seen(judged: Judged) -> str:
    """Say in which interval the figure lies that was *judged*, or why that is not known.

    A count is told exactly, and no other figure reads like the limit unless it is.
    """
    if judged.interval is None:
        return judged.reason
    low, high = judged.interval
    limit, metric = judged.threshold.limit, judged.threshold.metric
    if judged.threshold.relative:
        return ", ".join(changes_of(judged.value, low, high, limit))
    unit = metric.unit
    if metric.counts_failures and not unit:
        return f"{round(judged.value):,}"
    known = [judged.value, *(end for end in (low, high) if 0 < end < math.inf)]
    if math.isinf(high):
        known = [low]
    place = last_place(round_to_three(known[0]), 3) if known[0] else 0
    value, *ends = format_alike(known, place, limit)
    if low == high:
        return f"{value}{unit}"
    if math.isinf(high):
        return f"{metric.bound}{value}{unit}"
    if not low:
        return f"{value}{unit}, {ends[0]}{unit} or less"
    return f"{value}{unit}, {ends[0]} to {ends[1]}{unit}"


def changes_of(ratio: float, low: float, high: float, *unlike: float) -> tuple[str, str]:
    """Return *ratio* as a change, and its interval, all rounded alike, and none like *unlike* ones.

    ``+3.1%`` and ``−2.0% to +8.4%``; as multiples from double on: ``2.5x`` and ``1.9x to 3.4x``.
    """
    if not 1 / LARGEST < ratio < LARGEST:
        return "unknown", "unknown"
    below, above = low <= 1 / LARGEST, high >= LARGEST
    known = [*([] if below else [low]), *([] if above else [high])]
    change, *ends = format_changes(ratio, *known, unlike=unlike)
    if below and above:
        return change, "unknown"
    if below or above:
        return change, f"{ends[0]} or {'less' if below else 'more'}"
    return change, " to ".join(ends)


def format_changes(*ratios: float, unlike: Sequence[float] = ()) -> list[str]:
    """Return *ratios*, a figure and the ends of its interval, as changes rounded alike.

    As far as they are changes in percent none reads like those that it is *unlike*.
    """
    if ratios[0] >= 2 or max(ratios) >= MANY_TIMES:
        return format_ratios(*ratios)
    percents = [(ratio - 1) * 100 for ratio in ratios]
    differs = min(percents) > 0 or max(percents) < 0
    others = [*([1.0] if differs else []), *unlike]
    place = 0 if abs(percents[0]) >= 10 else -1
    texts = format_alike(percents, place, *((other - 1) * 100 for other in others))
    return [
        ("−" if text.startswith("-") else "+" if float(text.replace(",", "")) else "")
        + f"{text.removeprefix('-')}%"
        for text in texts
    ]
