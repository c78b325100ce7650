"""How long others wait for a response beside clients that pipeline costly requests."""

from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from statistics import median
from time import monotonic, perf_counter_ns

from calcbench.core.serving.launcher import ServerSpec, launch
from calcbench.core.serving.ready import START_S
from soak.crowd import GET, Client, Crowd
from soak.outcome import Column, Row, Table

OTHERS = 4  # clients who ask one request after the other, and are measured
PIPELINING = (1, 8)
# As costly as an operation of so few bytes gets: 4,000 digits to work out and to write down.
COSTLY = b"GET /pow/7/4733 HTTP/1.1\r\nHost: soak\r\n\r\n"
BATCH = COSTLY * 400  # as many as fit into one read, 16 KB
MEASURE_S = 2.0
# What a fair server owes to each who pipelines: a turn, or the interpreter for its 5 ms, and some.
MOST_MS_EACH = 20.0
COLUMNS = (
    Column("strategy", 18, words=True),
    Column("served", 8),
    Column("alone", 10),
    *(Column(f"beside {count}", 10) for count in PIPELINING),
    *(Column(f"worst beside {count}", 14) for count in PIPELINING),
)
TITLE = f"""\
Median time to a response for {OTHERS} clients who ask one request after the other: alone, and
beside clients who pipeline requests with results of 4,000 digits. Required: a median of at most
{MOST_MS_EACH:g} ms for each who pipelines."""


def table(strategies: Sequence[str], seconds: float = MEASURE_S) -> Table:
    """Return the table of *strategies*, each point of it measured for *seconds*."""
    return Table(TITLE, COLUMNS, rows(strategies, seconds))


def rows(strategies: Sequence[str], seconds: float) -> Iterator[Row]:
    """Measure each of *strategies* alone, and beside each number of clients who pipeline."""
    for strategy in strategies:
        measured = {count: observe(strategy, count, seconds) for count in (0, *PIPELINING)}
        yield row(strategy, measured)


def row(strategy: str, measured: dict[int, list[list[float]]]) -> Row:
    """Return a line of *measured*: for each number who pipeline, milliseconds of each client."""
    served = [[of_one for of_one in clients if of_one] for clients in measured.values()]
    times = {
        count: [ms for of_one in clients for ms in of_one] for count, clients in measured.items()
    }
    broken = [
        f"{strategy}, beside {count} who pipeline: the others' median is {show(times[count])}"
        for count in PIPELINING
        if not times[count] or median(times[count]) > MOST_MS_EACH * count
    ]
    cells = (
        strategy,
        f"{min(map(len, served))} of {OTHERS}",
        *(show(times[count]) for count in (0, *PIPELINING)),
        *(f"{max(times[count]):,.1f} ms" if times[count] else "-" for count in PIPELINING),
    )
    return Row(cells, tuple(broken))


def show(times_ms: Sequence[float]) -> str:
    """Return the median of *times_ms*, or that there is none."""
    return f"{median(times_ms):,.2f} ms" if times_ms else "unserved"


def observe(strategy: str, pipelining: int, seconds: float) -> list[list[float]]:
    """Return the milliseconds of each response that each of the others has got.

    Those who pipeline are in a process of their own, and begin when the others are connected.
    """
    context = get_context("spawn")
    with launch(ServerSpec(strategy)) as server, Crowd(server.host, server.port) as crowd:
        others = [Other(crowd) for _ in range(OTHERS)]
        crowd.wait(lambda: all(other.times_ms for other in others), 1.0)
        ready, over = context.Event(), context.Event()
        process = context.Process(
            target=pipeline, args=(server.host, server.port, pipelining, ready, over), daemon=True
        )
        try:
            if pipelining:
                process.start()
                crowd.wait(ready.is_set, START_S)
            for other in others:
                other.times_ms.clear()
            crowd.wait(lambda: False, seconds)
            for other in others:
                other.count_the_wait()
        finally:
            over.set()
            if pipelining:
                process.join(2.0)
                if process.is_alive():
                    process.kill()
                    process.join()
        server.stop()
    return [other.times_ms for other in others]


class Other:
    """One who asks, waits for the response, and asks again; on a new connection when it must."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.times_ms: list[float] = []
        self.served = False
        self.come(None)

    def come(self, _: Client | None) -> None:
        """Connect and ask; the time of a response begins here if it is the first."""
        self.asked_ns = perf_counter_ns()
        client = self.crowd.join(GET, 1)
        client.on_response, client.on_end = self.ask, self.come

    def ask(self, client: Client) -> None:
        """Note how long the response took, and ask for the next."""
        self.served = True
        self.times_ms.append((perf_counter_ns() - self.asked_ns) / 1e6)
        if client.dismissed:
            self.crowd.leave(client)  # and come again
        else:
            self.asked_ns = perf_counter_ns()
            self.crowd.say(client, GET, 1)

    def count_the_wait(self) -> None:
        """Count the response that is due still as one that took so long: it will take longer.

        Else the longest waits would not be counted at all. Who was never served has no place.
        """
        if self.served:
            self.times_ms.append((perf_counter_ns() - self.asked_ns) / 1e6)


def pipeline(host: str, port: int, clients: int, ready: Event, over: Event) -> None:
    """Have *clients* pipeline, and drop what comes, until it is *over*; at most for START_S.

    It is *ready* when all have sent their first batch.
    """
    end = monotonic() + START_S
    with Crowd(host, port) as crowd:
        crowd.gather(clients, 1.0)
        ready.set()
        while not over.is_set() and monotonic() < end:
            for client in crowd.clients:
                if client.open and not client.unsent:
                    crowd.say(client, BATCH)
            crowd.turn(0.05)
            crowd.forget_the_closed()
            while len(crowd.clients) < clients:
                crowd.join(BATCH)
