"""Clients that are played by hand, one at a time: one says nothing, others ask and wait.

Whatever is measured in masses is the load driver's; these are the few that a room can count.
"""

import socket
import time
from dataclasses import dataclass
from typing import Self

from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import Server

TIMEOUT_S = 20.0  # for a laden machine; a server that is later than that does not answer
READ_SIZE = 65_536  # bytes asked of each recv


class HandClient:
    """A connection to *server*, open until `close`, which may be called again."""

    def __init__(self, server: Server) -> None:
        self.sock = socket.create_connection((server.host, server.port), TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.sock.sendall(data)

    def ask(self, path: str = "/add/2/3", *, close: bool = True) -> None:
        """Send a request for *path*, the last one on this connection if it is to *close*."""
        last = "Connection: close\r\n" if close else ""
        self.send(f"GET {path} HTTP/1.1\r\nHost: calcbench\r\n{last}\r\n".encode())

    def receive(self) -> bytes:
        """Wait for one response, of which each names its length; return all of it.

        Raises CalcbenchError where the server closes, or says nothing for too long.
        """
        data = b""
        try:
            while (end := whole_length(data)) is None or len(data) < end:
                got = self.sock.recv(READ_SIZE)
                if not got:
                    raise CalcbenchError(f"the server has closed instead of answering: {data!r}")
                data += got
        except OSError as error:
            raise CalcbenchError(f"a client got no answer: {error}") from None
        if not data.startswith(b"HTTP/1.1 200 "):
            raise CalcbenchError(f"a client got a wrong answer: {data[:60]!r}")
        return data

    def is_answered(self, within_s: float) -> bool:
        """Tell whether one right response comes, with never so long between two parts of it."""
        self.sock.settimeout(within_s)
        try:
            self.receive()
        except CalcbenchError:
            return False
        return True

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def whole_length(data: bytes) -> int | None:
    """Return how long the response that *data* begins with is in all, if it is known by now."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + len(end) + int(value)
    return len(head) + len(end)


@dataclass(frozen=True)
class Answered:
    """When a client asked and when it had its answer, of the monotonic clock, in nanoseconds."""

    asked_ns: int
    done_ns: int

    @property
    def waited_ns(self) -> int:
        """For how long it waited."""
        return self.done_ns - self.asked_ns


def ask_once(server: Server, path: str = "/add/2/3") -> Answered:
    """Connect to *server*, ask for *path*, wait for the answer; the time counts from connecting."""
    asked_ns = time.perf_counter_ns()
    with HandClient(server) as client:
        client.ask(path)
        client.receive()
    return Answered(asked_ns, time.perf_counter_ns())
