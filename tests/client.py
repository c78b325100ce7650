"""A plain client for tests: sends bytes, reads responses, says what it saw."""

import fcntl
import socket
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass

from calcbench.core.serving.launcher import Server

TRIES = 10
TIMEOUT_S = 20.0  # for a laden machine; nothing is measured by it


class ClosedError(AssertionError):
    """The server has closed where a response was due."""


@dataclass(frozen=True)
class Response:
    """One response: its status, its fields by lower-case name, its body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Client:
    """A connection to *server*; read with `response`, and `is_closed` for the end."""

    def __init__(self, server: Server) -> None:
        self.sock = socket.create_connection((server.host, server.port), TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.sock.sendall(data)

    def send_all_the_way(self, data: bytes) -> None:
        """Send *data*, and wait until the kernel has it ready for the server to receive."""
        self.send(data)
        while struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4))) != (0,):
            pass  # not acknowledged yet; a test that hangs here has failed

    def get(self, path: str, *fields: str) -> Response:
        """Send a GET and return its response."""
        lines = "".join(f"{field}\r\n" for field in ("Host: test", *fields))
        self.send(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return self.response()

    def response(self, to: str = "GET") -> Response:
        """Read one response; raises ClosedError when the server closes instead."""
        status_line = self.file.readline()
        if not status_line.endswith(b"\r\n"):
            raise ClosedError(f"closed instead of answering: {status_line!r}")
        headers = {}
        while (line := self.file.readline()) != b"\r\n":
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value.rstrip(b"\r\n")
        length = 0 if to == "HEAD" else int(headers.get(b"content-length", b"0"))
        return Response(int(status_line.split()[1]), headers, self.file.read(length))

    def is_closed(self) -> bool:
        """Wait for the server's end of the conversation; False when it says something instead."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


def ask_until_answered(server: Server, request: bytes) -> Response:
    """Return the response to *request*, on the first connection that is not timed out before.

    Between connecting and sending a laden machine may pause for longer than a short timeout; it
    does not do so every time.
    """
    for _ in range(TRIES):
        with Client(server) as client, suppress(ClosedError, ConnectionError):
            client.send(request)
            return client.response()
    raise ClosedError(f"{TRIES} connections were closed instead of answered")
