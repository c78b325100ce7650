"""Who wins, in few words: for a class that reads one line.

As in `calcbench.bench.views.conclusions`, nobody wins who is not clearly ahead; the interval, the
rest of the figures and what is doubtful about them are left to the notes. How many times as much is
what a reader gets who divides the two figures, and is not said where the rounds say otherwise.
"""

import math
from collections.abc import Iterable, Sequence

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import CPU, THROUGHPUT, Metric
from calcbench.bench.analysis.ranking import (
    Contests,
    comparable,
    contenders,
    contests,
    leading,
    ranked,
    tiers,
)
from calcbench.bench.analysis.summary import Row
from calcbench.bench.views.conclusions import lead
from calcbench.bench.views.markers import with_figures
from calcbench.bench.views.shortfalls import name, none_answers, serving_words
from calcbench.bench.views.standing import (
    are_close,
    figure_of,
    figures,
    rounded,
    share_one_round,
    too_little,
    why_hidden,
)
from calcbench.bench.views.wording import enumerate_names, panels, served, shorten

FEW = 3  # names in one line
LONG = 60  # characters of them
LONGEST_NAME = 34  # and of each
AGREE = 1.25  # times that two ratios may differ and be about the same
ALIKE = 1.2  # and below which two figures are nearly level
COUNTS = {2: "two", 3: "three"}
WIDE = 2.0  # times that a ratio may be less at the near ends of both spreads


