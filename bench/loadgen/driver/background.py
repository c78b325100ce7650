"""Clients beside those that are measured, who behave as clients do and should not.

Each is an object in the driver's loop: `ready` is called when its socket has something to
say, and it asks to be called `later` for the rest. None of them is sampled; what they met is
counted for each behaviour: connections made, requests asked, responses by their outcome, and
connections that the server refused, broke or closed. Their times are fixed: a server that is
slow to them is slow to nobody else by that.
"""

# Longer than 300 lines: the five kinds of clients are variations of one, read best side by side.

import random
import struct
from collections import Counter, deque
from collections.abc import Callable
from socket import SO_LINGER, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, socket
from typing import Protocol

from calcbench.bench.loadgen.driver.client import PAUSE_NS, pause_after
from calcbench.bench.loadgen.driver.framing import FramingError, Incoming
from calcbench.bench.loadgen.driver.poller import READABLE, WRITABLE, Poller
from calcbench.bench.schema.outcomes import OUTCOMES, WRONG

READ_SIZE = 64 * 1024  # bytes asked of each recv
TICK_NS = 10_000_000  # between two octets of a slow sender, two reads of a slow reader
SLOW_OCTETS = 16  # what a slow reader takes at each read
SLOW_SEND = 1024  # and the requests that it sends meanwhile, as far as the server takes them
SLOW_BUFFER = 2048  # octets, of its sockets; the least that Linux allows is near that
RESET_NS = 10_000_000  # between two resets
BURST = 16  # requests
BURST_NS = 200_000_000  # from the beginning of one burst to the next


class ClientHost(Protocol):
    """What the driver offers to its background clients."""

    poller: Poller

    def dial(self, *buffers: tuple[int, int]) -> socket:
        """Return a socket that is connecting, with *buffers* as options; raises OSError."""
        ...

    def enter(self, client: "BackgroundClient", sock: socket, events: int) -> None:
        """Call ``client.ready`` for *events* of *sock*."""
        ...

    def depart(self, sock: socket) -> None:
        """Close *sock* and forget its client."""
        ...

    def later(self, when: int, call: Callable[[], None]) -> None:
        """Call *call* at *when*, of the monotonic clock."""
        ...

    def request(self) -> tuple[bytes, bytes | None]:
        """Return the next request, and its right response if only one is right."""
        ...

    def incoming(self, expected: bytes | None) -> Incoming:
        """Return what takes in a response where *expected* is the right body, None: any."""
        ...

    def outcome_of(self, incoming: Incoming, expected: bytes | None) -> int:
        """Return the outcome of a whole response."""
        ...

    def now(self) -> int:
        """Return the time of the monotonic clock."""
        ...

    def failure(self, error: OSError) -> int:
        """Return the outcome that *error* is; raises it if it is none."""
        ...


class BackgroundClient:
    """One of them, by itself the idle one; *tally* is what all of its kind have met."""

    state = -1  # none of the states of a client that is measured

    def __init__(self, host: ClientHost, tally: Counter[str], number: int) -> None:
        self.host, self.tally, self.number = host, tally, number
        self.sock: socket | None = None
        self.came_ns = self.failures = 0  # when it connected last; how often in a row in vain
        self.unsent = b""
        self.expected: bytes | None = None
        self.incoming: Incoming | None = None

    def come(self) -> None:
        """Connect."""
        self.unsent, self.incoming = b"", None
        self.came_ns = self.host.now()
        try:
            self.sock = self.dial()
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])
            return
        self.tally["connections"] += 1
        self.begin(self.sock)

    def dial(self) -> socket:
        """Return a socket that is connecting; raises OSError."""
        return self.host.dial()

    def begin(self, sock: socket) -> None:
        """Do what comes first on a new connection."""
        self.host.enter(self, sock, READABLE)

    def leave(self, why: str, pause_ns: int = 0) -> None:
        """Count *why* the connection ends, if that is anything, and come again after *pause_ns*.

        Whose connections end at once, again and again, pauses longer, as those who are measured.
        """
        now = self.host.now()
        if why:
            self.tally[why] += 1
        in_vain = why and now - self.came_ns < PAUSE_NS
        self.failures = self.failures + 1 if in_vain else 0
        if self.sock is not None:
            self.host.depart(self.sock)
            self.sock = None
        self.host.later(now + max(pause_ns, pause_after(self.failures)), self.come)

    def ready(self) -> None:
        """Do what can be done now."""
        if self.sock is None:
            return
        try:
            if self.unsent:
                self.push()
            data = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])
            return
        if data:
            self.on_data(data)
        else:
            self.end()

    def end(self) -> None:
        """Take it that the server has closed."""
        if self.incoming is not None and self.incoming.ends_here():
            self.tally[OUTCOMES[self.host.outcome_of(self.incoming, self.expected)]] += 1
            self.leave("")
        else:
            self.leave("closed" if self.incoming is None else OUTCOMES[WRONG])

    def on_data(self, data: bytes) -> None:
        """Take *data* that the server has sent: here, to one who has asked for nothing."""

    def ask(self) -> None:
        """Begin a request and send what of it can be sent."""
        self.unsent, self.expected = self.host.request()
        try:
            self.push()
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])

    def push(self) -> None:
        """Send what is unsent; raises OSError."""
        assert self.sock
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            pass  # no room, or no connection yet: the poller will tell
        self.host.poller.modify(self.sock, READABLE | WRITABLE if self.unsent else READABLE)
        if not self.unsent:
            self.tally["asked"] += 1

    def understand(self, data: bytes) -> bool:
        """Take *data* of a response; tell whether it is whole and another may be asked for."""
        if self.incoming is None:
            self.incoming = self.host.incoming(self.expected)
        incoming = self.incoming
        try:
            if not incoming.feed(data):
                return False
        except FramingError:
            self.leave(OUTCOMES[WRONG])
            return False
        assert incoming.head
        self.tally[OUTCOMES[self.host.outcome_of(incoming, self.expected)]] += 1
        self.incoming = None
        if not incoming.head.keep_alive or self.unsent:
            self.leave("")
            return False
        return True


