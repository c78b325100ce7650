"""What may be said of those among whom no best one is known: one figure, a range, or too little.

One figure for several strategies is said only where it lies within the interval of each of them.
"""

import itertools
import math
from collections.abc import Sequence

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.intervals import LEAST_ROUNDS
from calcbench.bench.analysis.metrics import CPU, THROUGHPUT, Metric
from calcbench.bench.analysis.ranking import (
    Contests,
    comparable,
    contests,
    rounds_to_tell,
    tiers,
)
from calcbench.bench.analysis.summary import Row
from calcbench.bench.units import format_number, format_ratios, plural
from calcbench.bench.views.shortfalls import name
from calcbench.bench.views.wording import enumerate_names

USELESS = 20.0  # a difference that large needs no test
NEAR = 1.1  # and one of less than a tenth is what machines do
LARGEST = 1e3  # ratios beyond it, and below its inverse, are no figures any more


def common_figure(rows: Sequence[Row], metric: Metric) -> str:
    """Return the one figure that stands for all of *rows*, ``about 40,000/s``, or nothing.

    It is the best median that lies, as it is written, within the interval of every row. Of fewer
    than three rounds no interval is known, so there all medians have to be near each other. Of a
    bound nobody knows how far it is from the others.
    """
    if any(metric.is_bound(row) for row in rows):
        return ""
    if min(row.rounds for row in rows) < LEAST_ROUNDS and not are_near(rows, metric):
        return ""
    for row in sorted(rows, key=metric.median, reverse=metric.more_is_better):
        shown = rounded(metric.median(row))
        ends = [(rounded(low), rounded(high)) for low, _, high in map(metric.of, rows)]
        if all(low <= shown <= high for low, high in ends):
            return f"about {metric.text(row)}"
    return ""


def figures(rows: Sequence[Row], metric: Metric) -> str:
    """Return what stands for all of *rows*: one figure where there is one, else a range."""
    ordered = sorted(rows, key=metric.median)
    return common_figure(rows, metric) or (
        f"{metric.text(ordered[0])} to {metric.text(ordered[-1])}"
    )


def are_close(rows: Sequence[Row], metric: Metric) -> bool:
    """Tell whether the figures of *rows* lie so close together that none stands out."""
    return are_near(rows, metric) or bool(common_figure(rows, metric))


def are_near(rows: Sequence[Row], metric: Metric) -> bool:
    """Tell whether the medians of *rows* differ by less than a tenth."""
    medians = [metric.median(row) for row in rows]
    return max(medians) <= NEAR * min(medians)


def rounded(value: float) -> float:
    """Return *value* as a reader sees it."""
    return float(format_number(float(value)).replace(",", ""))


def share_one_round(rows: Sequence[Row]) -> bool:
    """Tell whether all that counts of *rows* is one round, the same for all."""
    return rows[0].rounds < 2 and len({row.counted for row in rows}) == 1


def too_little(rows: Sequence[Row], comparisons: Contests) -> str:
    """Say that some two of *rows* have too few rounds in common to compare them, or nothing."""
    counts = [one.rounds for one in among(rows, comparisons) if one.too_few]
    return few_rounds(min(counts)) if counts else ""


def why_hidden(rows: Sequence[Row], metric: Metric) -> str:
    """Say what hides which of *rows* is ahead, or nothing.

    That is the driver where it was the limit, requests of which nobody knows how long they took, or
    in an only round the lateness of the driver, which several would show in their comparisons.
    """
    limited = any(row.limited and (metric.hidden or metric.spread(row).censored) for row in rows)
    if limited:
        if metric.hidden:
            return "the driver was the limit, and some of that time may be its own"
        return "the driver was the limit, and a server may do more than was seen"
    if any(metric.is_bound(row) for row in rows):
        if metric.more_is_better:
            return "the driver sent so much too late that a server may do more than was seen"
        return "so many requests got no right response that only the least is known"
    if share_one_round(rows) and lateness_hides_first(rows, metric):
        return "the driver was late for some requests, and that may be all the difference"
    return ""


def lateness_hides_first(rows: Sequence[Row], metric: Metric) -> bool:
    """Tell whether without the driver's lateness another of *rows* may come before the first."""
    if metric.more_is_better:
        return False
    first, *others = sorted(rows, key=metric.median)
    return any(
        metric.lateness_shows(row) and metric.least(row) <= metric.median(first) for row in others
    )


def few_rounds(count: int) -> str:
    """Say how few rounds there are in which both were measured."""
    if not count:
        return "no round in common"
    return f"only {count} {plural(count, 'round')} in common"


def among(rows: Sequence[Row], comparisons: Contests) -> list[Comparison]:
    """Return those of *comparisons* that are between two of *rows*."""
    return [
        comparisons[one.condition.strategy, other.condition.strategy]
        for one, other in itertools.combinations(rows, 2)
    ]


