"""The words that the table, the charts and the conclusions have in common."""

import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.judgements import CONTENDED, DRIVER_BOUND, SILENT, UNSTEADY
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.units import format_number, format_rate

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
    DRIVER_BOUND: ("‡", "the driver was the limit, so not ranked"),
    SILENT: ("§", "no response came in half of the window or more, so not ranked"),
    CONTENDED: ("*", "another program was using the cores"),
    UNSTEADY: ("†", "the rate did not settle within the window"),
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


def load_in_words(rows: Iterable[Row], connections: int) -> str:
    """Say what load *rows* had at so many *connections*, of which an open loop may use fewer."""
    clients = f"{format_number(connections)} {plural(connections, 'connection')}"
    rates = sorted({row.offered_per_s for row in rows if row.offered_per_s})
    if not rates:
        return clients
    return f"{' and '.join(map(format_rate, rates))} over at most {clients}"


def mark(row: Row) -> str:
    """Return what stands before a figure of *row* that may not be the server's own, or nothing."""
    return DOUBTS.get(row.judgement, ("",))[0]


def marks(judgements: Collection[str]) -> list[str]:
    """Say what the marks of those of *judgements* mean that have one."""
    return [f"{sign} {name}: {what}" for name, (sign, what) in DOUBTS.items() if name in judgements]


def served(row: Row) -> str:
    """Say how many clients of *row* got a right response: ``8 of 32``, or ``all``."""
    return f"{row.clients_served:,} of {row.condition.connections:,}" if row.starves else "all"


def enumerate_few(things: list[str]) -> str:
    """Return the first of *things*, at most `FEW`, and how many there are beyond them."""
    more = [f"and {len(things) - FEW:,} more"] if len(things) > FEW else []
    return ", ".join(things[:FEW] + more)


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


def plural(count: int, noun: str) -> str:
    """Return *noun* for *count* of them."""
    return noun if count == 1 else f"{noun}s"
