"""The words on a chart: a panel's title, what it shows, what it could not show, and the footer.

Pure functions of the summary. They claim only what the numbers hold.
"""

from collections.abc import Sequence

from calcbench.bench.analysis.metrics import INTERVAL_ROUNDS, Metric
from calcbench.bench.analysis.ranking import (
    Contests,
    compare,
    contenders,
    contests,
    rankable,
)
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.judgements import DRIVER_BOUND, SERVER_BOUND, UNSERVED
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_count, format_seconds, plural
from calcbench.bench.views.lateness import TAIL
from calcbench.bench.views.markers import with_figures, with_tails
from calcbench.bench.views.standing import (
    are_close,
    figures,
    share_one_round,
    too_little,
    why_hidden,
)
from calcbench.bench.views.wording import (
    DOUBTS,
    NO_BREAK,
    REUSE,
    cut_line,
    describe_processor,
    doubt_of_rate,
    enumerate_few,
    load_in_words,
    rounds_in_words,
    served,
    users_in_words,
)

ARROW = (
    "Arrow: it took longer than that, and nobody knows how much: so many requests got no right"
    " response."
)
SERVES, ANSWERS = "serves every client", "gives nearly every request a right response"
# In place of what a mark says of a rate.
DRIVERS_OWN = "the driver was the limit, so some of that time may be its own"
REASON_LENGTH = 160  # characters of it on a chart; all of it is below the table and in the files
DRIVER_LIMIT = 0.95  # share of its core from which the driver may have been what was measured


def headline(metric: Metric, rows: Sequence[Row]) -> str:
    """Say who is best at the most connections that *rows*, of one panel, were measured with.

    A strategy that leaves clients without any response cannot be the best of them, and nobody is
    where several may be.
    """
    measured = [row for row in rows if row.status == "ok" and not row.condition.is_control]
    if not measured:
        return "nothing could be measured"
    measured = [row for row in measured if metric.known(row)]
    if not measured:
        return metric.why_unknown
    most = max(row.condition.connections for row in measured)
    last = rankable(row for row in measured if row.condition.connections == most)
    fair = [row for row in last if not row.falls_short]
    at = f"at {load_in_words(measured, most)}"
    if not last:
        return f"{at}, no point can be ranked"
    if not fair:
        starving = any(row.starves for row in last)
        return f"{at}, no strategy {SERVES if starving else ANSWERS}"
    everyone_at = at
    best, *others = sorted(fair, key=metric.median, reverse=metric.more_is_better)
    if any(
        row.starves and not row.serves_nobody and level_or_ahead(row, best, metric) for row in last
    ):
        at += ", not counting open markers"
    name, value = best.condition.strategy, f"{metric.text(best)} {at}"
    if len(last) == 1:
        return f"{name}: {value}"
    if not others:
        starving = any(row.starves for row in last)
        return f"only {name} {SERVES if starving else ANSWERS}: {metric.text(best)} {everyone_at}"
    if share_one_round(fair) and not why_hidden(fair, metric):
        return f"{name} came first in the only round: {value}"  # who need not be in the next
    comparisons = contests(fair, metric)
    level = contenders(fair, metric, comparisons)
    if len(level) > 1:
        return undecided(level, metric, comparisons, at)
    return f"{name} {'leads' if metric.more_is_better else 'is fastest'}: {value}"


def undecided(level: Sequence[Row], metric: Metric, comparisons: Contests, at: str) -> str:
    """Say that it is not known which of *level* is the best, *at* so many connections."""
    names = [row.condition.strategy for row in level]
    known = f"{figures(level, metric)} {at}"
    which = " and ".join(names) if len(names) == 2 else f"{len(names)} strategies"
    if why := why_hidden(level, metric) or too_little(level, comparisons):
        return f"cannot tell which of {which} is best: {known} ({why})"
    if not are_close(level, metric):
        return f"cannot tell which of {which} is best: {known}"
    beside = names[1] if len(names) == 2 else f"{len(names) - 1} others"
    return f"no clear difference between {names[0]} and {beside}: {known}"


def level_or_ahead(row: Row, best: Row, metric: Metric) -> bool:
    """Tell whether *row* is not clearly worse than *best*."""
    comparison = compare(best, row, metric)
    return not (comparison.ahead if metric.more_is_better else comparison.behind)


def notes(rows: Sequence[Row], metric: Metric) -> list[str]:
    """Say, in one sentence each, what the lines of a *metric* leave out or must not hide.

    They begin in upper case, but for a strategy's name, which stays as it is typed.
    """
    starved = {  # of each strategy the row with the most connections
        row.condition.strategy: served(row).replace(" ", NO_BREAK)
        for row in sorted(with_figures(rows, metric), key=lambda row: row.condition.connections)
        if row.starves
    }
    absent = dict.fromkeys(
        row.condition.strategy for row in rows if metric.hidden and row.serves_nobody
    )
    names = tuple(row.condition.strategy for row in rows)
    found = [
        cut_line(note if note.startswith(names) else note[0].upper() + note[1:], REASON_LENGTH)
        for note in (*failure_notes(rows), *unknown_notes(rows, (metric,)))
    ]
    for judgement, points in doubts(rows).items():
        whole = len(points) == sum(row.status == "ok" for row in rows) > 1
        who = "every point" if whole else enumerate_few(points)
        what = DOUBTS[judgement][1] if judgement in DOUBTS else judgement
        if metric.hidden and judgement == DRIVER_BOUND:
            what = DRIVERS_OWN
        found.append(f"{who[0].upper()}{who[1:]}: {what}" if whole else f"{who}: {what}")
    if with_tails(rows, metric):
        found.insert(0, TAIL)
    if starved:
        who = enumerate_few([f"{name}{NO_BREAK}{count}" for name, count in starved.items()])
        found.insert(0, f"Open marker: not every client got a right response ({who}).")
    if absent:
        found.insert(
            0, f"No marker: who serves nobody has no latency ({enumerate_few([*absent])})."
        )
    # Of a rate whose bound the driver was, the doubts have said so.
    if metric.hidden and any(metric.is_bound(row) for row in with_figures(rows, metric)):
        found.insert(0, ARROW)
    return found