class SlowSender(BackgroundClient):
    """Sends its request an octet at a time."""

    def begin(self, sock: socket) -> None:
        """Send the first octet, soon."""
        super().begin(sock)
        self.again(sock)

    def again(self, sock: socket) -> None:
        """Begin a request on *sock*."""
        self.unsent, self.expected = self.host.request()
        self.host.later(self.host.now() + TICK_NS, lambda: self.drip(sock))

    def drip(self, sock: socket) -> None:
        """Send the next octet, unless the connection has ended since."""
        if sock is not self.sock:
            return
        try:
            self.unsent = self.unsent[sock.send(self.unsent[:1]) :]
        except BlockingIOError:
            pass  # no connection yet, or a server that does not read: at the next tick, then
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])
            return
        if self.unsent:
            self.host.later(self.host.now() + TICK_NS, lambda: self.drip(sock))
        else:
            self.tally["asked"] += 1

    def push(self) -> None:
        """Leave the sending to the ticks."""

    def on_data(self, data: bytes) -> None:
        """Take the response, and ask again."""
        if self.understand(data) and self.sock:
            self.again(self.sock)


class SlowReader(BackgroundClient):
    """Sends requests as far as the server takes them, and reads a few octets now and then.

    Its receive buffer is small, so that soon the server has octets that it cannot send.
    """

    def dial(self) -> socket:
        """Return a socket that is connecting, with small buffers."""
        return self.host.dial((SO_RCVBUF, SLOW_BUFFER), (SO_SNDBUF, SLOW_BUFFER))

    def begin(self, sock: socket) -> None:
        """Watch for errors only: there will always be something to read."""
        self.asked: deque[bytes | None] = deque()
        self.host.enter(self, sock, 0)
        self.read_slowly(sock)

    def read_slowly(self, sock: socket) -> None:
        """Send a few requests and read a few octets, unless the connection has ended since."""
        if sock is not self.sock:
            return
        try:
            self.stuff(sock)
            data = sock.recv(SLOW_OCTETS)
        except BlockingIOError:
            data = None
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])
            return
        if data == b"":
            self.end()
            return
        for octet in data or b"":
            if self.incoming is None:
                self.expected = self.asked.popleft() if self.asked else None
            if self.understand_octet(octet):
                return
        self.host.later(self.host.now() + TICK_NS, lambda: self.read_slowly(sock))

    def understand_octet(self, octet: int) -> bool:
        """Take one octet, behind which a response may begin; tell whether that was the end."""
        unsent, self.unsent = self.unsent, b""  # half a request may be on its way: no matter
        self.understand(bytes([octet]))
        self.unsent = unsent
        return self.sock is None

    def stuff(self, sock: socket) -> None:
        """Send requests, at most `SLOW_SEND` octets; raises OSError."""
        left = SLOW_SEND
        while left > 0:
            if not self.unsent:
                self.unsent, expected = self.host.request()
                self.asked.append(expected)
            try:
                sent = sock.send(self.unsent)
            except BlockingIOError:
                return
            self.unsent = self.unsent[sent:]
            left -= sent
            self.tally["asked"] += not self.unsent

    def ready(self) -> None:
        """Do nothing but at its next read, which meets the error that there is."""
        if self.sock is not None:
            self.host.poller.unregister(self.sock)  # it would be told again and again


class Resetter(BackgroundClient):
    """Breaks its connection in the middle of a request, or just behind it."""

    def begin(self, sock: socket) -> None:
        """Wait until there is a connection."""
        self.draw = random.Random(f"resets/{self.number}/{self.tally['connections']}")
        self.host.enter(self, sock, WRITABLE)

    def ready(self) -> None:
        """Send some of a request, and be gone."""
        if self.sock is None:
            return
        request, _ = self.host.request()
        try:
            self.sock.send(request[: self.draw.randint(1, len(request))])
        except BlockingIOError:
            return
        except OSError as error:
            self.leave(OUTCOMES[self.host.failure(error)])
            return
        # With no time to linger, a close is a reset (socket(7)).
        self.sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.leave("resets", RESET_NS)


class Burst(BackgroundClient):
    """Is silent, then asks `BURST` times in a row, at the moments at which all of its kind do."""

    def begin(self, sock: socket) -> None:
        """Wait for the next moment."""
        super().begin(sock)
        self.rest(sock)

    def rest(self, sock: socket) -> None:
        """Be silent until the next moment, which is the same on every machine and driver."""
        self.left = 0
        when = (self.host.now() // BURST_NS + 1) * BURST_NS
        self.host.later(when, lambda: self.wake(sock))

    def wake(self, sock: socket) -> None:
        """Begin a burst, unless the connection has ended since."""
        if sock is self.sock:
            self.left = BURST
            self.ask()

    def on_data(self, data: bytes) -> None:
        """Take a response; ask again, or rest."""
        if self.understand(data) and self.sock:
            self.left -= 1
            if self.left > 0:
                self.ask()
            else:
                self.rest(self.sock)


KINDS: dict[str, type[BackgroundClient]] = {
    "idle": BackgroundClient,
    "slow-sender": SlowSender,
    "slow-reader": SlowReader,
    "resetter": Resetter,
    "burst": Burst,
}
