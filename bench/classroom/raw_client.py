"""A client that says exactly the bytes that it is told to, and keeps what was said on both sides.

What a check of a server needs, and no library of HTTP does: pieces, resets, half a request, a
reader that does not read. Whatever goes otherwise than it should is a `SurpriseError`.
"""
# Longer than 300 lines: one conversation, each step of which may end in its own surprise.

import fcntl
import math
import select
import socket
import struct
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

LIMIT_S = 3.0  # for whatever should happen at once
PIECE_S = 0.02  # between two pieces, where the kernel does not tell that one was taken
READ_SIZE = 64 * 1024  # bytes
SMALL = 4096  # bytes of the receive buffer of a client that wants to be slow
SEGMENT = 536  # bytes: with small segments the server's kernel buffers little for us as well
NEVER_LINGER = struct.pack("ii", 1, 0)  # so that a close sends a reset
SHOWN = 60  # bytes of what was said that are shown


class SurpriseError(AssertionError):
    """What came is not what should have come; the text says what was seen, *sent* what was sent."""

    sent = b""


class SilenceError(SurpriseError):
    """Nothing came, in good time."""


class ClosedError(SurpriseError):
    """The server has closed, or reset, the connection where something was due."""


class OutOfTimeError(Exception):
    """No time is left for this client: that says nothing of the server."""


class GarbledError(SurpriseError):
    """What came is no HTTP response."""