def operating_points(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the rows of each workload and way of connecting at the most clients measured there."""
    found = []
    for members in panels(row for row in rows if not row.condition.is_control).values():
        measured = [row for row in members if row.status == "ok"] or members
        most = max(row.condition.connections for row in measured)
        found.append([row for row in members if row.condition.connections == most])
    return found


def outcome(rows: Sequence[Row], *, brief: bool = False) -> str:
    """Say who of *rows*, of one group, wins, and how far others are behind.

    A *brief* one leaves out the others.
    """
    fair, metric = ranked(rows), leading(rows)
    if all(row.status != "ok" for row in rows):
        return "nothing could be measured"
    if not fair:
        return none_answers(rows)
    comparisons = contests(fair, metric)
    level = contenders(fair, metric, comparisons)
    best, value = short(level[0]), figure_of(metric, metric.text(level[0]))
    if len(rows) == 1:
        return f"{best}: {value}"
    if all(row.starves for row in fair):
        return "nobody serves every client"
    if len(fair) == 1 and (serving := serving_words(rows, fair)):
        return f"only {best} {serving.format('s')}: {value}"
    if share_one_round(fair) and not why_hidden(fair, metric):
        return f"{best} came first in the only round: {value}"
    others = [] if brief else behind(level, fair, metric, comparisons)
    if len(level) == 1:
        shorter = (one.removeprefix(f"{best} is ") for one in others)
        return f"{best} wins: {value}{', ' * bool(others)}{' and '.join(shorter)}"
    who = enumerate_names([short(row) for row in level])
    if len(level) > FEW or len(who) > LONG:
        who = f"{len(level)} strategies"
    more = "".join(f"; {one}" for one in others[-1:])
    if why := why_hidden(level, metric) or too_little(level, comparisons):
        return f"cannot tell which of {who} wins: {why.partition(',')[0]}{more}"
    known = figure_of(metric, figures(level, metric))
    if are_close(level, metric):
        return f"no clear difference between {who}: {known}{more}"
    return f"no clear winner among {who}: {known}{more}"


def finding(rows: Sequence[Row], metric: Metric) -> str:
    """Say what stands out in a *metric* of *rows*, of one group, or who wins.

    That is who is level with the first, and the widest clear difference.
    """
    fair = comparable(rows, metric)
    if len(fair) > 1 and not share_one_round(fair) and not all(row.starves for row in fair):
        comparisons = contests(fair, metric)
        first = contenders(fair, metric, comparisons)
        found = behind(first, fair, metric, comparisons)
        if found:
            together = level_words(first, fair, metric, comparisons)
            return "; ".join([*together, found[-1]])
    if metric is not leading(rows) and len(fair) == 1:
        return alone(rows, fair[0], metric)
    if metric is leading(rows) or len(ranked(rows)) < 2:
        return outcome(rows)
    if fair and all(row.starves for row in fair):
        return "nobody serves every client"
    what = called(metric)
    if len(fair) > 1 and (why := why_hidden(fair, metric)):
        return f"cannot tell who is first in {what}: {why.partition(',')[0]}"
    if len(fair) > 1 and share_one_round(fair):
        return f"cannot tell who is first in {what}: only one round counts"
    return f"no clear difference in {what}"


def alone(rows: Sequence[Row], best: Row, metric: Metric) -> str:
    """Say of a *metric* by which only the *best* of *rows* can be ranked who looks better, if any.

    That is who serves fewer clients: a short wait of those is what all others pay for.
    """
    what, value = called(metric), metric.text(best)
    if len(ranked(rows)) > 1:
        return f"{what} is known of {short(best)} alone: {value}"
    serving = serving_words(rows, ranked(rows))
    if not serving:
        return f"{short(best)}: {what} {value}"
    only = f"only {short(best)} {serving.format('s')}"
    lower = [
        row
        for row in with_figures(rows, metric)
        if row.starves
        and not (metric.more_is_better or metric.is_bound(row))
        and rounded(metric.median(row)) < rounded(metric.median(best))
    ]
    if not lower:
        return f"{only}: {what} {value}"
    first = min(lower, key=metric.median)
    return f"{short(first)} shows a lower {what} but serves {served(first)}; {only}"


def called(metric: Metric) -> str:
    """Return the name of *metric* in a sentence."""
    return "CPU" if metric is CPU else metric.name


def level_words(
    level: Sequence[Row], fair: Sequence[Row], metric: Metric, comparisons: Contests
) -> list[str]:
    """Say who of *fair* are level with the first, if anybody and not all.

    That is who may be the best of them, *level*, or has nearly the same figure.
    """
    if why_hidden(level, metric) or too_little(level, comparisons):
        return []
    order = sorted(fair, key=metric.median, reverse=metric.more_is_better)
    near = [row for row in order if is_alike(row, order[0], metric)]
    together = near if len(near) >= len(level) else level
    if not 1 < len(together) < len(fair):
        return []
    who = enumerate_names([short(row) for row in together])
    few = len(together) <= FEW and len(who) <= LONG
    count = COUNTS.get(len(together), f"{len(together):,}")
    if together is level:
        return [f"no clear difference between {who if few else f'{count} strategies'}"]
    nearly = any(row not in level for row in together)
    return [f"{count} are {'nearly ' * nearly}level{f': {who}' * few}"]


def is_alike(row: Row, best: Row, metric: Metric) -> bool:
    """Tell whether *row* and the *best* have about the same figure, as far as both are known."""
    ratio = metric.median(row) / metric.median(best)
    bound = row is not best and (metric.is_bound(row) or metric.is_bound(best))
    return 1 / ALIKE < ratio < ALIKE and not bound


def behind(
    level: Sequence[Row], fair: Sequence[Row], metric: Metric, comparisons: Contests
) -> list[str]:
    """Say of the next and the last of *fair* how far they are behind the first of *level*.

    Only where that is clear; of the last alone where it is open who of *level* wins.
    """
    order = [row for tier in tiers(fair, metric, comparisons) for row in tier if row not in level]
    ends = order[-1:] if len(level) > 1 or len(order) == 1 else [*order[:1], *order[-1:]]
    best, found = level[0], []
    for other in ends:
        more, less = (best, other) if metric.more_is_better else (other, best)
        comparison = comparisons[name(more), name(less)]
        if not comparison.ahead:
            continue
        times = times_in_words(more, less, metric, comparison)
        if metric is THROUGHPUT:
            how = f"{times} as fast as" if times else "faster than"
            found.append(f"{short(best)} is {how} {short(other)}")
        elif metric is CPU:
            how = f"{times} the CPU of" if times else "more CPU than"
            found.append(f"{short(other)} takes {how} {short(best)}")
        else:
            how = f"{times} as long as" if times else "longer than"
            found.append(f"{short(other)} takes {how} {short(best)} ({metric.name})")
    return found


def times_in_words(more: Row, less: Row, metric: Metric, comparison: Comparison) -> str:
    """Return how many times the figure of *less* that of *more* is, ``about 8 times``, or nothing.

    It is one figure divided by the other, as they are written. Nothing is said of it where the
    *comparison* of the rounds says otherwise, or where their spreads leave room for far less.
    """
    if metric.is_bound(less):
        return ""
    ratio, paired = rounded(metric.median(more)) / rounded(metric.median(less)), lead(comparison)
    nearest = metric.of(more)[0] / metric.of(less)[2]
    if max(ratio / paired, paired / ratio) > AGREE or ratio > WIDE * nearest:
        return ""
    bound = metric.is_bound(more) or math.isinf(comparison.high)
    text = round_times(min(ratio, paired) if bound else ratio)
    return f"{'at least ' * bound}about {text} times" if text != "1" else ""


def round_times(ratio: float) -> str:
    """Return *ratio* as it is said aloud: ``1.2``, ``8``, ``31``, ``770``."""
    if ratio < 3:
        return f"{ratio:.1f}".removesuffix(".0")
    return f"{float(f'{ratio:.1e}') if ratio >= 10 else ratio:,.0f}"


def short(row: Row) -> str:
    """Return the name of *row*, without its middle where it is long."""
    return shorten(name(row), LONGEST_NAME)
