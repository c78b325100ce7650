"""The words that the table, the charts and the conclusions have in common."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.arrivals import CONSTANT
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.judgements import CONTENDED, DRIVER_BOUND, SILENT, UNSTEADY
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.units import format_rate, plural

NAME_LENGTH = 22  # characters of a strategy's name in one line
NO_BREAK = "\u00a0"  # a space at which a line does not end
FEW = 5  # names in one sentence
ABOUT = {
    "add": "the calculator alone",
    "wait": "each response waits {} for simulated I/O",
    "cpu": "each response takes {} of computing",
    "block": "each response sleeps {} where it is handled",
}
# What stands before the rate of a point that may not be the server's own, and what it says.
DOUBTS = {
    DRIVER_BOUND: ("≥", "the driver was the limit, so the server can do this or more"),
    SILENT: ("§", "no right response came in half of the window or more, so not ranked"),
    CONTENDED: ("*", "another program was using the cores"),
    UNSTEADY: ("†", "the rate did not settle within the window"),
}
DOUBTED = {CONTENDED: "disturbed", UNSTEADY: "unsteady", SILENT: "silent"}  # in a word
FAILED = {  # what became of a request that did not get its right response
    "wrong": "wrong",
    "http_error": "with an error status",
    "refused": "refused",
    "reset": "reset",
    "timed_out": "timed out",
}
REUSE = {KEEP_ALIVE: "connections kept alive", CLOSE: "a new connection for each request"}


def about(workload: str) -> str:
    """Say what *workload* asks of a server: ``wait=10ms: each response waits 10 ms for …``."""
    kind, _, length = workload.partition("=")
    number = length.rstrip("mus")
    sentence = ABOUT.get(kind, "").format(f"{number} {length[len(number) :]}".replace("us", "µs"))
    return f"{workload}: {sentence}" if sentence else workload


def panels(rows: Iterable[Row]) -> dict[Condition, list[Row]]:
    """Return *rows* by what one panel or table shows: all strategies and numbers of connections."""
    return group_by(rows, lambda row: row.condition, "strategy", "connections")


def panel_heading(condition: Condition, plan: Plan) -> str:
    """Return the heading of the panel that *condition* belongs to."""
    if len(plan.reuses) > 1:
        return f"{condition.workload}, {REUSE[condition.reuse]}"
    return about(condition.workload)


def users_in_words(plan: Plan, levels: Collection[int] = ()) -> str:
    """Say who asks where users think: ``300 users who think 1 s``, at *levels* of them if given."""
    number = f"{next(iter(levels)):,} " if len(levels) == 1 else ""
    who = "user who thinks" if set(levels) == {1} else "users who think"
    average = "" if plan.thinking == CONSTANT else " on average"
    length = f"{plan.think_s:.10g} s" if plan.think_s >= 1 else f"{1000 * plan.think_s:.10g} ms"
    return f"{number}{who} {length}{average}"


def clients_noun(rows: Iterable[Row]) -> str:
    """Return what counts the clients of *rows*, in the singular: users, or connections."""
    return "user" if any(row.think_s for row in rows) else "connection"


def load_in_words(rows: Sequence[Row], connections: int) -> str:
    """Say what load *rows* had at so many *connections*, of which an open loop may use fewer."""
    clients = f"{connections:,} {plural(connections, clients_noun(rows))}"
    rates = sorted({row.offered_per_s for row in rows if row.offered_per_s})
    if not rates:
        return clients
    return f"{' and '.join(map(format_rate, rates))} over at most {clients}"


def mark(row: Row) -> str:
    """Return what stands before a figure of *row* that may not be the server's own, or nothing."""
    return DOUBTS.get(doubt_of_rate(row), ("",))[0]


def doubt_of_rate(row: Row) -> str:
    """Return the judgement that tells whose the rate of *row* is, or nothing where it is exact."""
    if row.throughput.at_least:
        return DRIVER_BOUND
    return "" if row.judgement == DRIVER_BOUND else row.judgement


