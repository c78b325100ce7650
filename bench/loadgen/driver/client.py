"""One client of those that are measured, as the driver's loop sees it."""

from socket import socket

from calcbench.bench.loadgen.driver.framing import Incoming
from calcbench.bench.loadgen.protocol import TAG_BITS
from calcbench.bench.schema.outcomes import OK

# What a client is doing. In PAUSING it has no socket; else its epoll entry waits for bytes to read.
# In SENDING it waits for room to write, too (or for the connection, which is the same to epoll):
# a server may answer before it has the whole request. In CUT_OFF it takes no more of the request,
# and what it said before that may still be read. In READING `incoming` holds what has come of an
# incomplete response; in CLOSING the response is complete, `outcome` and `done` are known, and only
# the server's close is still to come. In IDLE, which only an open loop knows, it has a connection
# and no request.
PAUSING, SENDING, CUT_OFF, READING, CLOSING, IDLE = range(6)

# For so long whoever lost a connection by a failure, or was sent away, waits before the next.
PAUSE_NS = 50_000_000

# For so long a client leaves it to the server to close, for who closes first keeps the port: a
# minute on which no new connection can be made from it (RFC 9293 §3.6.1), and ports run out. A
# server that has not closed by then never does, and from there on the client closes at once.
CLOSE_NS = 200_000_000


class Client:
    """One of the N; *unsent* is what of its request is still to be sent."""

    __slots__ = (
        "base",
        "done",
        "expected",
        "first",
        "incoming",
        "intended",
        "outcome",
        "recv",
        "send",
        "sent",
        "sock",
        "state",
        "tag",
        "unsent",
    )

    def __init__(self, index: int, sock: socket) -> None:
        self.base = self.tag = index << TAG_BITS
        self.state = PAUSING
        self.sock = sock
        self.recv, self.send = sock.recv, sock.send  # looked up once for each connection
        self.intended = self.sent = self.first = self.done = 0
        self.outcome = OK
        self.incoming: Incoming | None = None
        self.expected: bytes | None = b""
        self.unsent = b""
