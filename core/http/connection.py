r"""One client's HTTP/1.1 conversation: bytes in, requests out; answers in, bytes out.

There is no socket here and no clock, so that a blocking loop, an event loop and a test can all
hold the same conversation. Whoever holds the socket does this, in an order of its own::

    connection.receive(sock.recv(…))            # b"" when the client has sent its last
    request = connection.next_request()         # None: nothing complete yet
    connection.respond(handle(request))         # exactly one answer for each request
    connection.sent(sock.send(connection.output))

`hear` is the first two in one, and for most requests takes a short cut.

The states, and what leads from one to the next::

    IDLE ──octet──► HEAD ──empty line──► BODY ──complete──► HANDLING ──respond()──► IDLE
      └───────────────── an error, a close or an end: ─────────────► CLOSING ──► CLOSED
                        (CLOSING hears the client out, where it may still be sending)

What holds in every state:

- Requests come out one at a time. The next is looked at only when the last has its answer, so
  answers leave in the order of their requests (RFC 9112 §9.3.2).
- Nothing is read while an answer is unsent (`wants_read`), and no request comes out while
  OUTPUT_ENOUGH bytes are unsent. So one client can hold at most one read, one request and
  one batch of answers in memory, whatever it sends and however little it reads.
- After an error or a close, no octet is looked at any more.
"""

import re
from collections.abc import Callable
from math import inf

from calcbench.core.errors import HttpError
from calcbench.core.http.body import Body, body_of
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Fields, Request, Response
from calcbench.core.http.parser import END_OF_HEAD, MAX_METHOD, Parser, parse_start
from calcbench.core.http.render import CONTINUE, render

IDLE, HEAD, BODY, HANDLING, CLOSING, CLOSED = range(6)

# What a strategy may wait for; the numbers are those of selectors.EVENT_READ and EVENT_WRITE.
NOTHING, READ, WRITE = 0, 1, 2

