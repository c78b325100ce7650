r"""One client's HTTP/1.1 conversation: bytes in, requests out; responses in, bytes out.

There is no socket here and no clock, so that a blocking loop, an event loop and a test can all
hold the same conversation. Whoever holds the socket does this, in an order of its own::

    request = connection.feed(sock.recv(…))     # b"" when the client has sent its last octet
    connection.respond(handle(request))         # unless it is None: nothing complete yet
    request = connection.next_request()         # what the client sent behind the last, if anything
    connection.sent(sock.send(connection.output))

The states, and what leads from one to the next::

    IDLE ──octet──► HEAD ──empty line──► BODY ──complete──► HANDLING ──respond()──► IDLE
      └───────────────── an error, a close or an end: ─────────────► CLOSING ──► CLOSED
                        (CLOSING lingers: it reads on, where the client may still be sending)

A connection that breaks is CLOSED at once, as is one that stays silent for too long between two
requests, or that is there between two when the server stops.

What holds in every state:

- Requests come out one at a time. The next is looked at only when the last has its response, so
  responses leave in the order of their requests (RFC 9112 §9.3.2).
- Nothing is read while a response is unsent (`interest`), and no request comes out while
  OUTPUT_ENOUGH bytes are unsent. So one client can hold at most one read, one request and
  one batch of responses in memory, whatever it sends and however little it reads.
- After an error or a close, no octet is looked at any more.
"""
# Longer than 300 lines: it is one state machine, and each of its methods reads or sets the state.

from collections.abc import Callable
from enum import Enum
from math import inf

from calcbench.core.errors import HttpError
from calcbench.core.http.body import Body, body_of
from calcbench.core.http.head import HeadReader
from calcbench.core.http.message import Fields, Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.http.render import CONTINUE, render


class State(Enum):
    """Where the conversation is; the picture above shows what leads from one to the next."""

    IDLE = "between two requests"
    HEAD = "in a head"
    BODY = "in a body"
    HANDLING = "a response is due"
    CLOSING = "the last response is on its way; what comes is dropped"
    CLOSED = "over"


# As names of the module: to look up a member of an enumeration takes longer.
IDLE = State.IDLE
HEAD = State.HEAD
BODY = State.BODY
HANDLING = State.HANDLING
CLOSING = State.CLOSING
CLOSED = State.CLOSED
LISTENING = (IDLE, HEAD, BODY)  # where octets can bring the next request

# What a strategy may wait for; the numbers are those of selectors.EVENT_READ and EVENT_WRITE.
NOTHING, READ, WRITE = 0, 1, 2

READ_SIZE = 16 * 1024  # bytes asked of each read: a whole request, or a fair piece of a body
OUTPUT_ENOUGH = 16 * 1024  # bytes of unsent responses that are enough for one batch
GIVE_WAY_S = 0.01  # for requests that are here already when somebody else waits
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"


