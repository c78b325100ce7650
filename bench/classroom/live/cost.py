"""What it costs a server to be watched: the same load on one that is and on one that is not.

Both run at the same time and are asked in turns, each at the same rate, so that whatever else the
machine does meets both. What is compared is the CPU that each spends on a request, in every slice
of the time, as the rounds of a race are compared.
"""

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from calcbench.bench.analysis.inference import Comparison, compare_paired
from calcbench.bench.system.cpu_time import ServerClock
from calcbench.bench.units import format_ns, format_number, format_share
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import Server, ServerSpec, launch

RATE = 1_000  # requests a second, of each
SLICE = 500  # requests
SLICES = 24
WARM = 500  # requests before the first slice
MOST = 1.05  # what a watched server may spend, as a ratio
TIMEOUT_S = 20.0
NS_PER_S = 1_000_000_000
REQUEST = b"GET /add/2/3 HTTP/1.1\r\nHost: live\r\n\r\n"


@dataclass(frozen=True)
class Cost:
    """The CPU per request, in nanoseconds, of a server without and with somebody watching."""

    plain_ns: float
    watched_ns: float
    comparison: Comparison
    share: int  # of how many requests one was traced at the end


class Asked:
    """A server, one client that asks it, and its CPU."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sock = socket.create_connection((server.host, server.port), TIMEOUT_S)
        self.clock = ServerClock(server.pid)
        self.read_ns = 0
        self.share = 1

    def ask(self) -> None:
        """Ask once, and wait for the response."""
        self.sock.sendall(REQUEST)
        data = b""
        while not data.endswith(b"\r\n\r\n5"):
            got = self.sock.recv(4096)
            if not got:
                raise CalcbenchError("the server has closed instead of answering")
            data += got

    def take(self) -> float:
        """Return the CPU per request since the last call, and take what was traced meanwhile."""
        before, self.read_ns = self.read_ns, self.clock.read()
        if self.server.trace:
            for event in self.server.trace.read():
                self.share = event.share or self.share
        return (self.read_ns - before) / SLICE


def measure(strategy: str, slices: int = SLICES, rate: int = RATE) -> Cost:
    """Measure what it costs a server of *strategy* to be watched; raises CalcbenchError."""
    variant = parse_variant(strategy)
    with ExitStack() as running:
        specs = [
            ServerSpec(variant.strategy, variant.options, traced=on, cpus=one_core())
            for on in (False, True)
        ]
        both = [Asked(running.enter_context(launch(spec))) for spec in specs]
        for one in both:
            running.callback(one.sock.close)
        ask_both(both, WARM, rate)
        for one in both:
            one.take()
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(slices):
            ask_both(both, SLICE, rate)
            for one, found in zip(both, spent, strict=True):
                found.append(one.take())
        for one in both:
            one.server.stop(0.5)
    plain, watched = spent
    return Cost(
        sum(plain) / len(plain),
        sum(watched) / len(watched),
        compare_paired(watched, plain),
        both[1].share,
    )


def one_core() -> tuple[int, ...]:
    """Return the core for both servers: on different ones, whoever else is there meets only one.

    Nothing where the system does not pin.
    """
    return tuple(sorted(os.sched_getaffinity(0))[-1:]) if hasattr(os, "sched_getaffinity") else ()


def ask_both(both: list[Asked], requests: int, rate: int) -> None:
    """Ask each of *both* so often, at *rate* a second each, now the one first and now the other."""
    due = time.monotonic()
    for _ in range(requests):
        now = time.monotonic()
        due = max(due + 1 / rate, now)  # what was late is not made up for in a burst
        time.sleep(due - now)
        for one in both:
            one.ask()
        both.reverse()


def tell(strategy: str, cost: Cost) -> str:
    """Return *cost* in a line."""
    found = cost.comparison
    if not found.known:
        return f"{strategy}: this system does not tell the CPU time of a server"
    per_request = f"{format_ns(cost.plain_ns)} a request, watched {format_ns(cost.watched_ns)}"
    more = f"{percent(found.ratio)} more ({percent(found.low)} to {percent(found.high)})"
    core = format_share(max(0.0, cost.watched_ns - cost.plain_ns) * RATE / NS_PER_S)
    part = "every request" if cost.share == 1 else f"one request in {cost.share}"
    verdict = "within" if found.ratio < MOST else "over"
    return (
        f"{strategy}: {per_request}: {more}, {verdict} the 5 % that it may cost;"
        f" that is {core} of a core; traced: {part}"
    )


def percent(ratio: float) -> str:
    """Return how much more *ratio* is than 1."""
    return f"{format_number(round((ratio - 1) * 100, 1) + 0.0)} %"