READ_SIZE = 16 * 1024  # bytes asked of each read: a whole request, or a fair piece of a body
OUTPUT_ENOUGH = 16 * 1024  # bytes of unsent answers that are enough for one batch
MAX_EMPTY_LINES = 4  # before a request; RFC 9112 §2.2 wants at least one to be overlooked
METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]*+")
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
        "clean",
        "crowded",
        "date_line",
        "draining",
        "empty_lines",
        "ended",
        "last",
        "output",
        "parser",
        "policy",
        "request",
        "requests",
        "scanned",
        "since",
        "state",
        "waiting_for",
    )

    def __init__(self, parser: Parser, date_line: Callable[[], bytes]) -> None:
        self.parser = parser
        self.policy = parser.policy
        self.date_line = date_line
        self.state = IDLE
        self.buffer: bytes | bytearray = b""  # a bytearray once something incomplete is in it
        self.scanned = 0  # where in the buffer the end of the head can begin, at the earliest
        self.empty_lines = 0
        self.output = b""
        self.request: Request | None = None  # the one whose body is coming, or answer is due
        self.last: Fields | None = None  # those of the last request that was a head and no more
        self.body: Body | None = None
        self.requests = 0  # how many have come out
        self.ended = False  # the client has sent its last octet
        self.draining = False  # no request will be begun after this one
        self.crowded = False  # the last read was a full one: more may be on its way
        self.clean = True  # nothing the client sent remains unread
        self.waiting_for: object = None  # what patience() last saw being waited for …
        self.since = 0.0  # … and when it first saw that

    # What the strategy may do next

    @property
    def finished(self) -> bool:
        """Whether all is said; the socket can be closed."""
        return self.state == CLOSED

    @property
    def lingering(self) -> bool:
        """Whether all is sent, and the client is being heard out (RFC 9112 §9.6)."""
        return self.state == CLOSING and not self.output

    @property
    def has_unread(self) -> bool:
        """Whether octets of a further request are here already."""
        return bool(self.buffer)

    @property
    def interest(self) -> int:
        """What to wait for on the socket: WRITE, READ or NOTHING; never both.

        Nothing is read while output is unsent, while a request has no answer yet, and after
        the client's last octet.
        """
        if self.output:
            return WRITE
        if self.state in (HANDLING, CLOSED) or self.ended:
            return NOTHING
        return READ

    def patience(self, now: float) -> float:
        """Return how many seconds the client still has for what it is to do next.

        *now* comes from any clock that never goes back. The time runs from the first call that
        saw the client in its present position, for the whole of a head, a body or an answer:
        octets that drip do not prolong it. It is infinite while the client need do nothing.
        """
        waiting_for = (self.state, self.requests, bool(self.output), self.draining)
        if waiting_for != self.waiting_for:
            self.waiting_for, self.since = waiting_for, now
        return self.since + self.allowance() - now

    def allowance(self) -> float:
        """Return the seconds that the policy gives the client for its present task."""
        policy = self.policy
        if self.output:
            seconds = policy.send_timeout
        elif self.state == IDLE:
            seconds = policy.idle_timeout
        elif self.state == CLOSING:
            seconds = policy.linger_timeout
        elif self.state == HEAD:
            seconds = policy.head_timeout
        elif self.state == BODY and self.body is not None:
            # A body earns time by arriving: below the least rate, its time runs out.
            seconds = policy.body_timeout + self.body.taken / policy.body_rate
        else:
            return inf
        return min(seconds, policy.drain_timeout) if self.draining else seconds

    # The conversation

    def receive(self, data: bytes) -> None:
        """Take in what the client sent; empty *data* says that it has sent its last."""
        self.crowded = len(data) >= READ_SIZE
        if not data:
            self.ended = True
            if self.lingering:
                self.state = CLOSED
        elif self.state >= CLOSING:
            pass  # heard out, not listened to
        elif self.buffer:
            self.buffer += data
        else:
            self.buffer = data

    def hear(self, data: bytes) -> Request | None:
        """Take in *data* as `receive` does, and return what `next_request` does.

        Mostly *data* is one ordinary request, whole and by itself: then nothing is kept of it.
        """
        if self.state == IDLE and not (self.buffer or self.output):
            request = self.parser.recall(data, self.last)
            if request is not None:
                self.request = request
                self.last = request.fields
                self.requests += 1
                self.empty_lines = 0
                self.state = HANDLING
                return request
        self.receive(data)
        return self.next_request()

    def next_request(self) -> Request | None:
        """Return the next complete request, which must then be given its response.

        Returns None while there is none, or while the last one has no answer yet. A request
        that breaks a rule never comes out: its error reply goes to `output` instead.
        """
        if not self.buffer and not self.ended:
            return None
        if self.state >= HANDLING or len(self.output) >= OUTPUT_ENOUGH:
            return None
        try:
            return self.advance()
        except HttpError as error:
            self.refuse(error)
            return None

    def respond(self, response: Response) -> None:
        """Answer the request that came out last. Raises ValueError when there is none.

        Where the client has gone while its answer was due, there is nothing left to do.
        """
        request = self.request
        if request is None or self.state != HANDLING:
            if self.state == CLOSED:
                return
            raise ValueError("there is no request to respond to")
        self.request = None
        fields = request.fields
        # A client that has half-closed still gets answers to all that it has sent before.
        if fields.keep_alive and not self.draining and (not self.ended or self.buffer):
            self.state = IDLE
            more = b"" if fields.minor else KEEP_ALIVE
        else:
            self.state = CLOSING
            self.clean = not (self.buffer or self.crowded)
            self.buffer = b""
            more = CLOSE
        self.output += render(response, self.date_line(), more, request.method == b"HEAD")

    def sent(self, count: int) -> None:
        """Drop the first *count* bytes of `output`, which the socket has taken."""
        self.output = unsent = self.output[count:]
        if not unsent and (self.draining or self.state == CLOSING):
            self.settle()

    def drain(self) -> None:
        """Begin no further request: the server is stopping. What has begun is answered."""
        self.draining = True
        self.settle()

    def time_is_up(self) -> None:
        """Give up on a client whose `patience` has run out.

        It is told so (408) where it had begun a request, and where it is listening.
        """
        if self.state in (HEAD, BODY) and not self.output:
            what = "head" if self.state == HEAD else "body"
            self.refuse(HttpError(408, f"the request's {what} took too long"))
        else:
            self.abort()

    def abort(self) -> None:
        """Forget the client: it is gone, or will not read."""
        self.output = b""
        self.buffer = b""
        self.request = self.body = None
        self.state = CLOSED

    # Behind the scenes

    def settle(self) -> None:
        """Close what can be closed, once everything is sent."""
        if self.output:
            return
        heard_out = self.state == CLOSING and (self.clean or self.ended)
        if heard_out or (self.state == IDLE and self.draining and not self.buffer):
            self.state = CLOSED

    def refuse(self, error: HttpError) -> None:
        """Answer with *error* and close: after any doubt, nothing more is believed."""
        if self.request is not None:
            head_only = self.request.method == b"HEAD"
        else:
            head_only = self.buffer.startswith(b"HEAD ")
        response = Response(error.status, f"{error}\n".encode(), headers=error.headers)
        self.output += render(response, self.date_line(), CLOSE, head_only)
        self.request = self.body = None
        self.buffer = b""
        self.clean = False
        self.state = CLOSING

    def advance(self) -> Request | None:
        """Take the buffer's octets as far as they go; a complete request comes out."""
        if self.state != BODY and not self.take_head():
            return None
        request, body = self.request, self.body
        assert request is not None
        if body is not None:
            if type(self.buffer) is not bytearray:
                self.buffer = bytearray(self.buffer)
            if not body.take(self.buffer):
                if self.ended:
                    raise HttpError(400, "the client stopped in the middle of a body")
                return None
            request.body = bytes(body.content)
            self.body = None
        if not self.buffer:
            self.buffer = b""
        self.requests += 1
        self.state = HANDLING
        return request

    def take_head(self) -> bool:
        """Take a head off the front of the buffer; False when it is not all there."""
        end = self.buffer.find(END_OF_HEAD, self.scanned)
        while self.buffer.startswith(b"\r\n"):
            self.take(2)
            self.empty_lines += 1
            if self.empty_lines > MAX_EMPTY_LINES:
                raise HttpError(400, f"there are over {MAX_EMPTY_LINES} empty lines")
            end = self.buffer.find(END_OF_HEAD)
        if end < 0:
            self.keep_incomplete_head(self.buffer)
            return False
        fields = self.begin(bytes(self.buffer[: end + 4]))
        self.take(end + 4)
        self.empty_lines = 0
        self.state = BODY
        if fields.body_length:
            self.body = body_of(fields, self.policy)
            if fields.expects_continue and not self.buffer:
                self.output += CONTINUE
        return True

    def take(self, count: int) -> None:
        """Drop *count* octets off the front of the buffer, in a time that depends on them alone."""
        self.scanned = 0
        if type(self.buffer) is bytearray:
            del self.buffer[:count]
        elif count == len(self.buffer):
            self.buffer = b""
        else:
            self.buffer = bytearray(self.buffer[count:])

    def keep_incomplete_head(self, buffer: bytes | bytearray) -> None:
        """Wait for the rest of a head, unless it is wrong already or no more can come."""
        check_beginning(buffer, self.scanned, self.policy)
        self.scanned = max(0, len(buffer) - 3)  # the end of the head may be there in part
        self.state = IDLE if not buffer or buffer == b"\r" else HEAD
        if buffer:
            self.buffer = bytearray(buffer) if type(buffer) is bytes else buffer
            if self.ended:
                raise HttpError(400, "the client stopped in the middle of a head")
        elif self.ended:
            self.state = CLOSING
            self.settle()

    def begin(self, head: bytes) -> Fields:
        """Judge a complete *head*: the request it begins, and the fields that frame its body."""
        start, separator, rest = head.partition(b" HTTP/")
        if len(start) + 9 > self.policy.max_request_line or len(head) > self.policy.max_head:
            check_beginning(head, 0, self.policy)
        try:
            if not separator:
                raise HttpError(400, "the request line does not end in HTTP/1.1")
            fields = self.parser.parse_rest(b"HTTP/" + rest)
            method, _, target = start.partition(b" ")
            self.request = parse_start(method, target, fields)
        except HttpError:
            # Had the head come in pieces, this would have been found first.
            check_beginning(head, 0, self.policy)
            raise
        return fields


