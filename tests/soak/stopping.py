"""How long a server takes to stop while clients are idle, busy or slow, and what they get.

A client is owed a response if it had been accepted and had sent a whole request before the stop,
and its connection was closed while the deadline would have allowed a response. Whoever is in the
backlog, because the strategy has no room, only waits; so does one that cannot even connect.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from os import killpg
from signal import SIGTERM
from threading import Thread
from time import monotonic

from calcbench.core.http.limits import Policy
from calcbench.core.options import parse_options
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from soak.crowd import GET, Client, Crowd
from soak.footprint import accepted_ports
from soak.outcome import Column, Row, Table, wrong_end

COUNTS = (1, 100, 1_000, 10_000)
PIPELINING = 32  # clients that pipeline
PIPELINE = GET * 400  # more than one read: 15 KB
# The client of 150 bytes: none of its pieces ends a phase too late, and all of them together do.
# An empty line may stand before a request; half of it is no request yet.
HALF = b"\r"
PIECES = (
    b"\nPOST /calc HTTP/1.1\r\nHost: soak\r\n",
    b'Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"op": "mult", "arg1"',
    b': 2, "arg2":',
)
EVERY_S = 2.6  # between two pieces of a slow client; the first comes so long after the stop
# Where nobody leaves for idling, all that are asked for can be there at once.
POLICY = ("idle_timeout=120", "head_timeout=120", "body_timeout=120")
GATHER_S = 8.0  # at most, to connect, to be accepted, and to be served once
BUSY_S = 0.5  # that clients ask and ask again before the stop
LONGEST_S = 40.0  # for a stop; the launcher kills long before
EARLY = 0.9  # of the deadline: whoever is closed before that was not closed for it
COLUMNS = (
    Column("strategy", 18, words=True),
    Column("clients", 32, words=True),
    Column("served", 7),
    Column("waiting", 7),
    Column("stops in", 9),
    Column("ended", 12, words=True),
    Column("in flight", 9),
    Column("whole", 7),
    Column("late", 7),
    Column("lost", 6),
    Column("cut", 5),
)
TITLE = f"""\
Time to stop, from asking to the end of the process. Clients are served if the server has accepted
them, else waiting. Of those served who had a request in flight at the stop: how many got a whole
response; were late, closed at the deadline; were lost, closed before it without a response; were
cut, within one. Slow clients go on after the stop, with a piece every {EVERY_S} s."""


@dataclass(frozen=True)
class Kind:
    """A kind of clients: what each says at first, under which workload, and what it does then.

    *asks* requests are in *first*. Those who *repeat* ask again when they have their responses; the
    others are left until whoever can be served has been. *pieces* follow after the stop.
    With *nothing_begun*, there is nothing that a stop should wait for. *terminated*: as a service
    manager stops `serve`, with SIGTERM to all of its processes at once.
    """

    name: str
    first: bytes
    asks: int
    workload: str = "add"
    repeat: bool = False
    pieces: tuple[bytes, ...] = ()
    nothing_begun: bool = False
    terminated: bool = False


IDLE = Kind("idle", GET, 1, nothing_begun=True)
BLOCK = Kind("busy, block=10ms", GET, 1, "block=10ms", repeat=True)
ADD = Kind("busy, add", GET, 1, repeat=True)
SLOW = Kind("slow, in a head", GET[:20], 0, pieces=(GET[20:30], GET[30:35], GET[35:]))
DRIP = Kind("slow, from phase to phase", HALF, 0, pieces=PIECES)
PIPELINED_BLOCK = Kind("pipelining, block=10ms", PIPELINE, 400, "block=10ms", repeat=True)
PIPELINED_ADD = Kind("pipelining, add", PIPELINE, 400, repeat=True)
TERMINATED = Kind("busy, SIGTERM to all", GET, 1, "block=10ms", repeat=True, terminated=True)
KINDS = (IDLE, BLOCK, ADD, DRIP)
OTHERS = (
    (100, SLOW),
    (100, TERMINATED),
    (PIPELINING, PIPELINED_BLOCK),
    (PIPELINING, PIPELINED_ADD),
)
QUICK_KINDS = (IDLE, DRIP)


@dataclass(frozen=True)
class Stop:
    """What was seen of one stop."""

    strategy: str
    clients: str
    served: int
    waiting: int
    seconds: float
    status: int
    killed: bool
    clean: bool  # it neither printed nor raised anything that a server should not
    in_flight: int
    whole: int
    late: int
    lost: int
    cut: int
    allowed_s: float = inf

    @property
    def broken(self) -> tuple[str, ...]:
        """A line for each requirement that this stop breaks."""
        found = wrong_end(self.status, self.killed, self.clean, self.seconds)
        if self.seconds > self.allowed_s and not self.killed:
            found.append(f"took {self.seconds:.1f} s, with nothing under way")
        if self.lost:
            found.append(f"{self.lost:,} requests in flight got nothing, before the deadline")
        if self.cut:
            found.append(f"{self.cut:,} responses were cut")
        return tuple(f"{self.strategy}, stop with {self.clients}: {what}" for what in found)

    @property
    def row(self) -> Row:
        """This stop as a line of the table."""
        ended = "killed" if self.killed else f"status {self.status}"
        counts = (self.in_flight, self.whole, self.late, self.lost, self.cut)
        cells = (
            self.strategy,
            self.clients,
            f"{self.served:,}",
            f"{self.waiting:,}" if self.waiting else "-",
            f"{self.seconds:.2f} s",
            ended,
            *(f"{count:,}" if count else "-" for count in counts),
        )
        return Row(cells, self.broken)


def table(
    strategies: Sequence[str], counts: Sequence[int] = COUNTS, kinds: Sequence[Kind] = KINDS
) -> Table:
    """Return the table of the stops of *strategies*, with *counts* of *kinds*, and others."""
    return Table(TITLE, COLUMNS, rows(strategies, counts, kinds))


def rows(strategies: Sequence[str], counts: Sequence[int], kinds: Sequence[Kind]) -> Iterator[Row]:
    """Stop each of *strategies* under each of *kinds*, in each of *counts*, and under OTHERS."""
    for strategy in strategies:
        for kind in kinds:
            for count in counts:
                yield observe(strategy, kind, count).row
        for count, kind in OTHERS:
            yield observe(strategy, kind, count).row


def observe(strategy: str, kind: Kind, count: int) -> Stop:
    """Stop a server of *strategy* with *count* clients of *kind*."""
    spec = ServerSpec(strategy, workload=kind.workload, policy=POLICY)
    with launch(spec) as server, Crowd(server.host, server.port) as crowd:
        clients = crowd.gather(count, GATHER_S)
        # All are to be accepted before the first asks: what they ask for may keep the server busy.
        wait_until_accepted(server, crowd, clients)
        for client in clients:
            if kind.repeat:
                keep_busy(crowd, client, kind)
            crowd.say(client, kind.first, kind.asks)
        if kind.repeat:
            crowd.wait(lambda: False, BUSY_S)
            for client in crowd.clients:
                client.on_response = client.on_end = None
        else:
            asked = sum(client.asked for client in clients)
            crowd.settle(
                lambda: crowd.responses, lambda: crowd.responses >= asked, monotonic() + GATHER_S
            )
        crowd.forget_the_closed()
        return stop(server, crowd, kind, count)


def wait_until_accepted(server: Server, crowd: Crowd, clients: Sequence[Client]) -> None:
    """Wait until *server* has accepted all of *clients*, or as many as it has room for."""
    accepted, end = -1, monotonic() + GATHER_S
    while accepted < len(clients) and monotonic() < end:
        before, accepted = accepted, len(accepted_ports(server.port))
        if accepted == before:
            return
        crowd.wait(lambda: False, 0.3)


def keep_busy(crowd: Crowd, client: Client, kind: Kind) -> None:
    """Have *client* ask again when it has all that it asked for; on a new connection if it must."""

    def ask(client: Client) -> None:
        if client.dismissed:
            crowd.leave(client)
        elif not client.waiting:
            crowd.say(client, kind.first, kind.asks)

    def come_again(client: Client) -> None:
        if client.whole:  # else it was turned away: to come again would only be turned away again
            keep_busy(crowd, crowd.join(kind.first, kind.asks), kind)

    client.on_response, client.on_end = ask, come_again


def stop(server: Server, crowd: Crowd, kind: Kind, count: int) -> Stop:
    """Stop *server*, let the *count* clients say their pieces, and count what they got."""
    clients = crowd.clients
    ports = accepted_ports(server.port)
    accepted = [client for client in clients if client.open and client.port in ports]
    in_flight = {client: client.whole for client in accepted if client.waiting}
    drain_s: float = parse_options(Policy, server.spec.policy).drain_timeout
    ended: list[float] = []

    def wait_for_end() -> None:
        if kind.terminated:
            killpg(server.pid, SIGTERM)
        server.stop()
        ended.append(monotonic())

    began = monotonic()
    waiter = Thread(target=wait_for_end)
    waiter.start()
    for number, piece in enumerate(kind.pieces, 1):
        due = began + number * EVERY_S
        if crowd.wait(lambda: bool(ended), due - monotonic()):
            break
        for client in clients:
            crowd.say(client, piece)
    crowd.wait(lambda: bool(ended), LONGEST_S)
    waiter.join()  # it has a bound: the launcher kills
    stopped, at = server.stop(), ended[0]
    crowd.wait(lambda: not any(client.open for client in in_flight), 1.0)  # read what has come
    without = [client for client, had in in_flight.items() if client.whole == had]
    lost = [c for c in without if (c.closed_at or at) - began < EARLY * drain_s]
    return Stop(
        strategy=server.spec.strategy,
        clients=f"{count:,} {kind.name}",
        served=len(accepted),
        waiting=len(clients) - len(accepted),
        seconds=at - began,
        status=stopped.status,
        killed=stopped.killed,
        clean=stopped.clean,
        in_flight=len(in_flight),
        whole=len(in_flight) - len(without),
        late=len(without) - len(lost),
        lost=len(lost),
        cut=sum(client.cut for client in accepted),
        allowed_s=drain_s if kind.nothing_begun else inf,
    )
