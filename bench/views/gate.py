"""Show what came of thresholds, as lines and for programs."""

import math
from collections.abc import Sequence
from typing import Any

from calcbench.bench.analysis.thresholds import WORDS, Judged, exit_status
from calcbench.bench.units import format_number

LARGEST = 1e6  # a ratio beyond it is no figure any more


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
        return f"{percent(judged.value)}, {change_interval(low, high)}"
    unit = judged.threshold.metric.unit
    if low == high:
        return f"{format_number(judged.value)}{unit}"
    if math.isinf(high):
        return f"> {format_number(low)}{unit}"
    return (
        f"{format_number(judged.value)}{unit}, {format_number(low)} to {format_number(high)}{unit}"
    )


def percent(ratio: float) -> str:
    """Return *ratio* as a change: ``+3.1%``, ``−40%``, ``2.5x`` from double on."""
    if ratio >= 2:
        return f"{format_number(ratio)}x" if ratio < LARGEST else "unknown"
    change = ratio - 1
    digits = 0 if abs(change) >= 0.1 else 1
    return f"{change:+.{digits}%}".replace("-", "−")


def change_interval(low: float, high: float) -> str:
    """Return an interval of ratios as one of changes: ``−2.0% to +3.1%``."""
    if low > 0 and high < LARGEST:
        return f"{percent(low)} to {percent(high)}"
    if low <= 1 / LARGEST:
        return f"{percent(high)} or less" if high < LARGEST else "unknown"
    return f"{percent(low)} or more"