def failure_notes(rows: Sequence[Row]) -> list[str]:
    """Say which of *rows* did not measure a server, or not in every round, and why."""
    levels: dict[tuple[str, str, str], list[str]] = {}
    limited: dict[str, list[str]] = {}
    for row in rows:
        at, who = f"{row.condition.connections:,}", row.condition.strategy
        if row.limited and not row.throughput.at_least:
            limited.setdefault(who, []).append(at)
        if row.failed_rounds:
            levels.setdefault((who, row.status, row.reason), []).append(at)
    texts = {"ok": "at {} does not count in some rounds", "failed": "at {} does not count"}
    found = [
        f"{name} {texts.get(status, 'cannot run here').format(', '.join(at))}: {reason}"
        for (name, status, reason), at in levels.items()
    ]
    if limited:
        who = "; ".join(f"{name} at {', '.join(at)}" for name, at in limited.items())
        found.append(
            "the driver was the limit in some rounds, so more may be possible there, and some of"
            f" the latency may be its own: {who}"
        )
    slow: dict[str, list[str]] = {}
    for row in rows:
        if row.serves_nobody and not row.condition.is_control:
            at = f"{row.condition.strategy} at {row.condition.connections:,}"
            found.append(f"{at} served nobody: {row.reason}")
            if row.all_outcomes.timed_out or row.in_flight:
                option = "--timeout" if row.all_outcomes.timed_out else "--duration"
                slow.setdefault(option, []).append(at)
        elif row.unserved:
            at = f"{row.condition.strategy} at {row.condition.connections:,}"
            why = "" if row.failed_rounds else f": {row.reason}"
            found.append(f"{at} served nobody in {rounds_in_words(row.unserved)}{why}")
    found += [
        f"a longer {option} would show who is only slow: {enumerate_few(points)}"
        for option, points in slow.items()
    ]
    busy = [
        f"{row.condition.strategy} at {row.condition.connections:,}"
        for row in rows
        if row.status == "ok" and not row.judgement and row.driver_share >= DRIVER_LIMIT
    ]
    if busy:
        found.append(
            f"the driver, not the server, may have been the limit for {enumerate_few(busy)}"
        )
    return found


def unknown_notes(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[str]:
    """Say which of *rows* have too few requests for which of *metrics*."""
    found = []
    for metric in metrics:
        lacking: dict[str, list[str]] = {}
        for row in rows:
            if metric.quantile and row.max_ns.rounds and not metric.known(row):
                levels = lacking.setdefault(row.condition.strategy, [])
                levels.append(f"{row.condition.connections:,}")
        if lacking:
            who = "; ".join(f"{name} at {', '.join(at)}" for name, at in lacking.items())
            found.append(f"{metric.why_unknown}: {who}")
    return found


def doubts(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the points of *rows* that may not be the server's own, by what they were judged."""
    found: dict[str, list[str]] = {}
    for row in rows:
        judgement = doubt_of_rate(row)
        if row.status == "ok" and judgement not in ("", SERVER_BOUND, UNSERVED):
            at = f"{row.condition.strategy} at {row.condition.connections:,}"
            found.setdefault(judgement, []).append(at)
    return found


def footer(run: Run) -> str:
    """Say how, where and with what *run* was measured, in one paragraph."""
    plan, machine, versions = run.plan, run.machine, run.versions
    reuses = " and ".join(REUSE[reuse] for reuse in plan.reuses)
    levels = {measurement.condition.connections for measurement in run.measurements}
    lines = len(levels or plan.connections) > 1
    count = max((measurement.round for measurement in run.measurements), default=plan.rounds)
    rounds = f"{format_count(count, 'round')} of {format_seconds(plan.duration_s)}"
    if count == 1:
        spread = "one round shows no spread"
    else:
        reach = "lowest to highest" if count < INTERVAL_ROUNDS else "95% interval of the median"
        spread = f"{'bands behind them' if lines else 'whiskers'}: {reach}"
    beside = "Markers, side by side for each number of connections"
    load = [rounds, reuses]
    if plan.rate is not None:
        load.append(
            f"an open loop of {plan.rate:,.10g} {plural(plan.rate, 'request')} per second,"
            f" {plan.arrivals} arrivals"
        )
    if plan.think_s:
        load.append(users_in_words(plan))
    if plan.behaviours:
        load.append(f"with background clients {', '.join(plan.behaviours)}")
    parts = [
        f"Run {run.name}: {', '.join(load)}, seed {plan.seed}.",
        f"{beside if lines else 'Bars and markers'}: median of the rounds; {spread}.",
        f"{describe_processor(machine, 'cores')}.",
        f"{machine.get('system', 'Unknown system')} {machine.get('kernel', '')},",
        f"{versions.get('implementation', 'Python')} {versions.get('python', '')},",
        f"calcbench {versions.get('calcbench', '')}.",
    ]
    if run.pinning.note:
        parts.append(f"{run.pinning.note[0].upper()}{run.pinning.note[1:]}.")
    return " ".join(parts)
