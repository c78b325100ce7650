"""One client of those that are measured, as the driver's loop sees it."""

from collections.abc import Callable
from socket import SO_ERROR, SOL_SOCKET, socket

from calcbench.bench.loadgen.driver.framing import Incoming
from calcbench.bench.loadgen.protocol import TAG_BITS
from calcbench.bench.schema.outcomes import OK

# What a client is doing. In PAUSING it has no socket; else its socket is watched for bytes to read.
# In SENDING it waits for room to write, too (or for the connection, which is the same to a poller):
# a server may answer before it has the whole request. In CUT_OFF it takes no more of the request,
# and what it said before that may still be read. In READING `incoming` holds what has come of an
# incomplete response; in CLOSING the response is complete, `outcome` and `done` are known, and only
# the server's close is still to come. In IDLE it has a connection and no request: its turn in an
# open loop has not come, or its user thinks.
PAUSING, SENDING, CUT_OFF, READING, CLOSING, IDLE = range(6)

# Who lost a connection connects again at once, as browsers and other load generators do. Only who
# fails again and again pauses before it, each time for twice as long, up to a bound: a server that
# refuses everybody is not to be stormed (truncated binary exponential backoff).
FIRST_PAUSE_NS = 1_000_000
PAUSE_NS = 50_000_000

# For so long a client leaves it to the server to close, for who closes first keeps the port: a
# minute on which no new connection can be made from it (RFC 9293 §3.6.1), and ports run out. A
# server that has not closed by then never does, and from there on the client closes at once.
CLOSE_NS = 200_000_000


def pause_after(failures: int) -> int:
    """Return for how many nanoseconds who has failed so often in a row waits before it connects."""
    if failures < 2:
        return 0
    return min(FIRST_PAUSE_NS << min(failures - 2, 16), PAUSE_NS)  # 16: of no number without end


def is_connected(sock: socket) -> bool:
    """Tell whether the connection of *sock*, which may be closed, has come about."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def is_connecting(sock: socket) -> bool:
    """Tell whether the connection of *sock*, which may be closed, may still come about."""
    try:
        return not is_connected(sock) and not sock.getsockopt(SOL_SOCKET, SO_ERROR)
    except OSError:
        return False


class Client:
    """One of the N; *unsent* is what of its request is still to be sent.

    It has failed *failures* times in a row. The first request on its connection was sent when that
    was *opened*: with a later one, its connection has worked. *next_think* is how long its user
    thinks before it asks again, in nanoseconds.
    """

    __slots__ = (
        "base",
        "done",
        "expected",
        "failures",
        "first",
        "incoming",
        "intended",
        "next_think",
        "opened",
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
        self.intended = self.sent = self.first = self.done = self.opened = self.failures = 0
        self.next_think: Callable[[], int] = int
        self.outcome = OK
        self.incoming: Incoming | None = None
        self.expected: bytes | None = b""
        self.unsent = b""
