"""Servers whose responses are known to be right, wrong, late or missing, and how to drive them."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec

LONG_S = 60.0  # longer than any test: never reached
BIG = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n" + "x" * 8_000_000
WINDOWS = 6  # each twice as long as the one before; what a test waits for is seen by then
GET = re.compile(rb"GET /(add|sub|mult)/(\d+)/(\d+) HTTP/1.1\r\n")
POST = re.compile(rb'.*{"op": "(add|sub|mult)", "arg1": (\d+), "arg2": (\d+)}', re.DOTALL)

Behaviour = Callable[[socket.socket], None]
T = TypeVar("T")


@contextmanager
def truth(behave: Behaviour, listener: socket.socket | None = None) -> Iterator[int]:
    """Serve each connection in a thread that calls *behave*; give the port.

    The *listener* is one of IPv4 unless another is given, which is closed in the end.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0), backlog=64)
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve_connection(conn: socket.socket) -> None:
        with suppress(OSError), conn:  # the driver goes when its window closes
            behave(conn)

    def accept() -> None:
        with suppress(OSError):  # the listener is shut down at the end
            while True:
                conn, _ = listener.accept()
                connections.append(conn)
                threads.append(threading.Thread(target=serve_connection, args=(conn,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        name = listener.getsockname()
        yield name[1] if isinstance(name, tuple) else 0
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for conn in connections:
            with suppress(OSError):  # it has closed it itself
                conn.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        listener.close()


def requests(conn: socket.socket) -> Iterator[int]:
    """Yield the right response to each request that comes on *conn*."""
    data = b""
    while True:
        received = conn.recv(4096)
        if not received:
            return
        data += received
        matched = (POST if data.startswith(b"POST") else GET).match(data)
        if matched and (matched.re is POST or data.endswith(b"\r\n\r\n")):
            op, one, other = matched[1], int(matched[2]), int(matched[3])
            data = b""
            yield {b"add": one + other, b"sub": one - other, b"mult": one * other}[op]


def response_to(body: object, status: str = "200 OK", fields: str = "") -> bytes:
    """Return a response with *body* and a Content-Length that is right."""
    text = str(body)
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(text)}\r\n\r\n{text}".encode()


def always(make: Callable[[int], bytes]) -> Behaviour:
    """Answer every request of a connection with what *make* makes of the right number."""

    def behave(conn: socket.socket) -> None:
        for right in requests(conn):
            conn.sendall(make(right))

    return behave


def once(make: Callable[[int], bytes]) -> Behaviour:
    """Answer the first request, then close."""

    def behave(conn: socket.socket) -> None:
        conn.sendall(make(next(requests(conn))))

    return behave


def refuse_early(conn: socket.socket) -> None:
    """Answer before the whole of a large request has come, then read what of it still comes."""
    conn.recv(1000)
    conn.sendall(response_to("too much", "413 Content Too Large", "Connection: close\r\n"))
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(1 << 20):
        pass


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port at which nobody listens, nor anybody else can meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def until(enough: Callable[[T], bool], measure: Callable[[float], T], duration_s: float) -> T:
    """Return the first of what *measure* gives, for *duration_s* and longer, that is *enough*.

    A machine may stand still for all of a window, and a process too, as when it collects its
    garbage. So what is asserted of a window rests on a fact, such as that some request ended:
    without it the window was too short, and one of twice its length is tried. What a window shows
    that is *enough* is for the test to judge, once; so is the last one, whatever it shows.
    """
    seen = measure(duration_s)
    for _ in range(WINDOWS - 1):
        if enough(seen):
            break
        duration_s *= 2
        seen = measure(duration_s)
    return seen


def some_ended(seen: Observation) -> bool:
    return seen.outcomes.total > 0


def all_three_served(seen: Observation) -> bool:
    return seen.clients_served == 3


def drive(
    port: int,
    count: int = 1,
    enough: Callable[[Observation], bool] = some_ended,
    duration_s: float = 0.1,
    **changes: object,
) -> Observation:
    """Let *count* drivers drive the server at *port* until it is *enough*, changed in a few things.

    No request times out unless a test says when.
    """
    usual = {
        "host": "127.0.0.1",
        "port": port,
        "connections": 3,
        "keep_alive": True,
        "warmup_s": 0.02,
        "timeout_s": LONG_S,
    }

    def measure(duration_s: float) -> Observation:
        load = LoadSpec(**(usual | changes | {"duration_s": duration_s}))  # type: ignore[arg-type]
        with Drivers(count) as drivers:
            return drivers.drive(load)

    return until(enough, measure, duration_s)


def only(observation: Observation, outcome: str) -> bool:
    """Tell whether every request ended with *outcome*, and some did."""
    count: int = getattr(observation.outcomes, outcome)
    return count == observation.outcomes.total > 0


def thinks_between(observation: Observation) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return for how long users thought between two requests, in nanoseconds."""
    samples = observation.samples
    order = np.lexsort((samples["done_ns"], samples["client"]))
    intended, done, client = (samples[name][order] for name in ("intended_ns", "done_ns", "client"))
    gaps = (intended[1:] - done[:-1])[client[1:] == client[:-1]]
    return np.asarray(gaps, np.int64)