class Connection:
    """The conversation with one client. Not thread-safe: one owner at a time.

    `output` is the bytes to send, `finished` says that the socket can be closed, and
    `lingering` that only its sending side may be, because the client may still be talking.
    """

    __slots__ = (
        "body",
        "buffer",
        "date_line",
        "deadline",
        "draining",
        "ended",
        "giving_way_since",
        "head_reader",
        "last_fields",
        "nothing_unread",
        "output",
        "parser",
        "policy",
        "read_was_full",
        "request",
        "requests_out",
        "since",
        "state",
        "waiting_for",
        "wants_body",
    )

    def __init__(
        self,
        parser: Parser,
        date_line: Callable[[], bytes],
        wants_body: Callable[[Request], bool] = lambda _: True,
    ) -> None:
        self.parser = parser
        self.policy = parser.policy
        self.date_line = date_line
        self.wants_body = wants_body  # asked when only the head of a request is here
        self.state: State = IDLE
        self.buffer = bytearray()  # what has come and is not consumed yet
        self.output = b""
        self.request: Request | None = None  # the one whose body is coming, or response is due
        self.last_fields: Fields | None = None  # of the last request that took the short cut
        self.head_reader: HeadReader | None = None  # made for the first that does not
        self.body: Body | None = None
        self.requests_out = 0  # how many have come out
        self.ended = False  # the client has sent its last octet
        self.draining = False  # no request will be begun after this one …
        self.deadline = inf  # … and the client has no time left after this moment
        self.giving_way_since = inf  # to somebody else, who waits to be served
        self.read_was_full = False  # the last one: more may be on its way
        self.nothing_unread = True  # of what the client sent, as far as is known
        self.waiting_for: object = None  # what time_left() last saw being waited for …
        self.since = 0.0  # … and when it first saw that

    # What the strategy may do next

    @property
    def finished(self) -> bool:
        """Whether all is said; the socket can be closed."""
        return self.state is CLOSED

    @property
    def lingering(self) -> bool:
        """Whether all is sent, and reading goes on until the client ends (RFC 9112 §9.6)."""
        return self.state is CLOSING and not self.output

    @property
    def has_buffered(self) -> bool:
        """Whether octets of a further request are here already."""
        return bool(self.buffer)

    @property
    def interest(self) -> int:
        """What to wait for on the socket: WRITE, READ or NOTHING; never both.

        Nothing is read while output is unsent, while a request has no response yet, and after
        the client's last octet.
        """
        if self.output:
            return WRITE
        if self.state is HANDLING or self.state is CLOSED or self.ended:
            return NOTHING
        return READ

    def time_left(self, now: float) -> float:
        """Return how many seconds the client still has for what it is to do next.

        *now* comes from any clock that never goes back. The time runs from the first call that
        saw the client in its present position, for the whole of a head, a body or a response:
        octets that drip do not prolong it. It is infinite while the client need do nothing, and
        otherwise ends with the deadline that `drain` has set.
        """
        waiting_for = (self.state, self.requests_out, bool(self.output))
        if waiting_for != self.waiting_for:
            self.waiting_for, self.since = waiting_for, now
        left = self.since + self.timeout() - now
        if self.deadline == inf or left == inf:
            return left
        return min(left, self.deadline - now)

    def timeout(self) -> float:
        """Return the seconds that the policy gives the client for its present task."""
        policy = self.policy
        if self.output:
            return policy.send_timeout
        if self.state is IDLE:
            return policy.idle_timeout
        if self.state is CLOSING:
            return policy.linger_timeout
        if self.state is HEAD:
            return policy.head_timeout
        if self.state is BODY and self.body is not None:
            # A body earns time by arriving: below the least rate, its time runs out.
            return policy.body_timeout + self.body.received / policy.body_rate
        return inf

    # The conversation

    def feed(self, data: bytes) -> Request | None:
        """Take in what a read returned, and return the request that it completes, if any.

        Empty *data* says that the client has sent its last octet. A request that comes out must
        be given its response; then `next_request` has what came behind it.
        """
        # Mostly data is one ordinary request, whole and by itself: then nothing of it is kept.
        if self.state is IDLE and not (self.buffer or self.output):
            request = self.parser.parse_whole_head(data, self.last_fields)
            if request is not None:
                self.request = request
                self.last_fields = request.fields
                self.requests_out += 1
                self.head_reader = None  # the next one counts empty lines from none
                self.read_was_full = False  # such a head is far shorter than a read
                self.state = HANDLING
                return request
        self.store(data)
        return self.next_request()

    def next_request(self) -> Request | None:
        """Return the next complete request of those that have been fed; None if there is none.

        None too while the last one has no response yet, or too much is unsent. A request that
        breaks a rule never comes out: its error response goes to `output` instead.
        """
        if not self.buffer and not self.ended:
            return None
        if self.state not in LISTENING or len(self.output) >= OUTPUT_ENOUGH:
            return None
        try:
            return self.advance()
        except HttpError as error:
            self.refuse(error)
            return None

    def respond(self, response: Response) -> None:
        """Respond to the request that came out last. Raises ValueError when there is none.

        Where the client has gone while its response was due, there is nothing left to do.
        """
        request = self.request
        if request is None or self.state is not HANDLING:
            if self.state is CLOSED:
                return
            raise ValueError("there is no request to respond to")
        self.request = None
        fields = request.fields
        # A client that has half-closed still gets responses to all that it has sent before.
        if (
            fields.keep_alive
            and not (self.draining or response.close)
            and (not self.ended or self.buffer)
        ):
            self.state = IDLE
            connection_line = b"" if fields.minor else KEEP_ALIVE
        else:
            self.state = CLOSING
            self.nothing_unread = not (self.buffer or self.read_was_full)
            self.buffer.clear()
            connection_line = CLOSE
        head_only = request.method == b"HEAD"
        self.output += render(response, self.date_line(), connection_line, head_only)

    def sent(self, count: int) -> None:
        """Drop the first *count* bytes of `output`, which the socket has taken."""
        self.output = unsent = self.output[count:]
        if not unsent and (self.draining or self.state is CLOSING):
            self.close_if_done()

    def drain(self, deadline: float = inf) -> None:
        """Begin no further request: the server is stopping. What has begun gets its response.

        Until *deadline*, by the clock of `time_left`, the client must have done what is its part.
        """
        self.draining = True
        self.deadline = deadline
        self.close_if_done()

    def give_way(self, now: float) -> None:
        """Let the response that is due be the last, since somebody else waits to be served.

        Requests that are here already are served first, for up to GIVE_WAY_S; of what is read
        after that, one. *now* is as for `time_left`. What the client has sent behind the last is
        for it to send again, which the close tells it (RFC 9112 §9.6).
        """
        self.giving_way_since = min(self.giving_way_since, now)
        if not self.buffer or now > self.giving_way_since + GIVE_WAY_S:
            self.draining = True

    def on_timeout(self) -> None:
        """Give up on a client that has no `time_left`.

        It is told so (408) if it has begun a request and has taken all output before that.
        """
        if self.state in (HEAD, BODY) and not self.output:
            what = "head" if self.state is HEAD else "body"
            self.refuse(HttpError(408, f"the request's {what} took too long"))
        else:
            self.abort()

    def abort(self) -> None:
        """Forget the client: it is gone, or will not read."""
        self.output = b""
        self.buffer.clear()
        self.request = self.body = None
        self.state = CLOSED

    # Behind the scenes

    def store(self, data: bytes) -> None:
        """Keep *data* for `next_request`; once the connection is closing, drop it."""
        self.read_was_full = len(data) >= READ_SIZE
        if self.giving_way_since < inf:
            self.draining = True
        if not data:
            self.ended = True
            if self.lingering:
                self.state = CLOSED
        elif self.state not in (CLOSING, CLOSED):
            self.buffer += data

    def close_if_done(self) -> None:
        """Become CLOSED if all is sent and nothing is left to wait for."""
        if self.output:
            return
        nothing_to_come = self.state is CLOSING and (self.nothing_unread or self.ended)
        if nothing_to_come or (self.state is IDLE and self.draining and not self.buffer):
            self.state = CLOSED

    def refuse(self, error: HttpError) -> None:
        """Respond with *error* and close: after any doubt, nothing more is believed."""
        if self.request is not None:
            head_only = self.request.method == b"HEAD"
        else:  # it is the head that is bad, and so it is in the buffer still
            head_only = self.buffer.startswith(b"HEAD ")
        response = Response(error.status, f"{error}\n".encode(), headers=error.headers)
        self.output += render(response, self.date_line(), CLOSE, head_only)
        self.request = self.body = None
        self.buffer.clear()
        self.nothing_unread = False
        self.state = CLOSING

    def advance(self) -> Request | None:
        """Consume the buffer's octets as far as they go; a complete request comes out."""
        if self.state is not BODY and not self.consume_head():
            return None
        request, body = self.request, self.body
        assert request is not None
        if body is not None:
            if not body.consume(self.buffer):
                if self.ended:
                    raise HttpError(400, "the client stopped in the middle of a body")
                return None
            request.body = bytes(body.content)
            self.body = None
        self.requests_out += 1
        self.state = HANDLING
        return request

    def consume_head(self) -> bool:
        """Consume a head; False when it is not all there."""
        if self.head_reader is None:
            self.head_reader = HeadReader(self.parser)
        buffer = self.buffer
        request = self.head_reader.consume(buffer)
        if request is None:
            # An empty line begins no request (RFC 9112 §2.2); a CR alone may become one.
            self.state = IDLE if not buffer or buffer == b"\r" else HEAD
            if self.ended:
                if buffer:
                    raise HttpError(400, "the client stopped in the middle of a head")
                self.state = CLOSING
                self.close_if_done()
            return False
        self.request = request
        self.state = BODY
        fields = request.fields
        if fields.body_length:
            if fields.expects_continue and not self.wants_body(request):
                # RFC 9110 §10.1.1: the final status is sent at once. Whether the body comes after
                # all is for the client to decide; so this is the last request.
                self.draining = self.read_was_full = True
                return True
            self.body = body_of(fields, self.policy)
            if fields.expects_continue and not buffer:
                self.output += CONTINUE
        return True
