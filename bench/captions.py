"""The words on a chart: a panel's title, what it shows, what it could not show, and the footer.

Pure functions of the summary. They claim only what the numbers hold.
"""

from collections.abc import Iterable, Sequence

from calcbench.bench.judging import DRIVER_BOUND, SERVER_BOUND
from calcbench.bench.metric import INTERVAL_ROUNDS, Metric
from calcbench.bench.plan import CLOSE, KEEP_ALIVE, Condition, Plan
from calcbench.bench.ranking import UNRANKED, compare, tiers
from calcbench.bench.result import Run
from calcbench.bench.statistics import Row
from calcbench.bench.units import format_seconds

NAME_LENGTH = 22  # characters of a strategy's name in one line
TROUBLE_LENGTH = 160  # characters of it on a chart; all of it is below the table and in the files
NO_BREAK = "\u00a0"  # a space at which a line does not end
FEW = 5  # names in one sentence
DRIVER_LIMIT = 0.95  # share of its core from which the driver may have been what was measured
ABOUT = {
    "add": "the calculator alone",
    "wait": "each answer waits {} for simulated I/O",
    "cpu": "each answer takes {} of computing",
    "block": "each answer sleeps {} where it is handled",
}
REUSE = {KEEP_ALIVE: "connections kept alive", CLOSE: "a new connection for each request"}


def about(workload: str) -> str:
    """Say what *workload* asks of a server: ``wait=10ms: each answer waits 10 ms for …``."""
    kind, _, length = workload.partition("=")
    number = length.rstrip("mus")
    sentence = ABOUT.get(kind, "").format(f"{number} {length[len(number) :]}".replace("us", "µs"))
    return f"{workload}: {sentence}" if sentence else workload