def check_beginning(octets: bytes | bytearray, scanned: int, policy: Policy) -> None:
    """Raise HttpError where the beginning of a head already breaks a rule.

    The first *scanned* octets have been looked at. Of several faults the one that comes first
    in the octets counts, so that the answer does not depend on how they were cut.
    """
    faults: list[tuple[int, int, str]] = []  # the octet that makes it one, status, message
    size = len(octets)
    if scanned <= MAX_METHOD and octets != b"\r":  # a CR alone may become an empty line
        method = METHOD.match(octets, 0, MAX_METHOD + 1)
        end = method.end() if method else 0
        if end > MAX_METHOD:  # RFC 9112 §3
            faults.append((MAX_METHOD, 501, "no method is so long"))
        elif end < size and (end == 0 or octets[end] != ord(" ")):
            faults.append((end, 400, "the method is not a token"))
    line_end = octets.find(b"\n", scanned)
    while line_end >= 0:
        if line_end == 0 or octets[line_end - 1] != ord("\r"):
            faults.append((line_end, 400, "a line ends in a bare LF"))  # RFC 9112 §2.2
            break
        line_end = octets.find(b"\n", line_end + 1)
    limit = policy.max_request_line + 2
    if scanned < limit <= size and octets.find(b"\r\n", 0, limit) < 0:
        faults.append((limit - 1, 414, f"the request line is over {limit - 2} bytes"))
    if size > policy.max_head:
        faults.append((policy.max_head, 431, f"the head is over {policy.max_head} bytes"))
    if faults:
        _, status, message = min(faults)
        raise HttpError(status, message)