@dataclass(frozen=True)
class Response:
    """One response: its version, its status, its fields by lower-case name, its body."""

    version: bytes
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends behind it."""
        tokens = self.headers.get(b"connection", b"").lower().replace(b" ", b"").split(b",")
        return b"close" in tokens or (self.version == b"HTTP/1.0" and b"keep-alive" not in tokens)


class RawClient:
    """A connection to *host* and *port*; *limit_s* is for each thing that it waits for.

    A *slow* one has small buffers: a server that writes to it soon has to wait. *until*, a moment
    of the monotonic clock, is the end of all waiting: from then on, it raises OutOfTimeError.
    """

    def __init__(
        self, host: str, port: int, limit_s: float = LIMIT_S, *, slow: bool = False,
        until: float = math.inf,
    ):  # fmt: skip
        self.limit_s, self.until = limit_s, until
        self.sent, self.came, self.unread = b"", b"", b""
        self.end = ""
        try:
            self.sock = connect(host, port, self.left_s(), slow=slow)
        except TimeoutError:
            self.left_s()
            raise SilenceError("the connection was not accepted") from None
        except OSError as error:
            raise ClosedError(f"no connection: {in_words(error)}") from None

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, SurpriseError):
            error.sent = error.sent or self.sent
        self.close()

    def left_s(self) -> float:
        """Return how long to wait for the next thing; raises OutOfTimeError if not at all."""
        if (left_s := self.until - time.monotonic()) > 0:
            return min(self.limit_s, left_s)
        raise OutOfTimeError

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def reset(self) -> None:
        """Go away as if the power had failed: the server's kernel is sent a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NEVER_LINGER)
        self.sock.close()

    def half_close(self) -> None:
        """Send no more, and read on."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        """Send all of *data*. That the server has gone shows in what comes."""
        self.sent += data
        self.sock.settimeout(self.left_s())
        try:
            self.sock.sendall(data)
        except TimeoutError:
            self.left_s()
            raise SilenceError(f"the server stopped reading{self.so_far()}") from None
        except OSError as error:
            self.end = self.end or in_words(error)

    def send_pieces(self, *pieces: bytes) -> None:
        """Send *pieces*, each when the one before has reached the server, and a little later."""
        for piece in pieces:
            self.send(piece)
            self.wait_until_taken()

    def wait_until_taken(self) -> None:
        """Wait until the server's kernel has all that was sent, and its program had a moment."""
        until = time.monotonic() + self.left_s()
        while sys.platform == "linux" and self.pending() and time.monotonic() < until:
            if self.is_lost():  # what was not taken then, never will be
                break
            time.sleep(0.0005)
        time.sleep(PIECE_S)
        if self.is_lost():
            self.end = self.end or "reset"

    def is_lost(self) -> bool:
        """Tell whether the server has reset the connection: what it has sent can still be read."""
        poll = select.poll()
        poll.register(self.sock, 0)  # errors are told always
        return bool(self.end or poll.poll(0))

    def pending(self) -> bool:
        """Tell whether bytes that we sent have not reached the server's kernel."""
        unsent = fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4))
        return struct.unpack("i", unsent) != (0,)

    def get(self, path: str, *fields: str) -> Response:
        """Send a GET and return its response."""
        self.send(get(path, *fields))
        return self.response()

    def response(self, to: str = "GET") -> Response:
        """Read one response; raises SurpriseError when something else comes, or nothing."""
        head = self.read_until(b"\r\n\r\n")
        status_line, *lines = head[:-4].split(b"\r\n")
        version, _, rest = status_line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise GarbledError(f"{shown(status_line)} in place of a status line")
        fields = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        status = int(rest[:3])
        if to == "HEAD" or status in (100, 204, 304):
            body = b""
        elif b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            body = self.read_chunks()
        elif (length := headers.get(b"content-length")) is not None:
            if not length.isdigit():
                raise GarbledError(f"Content-Length: {shown(length)}")
            body = self.read(int(length))
        else:  # it ends with the connection (RFC 9112 §6.3)
            body = self.read_to_end()
        return Response(version, status, headers, body)

    def read_chunks(self) -> bytes:
        """Read a chunked body."""
        body = b""
        while size := self.chunk_size():
            body += self.read(size + 2)[:-2]
        while self.read_until(b"\r\n") != b"\r\n":
            pass
        return body

    def chunk_size(self) -> int:
        """Read the line before a chunk."""
        line = self.read_until(b"\r\n")
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError:
            raise GarbledError(f"{shown(line)} in place of the size of a chunk") from None

    def read_until(self, mark: bytes) -> bytes:
        """Read up to and with *mark*."""
        while mark not in self.unread:
            self.receive("a response")
        before, _, self.unread = self.unread.partition(mark)
        return before + mark

    def read(self, count: int) -> bytes:
        """Read *count* bytes."""
        while len(self.unread) < count:
            self.receive(f"the last {count - len(self.unread)} bytes of a body")
        data, self.unread = self.unread[:count], self.unread[count:]
        return data

    def read_to_end(self) -> bytes:
        """Read until the server has sent its last byte."""
        with suppress(ClosedError):
            while True:
                self.receive("the end")
        data, self.unread = self.unread, b""
        return data

    def is_closed(self) -> bool:
        """Wait for the server's end of the conversation; False when it says something instead."""
        if not self.unread:
            with suppress(ClosedError):
                self.receive("a close")
        return not self.unread

    def is_quiet(self, for_s: float = 0) -> bool:
        """Tell whether nothing can be read, and no end, right now or *for_s*."""
        return not self.unread and not select.select([self.sock], [], [], for_s)[0]

    def receive(self, due: str) -> None:
        """Take in what comes next; raises SurpriseError when that is nothing, where *due* was."""
        self.sock.settimeout(self.left_s())
        data = b""
        try:
            data = self.sock.recv(READ_SIZE)
        except TimeoutError:
            self.left_s()
            raise SilenceError(f"{due} did not come{self.so_far()}") from None
        except OSError as error:
            self.end = self.end or in_words(error)
        if not data:
            self.end = self.end or "closed"
            raise ClosedError(f"{self.end} in place of {due}{self.so_far()}")
        self.came += data
        self.unread += data

    def so_far(self) -> str:
        """Return what has come of it in words."""
        return f"; until then came {shown(self.unread)}" if self.unread else ""


def connect(host: str, port: int, limit_s: float, *, slow: bool = False) -> socket.socket:
    """Return a connected socket; a *slow* one has small buffers. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, proto, _, address) in enumerate(found, 1):
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(limit_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
                with suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            sock.connect(address)
        except OSError:
            sock.close()
            if number == len(found):
                raise
        else:
            return sock
    raise OSError(f"{host} has no address")


def get(path: str, *fields: str) -> bytes:
    """Return the bytes of a GET for *path*, with more *fields* than Host."""
    lines = "".join(f"{field}\r\n" for field in ("Host: localhost", *fields))
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def post(path: str, body: bytes, *fields: str) -> bytes:
    """Return the bytes of a POST of JSON to *path*."""
    lines = "".join(f"{field}\r\n" for field in ("Host: localhost", *fields))
    return (
        f"POST {path} HTTP/1.1\r\n{lines}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def in_words(error: OSError) -> str:
    """Return what an *error* of a socket says."""
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return (error.strerror or str(error) or type(error).__name__).lower()


def shown(data: bytes) -> str:
    """Return *data* for people: as text where it is, and shortened."""
    text = ascii(data[:SHOWN].decode("latin-1"))[1:-1]
    return f'"{text}"' if len(data) <= SHOWN else f'"{text}…" ({len(data):,} bytes)'