def group(rows: Iterable[Row]) -> list[list[Row]]:
    """Return *rows* in groups of the same workload and way of connecting, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.condition.reuse, row.condition.workload), []).append(row)
    return list(groups.values())


def heading(condition: Condition, plan: Plan) -> str:
    """Return the heading of the panel that *condition* belongs to."""
    if len(plan.reuses) > 1:
        return f"{condition.workload}, {REUSE[condition.reuse]}"
    return about(condition.workload)


def finding(metric: Metric, rows: Sequence[Row]) -> str:
    """Say who is best at the most connections that *rows*, of one panel, were measured with.

    A strategy that leaves clients without any answer cannot be the best of them, and nobody is
    who shares the first tier.
    """
    measured = [row for row in rows if row.status == "ok" and not row.condition.is_control]
    if not measured:
        return "nothing could be measured"
    most = max(row.condition.connections for row in measured)
    last = [row for row in measured if row.condition.connections == most]
    last = [row for row in last if row.judgement not in UNRANKED]
    fair = [row for row in last if not row.starves]
    at = f"at {most:,} {plural(most, 'connection')}"
    if not last:
        return f"{at}, the driver was the limit"
    if not fair:
        return f"{at}, nobody answers every client"
    best, *others = sorted(fair, key=metric.median, reverse=metric.more_is_better)
    if any(row.starves and level_or_ahead(row, best, metric) for row in last):
        at += ", open markers aside"
    name, value = best.condition.strategy, f"{metric.text(best)} {at}"
    if len(last) == 1:
        return f"{name}: {value}"
    if not others:
        return f"only {name} answers every client: {value}"
    if best.rounds < 2:  # whoever comes first in one round need not in the next
        return f"{name} came first in the only round: {value}"
    if near := tiers(fair, metric)[0][1:]:
        beside = near[0].condition.strategy if len(near) == 1 else f"{len(near)} others"
        return f"no clear difference between {name} and {beside}: about {value}"
    return f"{name} {'leads' if metric.more_is_better else 'is fastest'}: {value}"


def level_or_ahead(row: Row, best: Row, metric: Metric) -> bool:
    """Tell whether *row* is not clearly worse than *best*."""
    told = compare(best, row, metric)
    return not (told.ahead if metric.more_is_better else told.behind)


def notes(rows: Sequence[Row]) -> list[str]:
    """Say, in one sentence each, what the lines of a panel leave out or must not hide."""
    starved = {  # of each strategy the row with the most connections
        row.condition.strategy: served(row).replace(" ", NO_BREAK)
        for row in sorted(rows, key=lambda row: row.condition.connections)
        if row.starves
    }
    found = [shorten(trouble, TROUBLE_LENGTH) for trouble in troubles(rows)]
    for judgement, points in doubts(rows).items():
        whole = len(points) == sum(row.status == "ok" for row in rows) > 1
        who = "every point" if whole else enumerate_few(points)
        found.append(f"{judgement}, says the measurement of itself: {who}")
    if starved:
        who = enumerate_few([f"{name}{NO_BREAK}{count}" for name, count in starved.items()])
        found.insert(0, f"Open marker: only some clients ever got an answer ({who}).")
    return found


def served(row: Row) -> str:
    """Say how many clients of *row* ever got an answer: ``8 of 32``, or ``all``."""
    return f"{row.clients_served:,} of {row.condition.connections:,}" if row.starves else "all"


def troubles(rows: Sequence[Row]) -> list[str]:
    """Say which of *rows* did not measure a server, or not in every round, and why."""
    levels: dict[tuple[str, str, str], list[str]] = {}
    limited: dict[str, list[str]] = {}
    for row in rows:
        at, who = f"{row.condition.connections:,}", row.condition.strategy
        if row.failed_rounds and row.reason.startswith(DRIVER_BOUND):
            limited.setdefault(who, []).append(at)
        elif row.failed_rounds:
            levels.setdefault((who, row.status, row.reason), []).append(at)
    texts = {"ok": "at {} does not count in some rounds", "failed": "at {} does not count"}
    found = [
        f"{name} {texts.get(status, 'cannot run here').format(', '.join(at))}: {reason}"
        for (name, status, reason), at in levels.items()
    ]
    if limited:
        who = "; ".join(f"{name} at {', '.join(at)}" for name, at in limited.items())
        found.append(f"the driver was the limit in some rounds, which do not count: {who}")
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


def doubts(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the points of *rows* that may not be the server's own, by what they were judged."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.status == "ok" and row.judgement not in ("", SERVER_BOUND):
            at = f"{row.condition.strategy} at {row.condition.connections:,}"
            found.setdefault(row.judgement, []).append(at)
    return found


def enumerate_few(things: list[str]) -> str:
    """Return the first of *things*, at most `FEW`, and how many there are beyond them."""
    more = [f"and {len(things) - FEW} more"] if len(things) > FEW else []
    return ", ".join(things[:FEW] + more)


def shorten(text: str, length: int) -> str:
    """Return the first line of *text*, cut with an ellipsis behind *length* characters."""
    line = text.partition("\n")[0].strip()
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def break_name(name: str) -> list[str]:
    """Return *name* in lines of at most `NAME_LENGTH`, broken behind colons and commas only."""
    if len(name) <= NAME_LENGTH:
        return [name]
    strategy, colon, options = name.partition(":")
    lines = [strategy + colon]
    for option in options.split(",") if options else []:
        if len(lines) > 1 and len(lines[-1]) + len(option) < NAME_LENGTH:
            lines[-1] += f",{option}"
        else:
            lines.append(option)
    return lines


def plural(count: int, noun: str) -> str:
    """Return *noun* for *count* of them."""
    return noun if count == 1 else f"{noun}s"


def footer(run: Run) -> str:
    """Say how, where and with what *run* was measured, in one paragraph."""
    plan, machine, versions = run.plan, run.machine, run.versions
    reuses = " and ".join(REUSE[reuse] for reuse in plan.reuses)
    count = max((measurement.round for measurement in run.measurements), default=plan.rounds)
    rounds = f"{count} {plural(count, 'round')} of {format_seconds(plan.duration_s)}"
    if count == 1:
        spread = "one round shows no spread"
    elif count < INTERVAL_ROUNDS:
        spread = "bars behind them: lowest to highest"
    else:
        spread = "bars behind them: where the median lies, at 95%"
    beside = ", side by side for each number of connections" if len(plan.connections) > 1 else ""
    cores = f"{machine.get('cores', '?')} {plural(machine.get('cores', 0), 'core')}"
    virtual = ", virtual" if machine.get("virtual") else ""
    load = [rounds, reuses]
    if plan.rate is not None:
        load.append(
            f"an open loop of {plan.rate:,.6g} requests per second, {plan.arrivals} arrivals"
        )
    if plan.behaviours:
        load.append(f"beside clients {', '.join(plan.behaviours)}")
    parts = [
        f"Run {run.name}: {', '.join(load)}, seed {plan.seed}.",
        f"Markers{beside}: median of the rounds; {spread}.",
        f"{machine.get('cpu', 'Unknown processor')}, {cores}{virtual}.",
        f"{machine.get('system', 'Unknown system')} {machine.get('kernel', '')},",
        f"{versions.get('implementation', 'Python')} {versions.get('python', '')},",
        f"calcbench {versions.get('calcbench', '')}.",
    ]
    if run.pinning.note:
        parts.append(f"{run.pinning.note[0].upper()}{run.pinning.note[1:]}.")
    return " ".join(parts)
