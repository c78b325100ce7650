"""What is said of a watched server: a line for each worker and each connection, in few words.

Pure: a state in, lines out, at most as many as there is room for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.classroom.watch import SECOND_NS, Open, Watched
from calcbench.bench.system.terminal import one_line
from calcbench.bench.system.threads import Doing, ThreadState
from calcbench.bench.units import format_count, format_rate
from calcbench.bench.views.wording import enumerate_names
from calcbench.core.serving.lifecycle import Kind

ACTIVE_NS = SECOND_NS  # a client that has been served in the last second is not called silent
WAITS, HOLDS, CALM = "yellow", "red", ""  # styles of lines
NEW, SERVED = "just connected", "served just now"
LASTING = (Kind.BEGUN, Kind.HANDLED)  # what may last: a handler, and a response that is not read
# What a connection is up to, by the last that was heard of it.
PHASES = {
    Kind.OPENED: "silent for {}",
    Kind.FIRST_OCTET: "its request is not complete for {}",
    Kind.PARSED: "its request waits for its turn for {}",
    Kind.BEGUN: "its request is handled for {}",
    Kind.HANDLED: "does not read its response for {}",
    Kind.WRITTEN: "silent for {}",
}
HANDLING = {  # what a handler does, by what its thread does
    Doing.SLEEPS: "its handler sleeps for {}",
    Doing.RUNS: "its handler computes for {}",
}
IO_WAIT = "its response waits for I/O for {}"  # and the thread serves others
WORDS = {
    Doing.ACCEPTS: "waits in accept for a new client",
    Doing.WAITS_FOR_ONE: "waits for a client",
    Doing.WAITS_FOR_ANY: "waits for whoever speaks first",
    Doing.WAITS_FOR_WORK: "waits for work",
    Doing.SLEEPS: "sleeps",
    Doing.RUNS: "is at work",
    Doing.UNKNOWN: "waits",
}
ACCEPTED, BACKLOG = "is accepted and waits for a worker", "waits in the backlog"
BLOCKED = "waits for another thread"


@dataclass(frozen=True)
class Line:
    """A line: its *text*, the same without what changes from moment to moment, and its *style*.

    *sort* names what it is about in a count of those for which there is no room.
    """

    text: str
    steady: str
    style: str = CALM
    sort: str = ""


GAP = Line("", "")


def say_duration(nanoseconds: int) -> str:
    """Return how long something has lasted: ``under 1 s``, ``12 s``, ``1 min 20 s``."""
    minutes, seconds = divmod(max(nanoseconds, 0) // SECOND_NS, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "under 1 s"


def screen(servers: Sequence[tuple[str, Watched]], rows: int, columns: int) -> list[Line]:
    """Return what to show of *servers*, each with its title, in *rows* lines of *columns*."""
    shown: list[Line] = []
    for place, (title, server) in enumerate(servers):
        room = (rows - len(shown)) // (len(servers) - place)
        shown += section(title, server, room)[:room]
    return [Line(cut(line.text, columns), line.steady, line.style) for line in shown]


def cut(text: str, columns: int) -> str:
    """Return *text* in one line of at most so many *columns*."""
    text = one_line(text)
    return text if len(text) <= columns else text[: max(columns - 1, 0)] + "…"


def section(title: str, server: Watched, rows: int) -> list[Line]:
    """Return what to show of one *server*: its title, a summary, its workers, its connections."""
    head = [Line(title, title, "bold"), *(Line(text, "") for text in summary(server))]
    if rows < len(head) + 2:
        return head
    workers, clients = worker_lines(server), client_lines(server)
    room = rows - len(head)
    if len(workers) + len(clients) + 2 <= room:
        return [*head, GAP, *workers, GAP, *clients]
    if len(workers) + len(clients) > room:
        workers = shorten(workers, max(room // 3, room - len(clients), 1))
    clients = shorten(clients, max(room - len(workers), 1))
    return [*head, *workers, *clients]


def summary(server: Watched) -> list[str]:
    """Say in one line how many there are of what; and in another what is not known, if anything."""
    waiting = len(server.backlog) + len(server.queued)
    parts = [format_count(len(server.connections), "connection"), f"{waiting:,} waiting"]
    parts.append(f"serves {format_rate(round(server.per_second))}")
    if server.share > 1:
        parts.append(f"one of {server.share:,} requests is seen")
    unknown = []
    if not server.knows_backlog:
        unknown.append("who waits in the backlog")
    if server.threads is None:
        unknown.append("what each thread does")
    notes = [f"this system does not tell {enumerate_names(unknown)}"] if unknown else []
    return ["; ".join(parts), *notes]


def worker_lines(server: Watched) -> list[Line]:
    """Return a line for each thread of *server*, as far as the system tells of threads."""
    holders = server.holders()
    lines = []
    for number, thread in (server.threads or {}).items():
        one = holders.get(number)
        said = f"is held by #{one.number}" if one else say_doing(thread)
        text = f"{server.name_of(thread.pid, number)} {said}"
        lines.append(Line(text, text, HOLDS if one else CALM, "held" if one else "free"))
    return lines


def say_doing(thread: ThreadState) -> str:
    """Say what a *thread* is doing that nobody holds."""
    if thread.doing is Doing.WAITS_FOR_WORK and thread.number == thread.pid:
        return BLOCKED  # the first thread gives work and gets none
    return WORDS[thread.doing]


def client_lines(server: Watched) -> list[Line]:
    """Return a line for each connection of *server*, and for each client that waits for one."""
    holders = server.holders()
    connections = [
        say_connection(server, one, holds=holders.get(one.thread) is one)
        for one in sorted(server.connections.values(), key=lambda one: one.number)
    ]
    lost = [
        Line(f"#{number} is lost: {worker} is gone", f"#{number} is lost", WAITS, "lost")
        for number, (_, worker) in server.lost.items()
    ]
    number = server.last_number
    waiting = []
    for since in server.queued:
        number += 1
        waiting.append(say_waiting(server, number, since, ACCEPTED, "accepted"))
    for since in server.backlog.values():
        number += 1
        waiting.append(say_waiting(server, number, since, BACKLOG, "in the backlog"))
    return [*lost, *connections, *waiting]


def say_waiting(server: Watched, number: int, since_ns: int, where: str, sort: str) -> Line:
    """Say of the client that will be *number* *where* it waits, and for how long."""
    text = f"#{number} {where}"
    return Line(f"{text} for {say_duration(server.now_ns - since_ns)}", text, WAITS, sort)


def say_connection(server: Watched, one: Open, *, holds: bool) -> Line:
    """Say what connection *one* is up to, and whether it *holds* a worker."""
    phase, sort = phase_of(server, one, holds=holds)
    if server.threads is None and not holds:
        steady = f"#{one.number}: {phase}"
    else:
        held = server.name_of(one.pid, one.thread) if holds else "no thread"
        steady = f"#{one.number} holds {held}, {phase}"
    text = steady.format(say_duration(server.now_ns - one.since_ns))
    if sort == "silent" and one.request:
        text += f", after {format_count(one.request, 'request')}"
    style = HOLDS if holds and sort != "active" else CALM
    return Line(text, steady.partition(" for {}")[0], style, sort)


def phase_of(server: Watched, one: Open, *, holds: bool) -> tuple[str, str]:
    """Return what connection *one* is up to, with room for how long, and what to count it as."""
    lasted_ns = server.now_ns - one.since_ns
    if lasted_ns < ACTIVE_NS and one.kind not in LASTING:
        return NEW if one.kind is Kind.OPENED else SERVED, "active"
    if server.share > 1 and one.kind in (Kind.OPENED, Kind.WRITTEN):
        return "last seen {} ago", "active"  # its requests since may not have been traced
    if one.kind is Kind.BEGUN:
        doing = server.doing(one.thread)
        if holds and doing in HANDLING:
            return HANDLING[doing], "handled"
        if not holds and doing is not None:
            return IO_WAIT, "handled"
    return PHASES[one.kind], "silent" if one.kind in (Kind.OPENED, Kind.WRITTEN) else "handled"


def shorten(lines: list[Line], room: int) -> list[Line]:
    """Return at most *room* of *lines*; the last says how many more there are, and of what.

    Those that hold or wait are kept before others, and all stay in their order.
    """
    if len(lines) <= room:
        return lines
    order = {HOLDS: 0, WAITS: 1, CALM: 2}
    ranked = sorted(range(len(lines)), key=lambda place: (order[lines[place].style], place))
    kept = set(ranked[: room - 1])
    left = Counter(line.sort for place, line in enumerate(lines) if place not in kept)
    counts = ", ".join(f"{count:,} {sort}" for sort, count in left.most_common())
    more = f"and {left.total():,} more: {counts}"
    return [*(line for place, line in enumerate(lines) if place in kept), Line(more, "")]


def changes(before: dict[str, str], lines: Sequence[Line]) -> tuple[dict[str, str], list[str]]:
    """Return what *lines* say now of each subject, and the texts of those that say another thing.

    *before* is what was said of each subject at the last call; it is told who is gone as well.
    """
    now = {line.steady.partition(" ")[0].rstrip(":"): line for line in lines}
    told = {subject: line.steady for subject, line in now.items()}
    changed = [line.text for subject, line in now.items() if before.get(subject) != line.steady]
    changed += [f"{subject} is gone" for subject in before if subject not in told]
    return told, changed