def answered(row: Row) -> str:
    """Say which part of the requests of *row* got a right response: ``52%``, never all of some."""
    texts = (f"{row.answered_ratio:.{digits}%}" for digits in range(9))
    return next(text for text in texts if row.answered_ratio == 1 or float(text[:-1]) < 100)


def marks(judgements: Collection[str]) -> list[str]:
    """Say what the marks of those of *judgements* mean that have one."""
    return [f"{sign} {name}: {what}" for name, (sign, what) in DOUBTS.items() if name in judgements]


def served(row: Row) -> str:
    """Say how many clients of *row* got a right response: ``8 of 32``, or ``all``."""
    return f"{row.clients_served:,} of {row.condition.connections:,}" if row.starves else "all"


def rounds_in_words(numbers: Sequence[int]) -> str:
    """Return the rounds with these *numbers*: ``round 2``, ``rounds 2 and 5``."""
    return f"{plural(len(numbers), 'round')} {enumerate_names([f'{n:,}' for n in numbers])}"


def enumerate_few(things: list[str]) -> str:
    """Return the first of *things*, at most `FEW`, and how many there are beyond them."""
    more = [f"and {len(things) - FEW:,} more"] if len(things) > FEW else []
    return ", ".join(things[:FEW] + more)


def enumerate_names(names: list[str]) -> str:
    """Return *names* as English lists them: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cut_line(text: str, length: int) -> str:
    """Return the first line of *text*, cut with an ellipsis behind *length* characters."""
    line = text.partition("\n")[0].strip()
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def shorten(text: str, length: int, mark: str = "…") -> str:
    """Return *text*, with a *mark* in the middle for what is beyond *length* characters.

    Names that are long, such as URLs, differ at their ends more often than in between.
    """
    if len(text) <= length:
        return text
    kept = max(length - len(mark), 0)
    return text[: kept - kept // 2] + mark + text[len(text) - kept // 2 :]


def shorten_names(names: Iterable[str], length: int) -> dict[str, str]:
    """Return each of *names* in lines of at most *length*, no two of them the same text.

    Where what makes them differ was cut out, the mark that stands for it has a number.
    """
    known = list(dict.fromkeys(names))
    texts: dict[str, str] = {}
    whole = [name for name in known if max(map(len, break_name(name))) <= length]
    for name in dict.fromkeys((*whole, *known)):  # those that need no cut keep their names
        for number in itertools.count(1):
            mark = "…" if number == 1 else f"…{number}…"
            text = "\n".join(shorten(line, length, mark) for line in break_name(name))
            if text not in texts.values():
                texts[name] = text
                break
    return {name: texts[name] for name in known}


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


def describe_processor(machine: Mapping[str, Any], cores: str) -> str:
    """Say what *machine* computes with: ``A processor, 2 cores, virtual``.

    *cores* is the key of how many there are. A result file may lack all of it.
    """
    count = machine.get(cores, "?")
    virtual = ", virtual" if machine.get("virtual") else ""
    return f"{machine.get('cpu', 'Unknown processor')}, {count} {plural(count, 'core')}{virtual}"


def percent_of(ratio: float) -> str:
    """Return which part of all a *ratio* is: ``5.0%``; never none or all where it is not."""
    if 0 < ratio < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < ratio < 1 else f"{ratio:.1%}"


def count_failures(outcomes: Outcomes) -> str:
    """Say how many of the requests with these *outcomes* failed in which way, or nothing."""
    return ", ".join(
        f"{count:,} {words}" for way, words in FAILED.items() if (count := getattr(outcomes, way))
    )


def describe_failures(row: Row) -> str:
    """Say which part of the requests of *row* failed, how many in which way, and whose fault."""
    outcomes = row.all_outcomes
    if not outcomes.failed:
        return "none"
    counts = count_failures(outcomes)
    if row.unsent:
        whose = "all" if row.unsent == outcomes.failed else f"{row.unsent:,} of them"
        counts += f"; {whose} because the driver sent them too late"
    return f"{percent_of(outcomes.failed_ratio)} of the requests ({counts})"
