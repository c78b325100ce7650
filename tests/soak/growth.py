"""What many connections of all kinds leave behind in a server: descriptors, threads, memory."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from time import monotonic, sleep

from calcbench.core.serving.launcher import ServerSpec, launch
from soak.crowd import GET, GET_ONCE, Client, Crowd
from soak.footprint import Footprint, footprint
from soak.outcome import Column, Row, Table, change, wrong_end

CONNECTIONS = 20_000
WARM_UP = 1_000  # connections before the first look: whatever is made once, is made by then
AT_ONCE = 32
MALFORMED = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\nbad field\r\n\r\n"
# Half-open connections end by a deadline alone; it is short, as one may hold up a whole server.
POLICY = ("head_timeout=0.1", "linger_timeout=0.1", "idle_timeout=2")
HALF_OPEN_EVERY = 200  # connections; each costs a strategy without room the whole deadline
LONGEST_S = 90.0  # for all connections of one strategy
QUIET_S = 4.0  # for the last to go, and their threads
LEAK_KIB = 8 * 1024  # 400 bytes for each connection; less may be the allocator's
COLUMNS = (
    Column("strategy", 18, words=True),
    Column("connections", 11),
    Column("in", 7),
    Column("unanswered", 10),
    Column("processes", 9),
    Column("threads", 8),
    Column("descriptors", 11),
    Column("RSS, KiB", 22),
    Column("PSS, KiB", 22),
    Column("stops in", 9),
)
TITLE = f"""\
What is held before and after many connections, as far as they come in {LONGEST_S:g} s, {AT_ONCE} at
a time: kept for three requests, closed, reset, half-closed, pipelined and malformed in turn, and
one of {HALF_OPEN_EVERY} half-open."""

Begin = Callable[[Crowd], Client]


def kept(crowd: Crowd) -> Client:
    """Begin a connection that is kept for three requests, one after the other."""

    def ask_or_leave(client: Client) -> None:
        if client.whole < 3 and not client.dismissed:
            crowd.say(client, GET, 1)
        else:
            crowd.leave(client)

    client = crowd.join(GET, 1)
    client.on_response = ask_or_leave
    return client


def closed(crowd: Crowd) -> Client:
    """Begin a connection that the server closes behind its response."""
    return crowd.join(GET_ONCE, 1)


def reset(crowd: Crowd) -> Client:
    """Begin a connection that is reset as soon as there is a response, the second half asked."""
    client = crowd.join(GET + GET[:20], 1)
    client.on_response = crowd.reset
    return client


def half_closed(crowd: Crowd) -> Client:
    """Begin a connection whose client has sent its last byte, and waits for the rest."""

    def ask_the_last(client: Client) -> None:
        if client.whole == 1 and not client.dismissed:
            crowd.say(client, GET, 1)
            crowd.half_close(client)

    client = crowd.join(GET, 1)
    client.on_response = ask_the_last
    return client


def half_open(crowd: Crowd) -> Client:
    """Begin a connection of which nothing is heard any more, in the middle of a head."""
    return crowd.join(GET[:20])


def pipelined(crowd: Crowd) -> Client:
    """Begin a connection with ten requests in one piece."""
    return crowd.join(GET * 9 + GET_ONCE, 10)


def malformed(crowd: Crowd) -> Client:
    """Begin a connection that the server must refuse."""
    return crowd.join(MALFORMED, 1)


KINDS: tuple[Begin, ...] = (kept, closed, reset, half_closed, pipelined, malformed)


def mixed() -> Iterator[Begin]:
    """Yield how each connection is to begin, without end."""
    for number, kind in enumerate(cycle(KINDS), 1):
        yield half_open if number % HALF_OPEN_EVERY == 0 else kind


def table(strategies: Sequence[str], connections: int = CONNECTIONS) -> Table:
    """Return the table of what *connections* leave behind in each of *strategies*."""
    return Table(TITLE, COLUMNS, (observe(name, connections) for name in strategies))


def observe(strategy: str, connections: int) -> Row:
    """Look at a server of *strategy*, let *connections* come and go, and look again."""
    with launch(ServerSpec(strategy, policy=POLICY)) as server:
        address = (server.host, server.port)
        come_and_go(address, WARM_UP, LONGEST_S)
        before = at_rest(server.pid, None)
        began = monotonic()
        came, unanswered = come_and_go(address, connections, LONGEST_S)
        took = monotonic() - began
        after = at_rest(server.pid, before)
        died = server.died()
        began = monotonic()
        stopped = server.stop()
        seconds = monotonic() - began
    found = broken(before, after, unanswered)
    if died:
        found.append(f"the server died, with status {stopped.status}")
    else:
        found += wrong_end(stopped.status, stopped.killed, stopped.clean, seconds)
    cells = (
        strategy,
        f"{came:,}",
        f"{took:.1f} s",
        f"{unanswered:,}",
        change(before.processes, after.processes),
        change(before.threads, after.threads),
        change(before.descriptors, after.descriptors),
        change(before.rss_kib, after.rss_kib),
        change(before.pss_kib, after.pss_kib),
        f"{seconds:.2f} s",
    )
    where = f"{strategy}, after {came:,} connections"
    return Row(cells, tuple(f"{where}: {what}" for what in found))


def broken(before: Footprint, after: Footprint, unanswered: int) -> list[str]:
    """Return what is wrong with a server that held *before* and then *after*."""
    found = []
    for what, was, now in (
        ("processes", before.processes, after.processes),
        ("threads", before.threads, after.threads),
        ("descriptors", before.descriptors, after.descriptors),
    ):
        if was != now:
            found.append(f"{now} {what} instead of {was}")
    grown = after.pss_kib - before.pss_kib
    if grown > LEAK_KIB:
        found.append(f"{grown:,} KiB more memory")
    if unanswered:
        found.append(f"{unanswered:,} clients got no response")
    return found


def come_and_go(address: tuple[str, int], connections: int, seconds: float) -> tuple[int, int]:
    """Let *connections* come and go, within *seconds*; return how many came, and in vain.

    In vain came who is still without a response when its connection has ended, or when time is up.
    """
    came = unanswered = 0
    end = monotonic() + seconds
    with Crowd(*address) as crowd:
        for begin in islice(mixed(), connections):
            if not crowd.wait(lambda: crowd.present < AT_ONCE, end - monotonic()):
                break
            begin(crowd)
            came += 1
            if came % 1_000 == 0:
                unanswered += sum(client.waiting for client in crowd.forget_the_closed())
        crowd.wait(lambda: crowd.present == 0, max(0.0, end - monotonic()) + QUIET_S)
        unanswered += sum(client.waiting for client in crowd.clients)
    return came, unanswered


def at_rest(group: int, before: Footprint | None) -> Footprint:
    """Return the footprint of *group* when it holds no more than *before*, or after a while."""
    end = monotonic() + QUIET_S
    seen = footprint(group)
    while monotonic() < end:
        sleep(0.2)
        last, seen = seen, footprint(group)
        same = (seen.processes, seen.threads, seen.descriptors)
        goal = before or last
        if same == (goal.processes, goal.threads, goal.descriptors):
            break
    return seen