def detectable(rows: Sequence[Row], comparisons: Contests) -> str:
    """Say how large a difference between *rows* had to be to be seen, where that is known."""
    pairs = among(rows, comparisons)
    most = max(one.detectable for one in pairs)
    if not math.isfinite(most) or most <= 1:
        return ""
    rounds, needed = min(one.rounds for one in pairs), rounds_to_tell(rows)
    more = f"; {needed} rounds or more would tell more" if rounds < needed else ""
    if most > USELESS:
        return f"; {rounds} rounds as noisy as these would show hardly any difference{more}"
    return f"; {rounds} rounds would show a difference of {format_ratios(most)[0]} or more{more}"


def sure_ratio(comparison: Comparison, what: str = "") -> str:
    """Return the ratio that *comparison* holds, of *what*, and its interval, rounded alike.

    ``2.1x [1.9x to 2.3x]``, ``2.1x as many as fork [1.9x or more]``; and ``at least 1.9x as many as
    fork`` where one end is all that is known.
    """
    low, high = comparison.low, comparison.high
    if math.isinf(high) and low > 1:
        return f"at least {format_ratios(low)[0]}{what and ' '}{what}"
    if low == 0 and high < 1:
        return f"at most {format_ratios(high)[0]}{what and ' '}{what}"
    below, above = low < 1 / LARGEST, high > LARGEST
    known = [*([] if below else [low]), *([] if above else [high])]
    ratio, *ends = format_ratios(comparison.ratio, *known)
    if below and above:
        interval = "any ratio is possible"
    elif above or below:
        interval = f"{ends[0]} or {'more' if above else 'less'}"
    else:
        interval = " to ".join(ends)
    return f"{ratio}{what and ' '}{what} [{interval}]"


def figure_of(metric: Metric, text: str) -> str:
    """Return a figure of *metric* with its name, which a rate does without."""
    return text if metric is THROUGHPUT else f"{metric.name} {text}"


def how_far_behind(
    metric: Metric, second: Row, comparison: Comparison | str, takes: str = "takes"
) -> str:
    """Say how far the *second* is behind: ``2x as many as fork``, or ``fork takes 5x as long``.

    *comparison*, or a ratio in words, is of the larger figure to the smaller, so above 1: rates are
    many, times are long, and nobody reads 0.191x.
    """
    what = f"as many as {name(second)}" if metric is THROUGHPUT else "as long"
    seen = f"{comparison} {what}" if isinstance(comparison, str) else sure_ratio(comparison, what)
    return seen if metric is THROUGHPUT else f"{name(second)} {takes} {seen}"


def undecided(
    level: Sequence[Row], fair: Sequence[Row], metric: Metric, comparisons: Contests, serving: str
) -> str:
    """Return that nobody knows which of *level* is the best, why, and what their figures are.

    They are some of *fair*. *serving* is what those do and others, which are left out, do not.
    """
    names = enumerate_names([name(row) for row in level])
    who = f"{names}, which {serving}" if serving else names
    comma = "," if serving else ""
    known = figure_of(metric, figures(level, metric))
    if any(metric.is_bound(row) for row in level):  # of a range nobody knows whose its ends are
        known = enumerate_names([f"{name(row)} {metric.text(row)}" for row in level])
    best = "faster" if len(level) == 2 else "fastest"
    cpu = by_cpu(level, fair)
    if why := why_hidden(level, metric) or too_little(level, comparisons):
        return f"cannot tell which of {who}{comma} is {best}: {why} ({known}){cpu}"
    shown = f"({known}{detectable(level, comparisons)}){cpu}"
    shown += beaten(level, fair, metric, comparisons)
    if are_close(level, metric):
        return f"no clear difference between {who} {shown}"
    return f"cannot tell which of {who}{comma} is {best} {shown}"


def beaten(level: Sequence[Row], fair: Sequence[Row], metric: Metric, comparisons: Contests) -> str:
    """Say, as the end of a sentence, whom of the first tier of *fair* one of *level* surely beats.

    Who is in between, and told apart from some of its tier only, is in no other sentence.
    """
    found = []
    for row in tiers(fair, metric, comparisons)[0]:
        for best in level if row not in level else ():
            more, less = (best, row) if metric.more_is_better else (row, best)
            comparison = comparisons[name(more), name(less)]
            if comparison.ahead:
                found.append(ahead_words(metric, best, row, comparison))
                break
    return "".join(f"; {words}" for words in found)


def ahead_words(metric: Metric, best: Row, row: Row, comparison: Comparison) -> str:
    """Say how far *best* is ahead of *row*, as *comparison* of the larger to the smaller has it."""
    behind = how_far_behind(metric, row, comparison)
    return f"{name(best)} answers {behind}" if metric is THROUGHPUT else behind


def by_cpu(level: Sequence[Row], fair: Sequence[Row]) -> str:
    """Return, as the end of a sentence, who of *level* surely takes more CPU than whom, if any.

    It is the steadiest figure, and may tell those apart whom nothing else does. They are told apart
    as in the tiers by CPU, among all of *fair*.
    """
    known = comparable(fair, CPU)
    comparisons = contests(known, CPU)
    found = [
        members
        for tier in tiers(known, CPU, comparisons)
        if (members := [row for row in tier if row in level])
    ]
    if len(found) < 2:
        return ""
    least, more = found[0][0], found[1][0]
    comparison = comparisons[name(more), name(least)]
    return f", but {name(more)} takes {sure_ratio(comparison, f'the CPU of {name(least)}')}"
