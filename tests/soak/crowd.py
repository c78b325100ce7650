"""Thousands of clients on one thread, each with a socket that never blocks.

A crowd sends what it is told to, counts the whole responses of each client, and notes how each
connection ended. It takes no time by itself: every wait has a bound.
"""

import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic

GET = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\n\r\n"
GET_ONCE = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n"
HEAD_END = b"\r\n\r\n"
CLOSE = re.compile(rb"\r\nConnection: close\r\n", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)", re.IGNORECASE)
READ_SIZE = 256 * 1024  # bytes asked of each read
STEP_S = 0.05  # how often a wait looks whether it is over
QUIET_S = 0.7  # without any progress: what has not come by now is held up by somebody
CONNECTING = 512  # connections under way at once: the backlog is not to be what is measured
DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset (socket(7))


class Client:
    """One client: *asked* requests are sent whole, *whole* responses have come."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.port = 0  # its own, once connected
        self.connected = False
        self.asked = 0
        self.whole = 0
        self.statuses: list[int] = []
        self.unsent = b""
        self.buffer = b""  # what has come of the next response
        self.closed_at: float | None = None  # when the server, or we, closed
        self.reset = False
        self.dismissed = False  # its last response said that the server will close
        self.on_response: Callable[[Client], None] | None = None
        self.on_end: Callable[[Client], None] | None = None

    @property
    def open(self) -> bool:
        """Whether it is connected, and neither side has closed."""
        return self.connected and self.closed_at is None

    @property
    def waiting(self) -> bool:
        """Whether a request of it is without its response, and may still get one."""
        return self.asked > self.whole and not self.dismissed

    @property
    def cut(self) -> bool:
        """Whether its connection ended in the middle of a response."""
        return self.closed_at is not None and bool(self.buffer)


class Crowd:
    """The clients of one server at *address*. Leaving the ``with`` block closes all of them."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.selector = DefaultSelector()
        self.clients: list[Client] = []
        self.present = self.connecting = self.connected = self.responses = 0

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.sock.close()
        self.selector.close()

    def join(self, data: bytes = b"", asks: int = 0) -> Client:
        """Add a client who connects and then sends *data*, in which there are *asks* requests."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        client.unsent, client.asked = data, asks
        self.clients.append(client)
        self.present += 1
        self.connecting += 1
        with suppress(BlockingIOError):
            sock.connect(self.address)
        self.selector.register(sock, EVENT_WRITE, client)
        return client

    def gather(self, count: int, seconds: float, data: bytes = b"", asks: int = 0) -> list[Client]:
        """Return *count* new clients, who have had up to *seconds* to connect.

        Those who cannot are among them, unconnected: the backlog is full. There are fewer than
        *count* only where descriptors or ports have run out.
        """
        end = monotonic() + seconds
        joined: list[Client] = []
        while len(joined) < count:
            try:
                joined.append(self.join(data, asks))
            except OSError:
                break
            if self.connecting >= CONNECTING:
                self.settle(lambda: self.connected, lambda: self.connecting < CONNECTING, end)
                if self.connecting >= CONNECTING:
                    end = 0.0  # nobody comes in any more; the rest need not be waited for
            elif self.connecting % 32 == 0:
                self.turn(0)
        self.settle(lambda: self.connected, lambda: not self.connecting, end)
        return joined

    def settle(self, progress: Callable[[], int], over: Callable[[], bool], end: float) -> None:
        """Carry on until *over()*, until *progress()* stands still, or until the moment *end*."""
        last, since = progress(), monotonic()
        while not over() and monotonic() < min(end, since + QUIET_S):
            self.turn(STEP_S)
            if (now := progress()) != last:
                last, since = now, monotonic()

    def say(self, client: Client, data: bytes, asks: int = 0) -> None:
        """Have *client* send *data*, in which *asks* requests end; in vain if it is closed."""
        client.asked += asks
        if client.closed_at is not None:
            return
        was_empty, client.unsent = not client.unsent, client.unsent + data
        if client.connected and was_empty:
            self.send(client)

    def half_close(self, client: Client) -> None:
        """Have *client* send no more, and read on."""
        with suppress(OSError):
            client.sock.shutdown(socket.SHUT_WR)

    def reset(self, client: Client) -> None:
        """Have *client* go without a word."""
        with suppress(OSError):
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)
        self.leave(client)

    def leave(self, client: Client) -> None:
        """Close *client*; once closed, this does nothing."""
        if client.closed_at is None:
            if not client.connected:
                self.connecting -= 1
            self.present -= 1
            client.closed_at = monotonic()
            self.selector.unregister(client.sock)
            client.sock.close()
            if client.on_end is not None:
                client.on_end(client)

    def forget_the_closed(self) -> list[Client]:
        """Let go of all who are closed, and return them; `clients` has only the others then."""
        closed = [client for client in self.clients if client.closed_at is not None]
        self.clients = [client for client in self.clients if client.closed_at is None]
        return closed

    def wait(self, over: Callable[[], bool], seconds: float) -> bool:
        """Carry on until *over()*, at most *seconds*; tell whether it is over."""
        end = monotonic() + seconds
        while not over():
            left = end - monotonic()
            if left <= 0:
                return False
            self.turn(min(STEP_S, left))
        return True

    def turn(self, seconds: float) -> None:
        """Wait at most *seconds* until somebody is ready, and serve all who are."""
        for key, events in self.selector.select(seconds):
            client: Client = key.data
            if client.closed_at is not None:
                continue  # by what happened to another in this turn
            if not client.connected:
                self.connect(client)
                continue
            if events & EVENT_WRITE:
                self.send(client)
            if events & EVENT_READ:
                self.receive(client)

    def connect(self, client: Client) -> None:
        """Take note that *client* is connected, or could not be."""
        if client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            client.reset = True
            self.leave(client)
            return
        client.connected = True
        client.port = client.sock.getsockname()[1]
        self.connecting -= 1
        self.connected += 1
        self.selector.modify(client.sock, EVENT_READ, client)
        if client.unsent:
            self.send(client)

    def send(self, client: Client) -> None:
        """Send what the kernel takes, and wait until it takes the rest."""
        try:
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            client.unsent = b""  # reset: the read that follows says so
        events = EVENT_READ | (EVENT_WRITE if client.unsent else 0)
        if self.selector.get_key(client.sock).events != events:
            self.selector.modify(client.sock, events, client)

    def receive(self, client: Client) -> None:
        """Read what has come, and count the responses that it completes."""
        try:
            data = client.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data, client.reset = b"", True
        if not data:
            self.leave(client)
            return
        client.buffer += data
        while (length := response_length(client.buffer)) is not None:
            status = int(client.buffer[9:12])
            client.dismissed = CLOSE.search(client.buffer, 0, length) is not None
            client.buffer = client.buffer[length:]
            if status >= 200:  # 1xx is only news of a response
                client.statuses.append(status)
                client.whole += 1
                self.responses += 1
                if client.on_response is not None:
                    client.on_response(client)


def response_length(data: bytes) -> int | None:
    """Return how many bytes the response has with which *data* begins; None: it is not whole."""
    head_end = data.find(HEAD_END)
    if head_end < 0:
        return None
    length = LENGTH.search(data, 0, head_end)
    whole = head_end + len(HEAD_END) + (int(length[1]) if length else 0)
    return whole if len(data) >= whole else None
