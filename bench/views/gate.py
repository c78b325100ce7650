"""Show what came of thresholds, as lines and for programs."""

import math
from collections.abc import Sequence
from typing import Any

from calcbench.bench.analysis.thresholds import WORDS, Judged, exit_status
from calcbench.bench.units import format_alike, format_figures, format_number, format_ratios

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
    """Say in which interval the figure lies that was *judged*, or why that is not known."""
    if judged.interval is None:
        return judged.reason
    low, high = judged.interval
    if judged.threshold.relative:
        return ", ".join(changes_of(judged.value, low, high))
    metric = judged.threshold.metric
    unit = metric.unit
    if low == high:
        return f"{format_number(judged.value)}{unit}"
    if math.isinf(high):
        return f"{metric.bound}{format_number(low)}{unit}"
    value, below, above = format_figures(judged.value, low, high)
    return f"{value}{unit}, {below} to {above}{unit}"


def changes_of(ratio: float, low: float, high: float) -> tuple[str, str]:
    """Return *ratio* as a change, and its interval, all rounded alike.

    ``+3.1%`` and ``−2.0% to +8.4%``; as multiples from double on: ``2.5x`` and ``1.9x to 3.4x``.
    """
    if not 1 / LARGEST < ratio < LARGEST:
        return "unknown", "unknown"
    below, above = low <= 1 / LARGEST, high >= LARGEST
    known = [*([] if below else [low]), *([] if above else [high])]
    change, *ends = format_changes(ratio, *known)
    if below and above:
        return change, "unknown"
    if below or above:
        return change, f"{ends[0]} or {'less' if below else 'more'}"
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
