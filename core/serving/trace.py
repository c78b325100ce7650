"""Tell what becomes of every request, while the server runs: its lifecycle, event by event.

A `Connection` of a kind that watches sees each event happen, on whatever thread of whatever process
the strategy has brought it to; no strategy knows, and nothing is paid when nobody watches.

To trace a request takes two system calls: one when its handler begins, which may take its time,
and one when its response is written. What happens in between is kept until then, or until the
connection waits for its client.
Where there are many requests, one of several is traced, and each event says of how many. The others
must cost next to nothing: a connection is `Traced` only while a request of it is, and `Seen`
otherwise. Both have the same slots, so that one can become the other.
"""

import os
from collections.abc import Callable
from threading import get_native_id, local
from time import monotonic, monotonic_ns

from calcbench.core.http.connection import CLOSED, CLOSING, HANDLING, IDLE, Connection
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.serving.lifecycle import (
    AT_ONCE,
    BEGUN,
    CLOSED_EVENT,
    FIRST_OCTET,
    HANDLED,
    HELD,
    OPENED,
    PARSED,
    RECORD,
    WRITTEN,
)

SLOT_S = 0.1  # how often, at most, it is decided again one of how many requests is traced
ALL_UNTIL = 200.0  # requests a second of one process, which are all traced; of more …
OF_MORE = 25.0  # … so many a second are: nobody can look at each, and all pay for it
MOST_SHARE = 0xFFFF
pack = RECORD.pack


class ThisThread(local):
    """The kernel's number of the thread that asks; to ask the kernel costs a system call."""

    def __init__(self) -> None:
        self.number = get_native_id()


class Tracer:
    """The server's end: writes events into the pipe *fd*, and decides which requests are traced."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pid = os.getpid()
        self.connections_made = 0
        self.share = 1  # one of so many requests is traced …
        self.seen = 0  # … of those that came in this slot …
        self.slot_began = monotonic()
        self.slot_ends = self.slot_began + SLOT_S  # … which lasts until somebody asks after this
        self.begun: dict[int, Note] = {}  # id of a request that is to be handled → what to call
        self.thread = ThisThread()
        os.register_at_fork(after_in_child=self.begin_afresh)

    def begin_afresh(self) -> None:
        """Take note, in a child, which process we are."""
        self.pid = os.getpid()
        self.thread = ThisThread()
        self.begun.clear()

    def begin_slot(self, now: float) -> None:
        """Begin a slot at *now*, and decide by what came in the last which requests are traced."""
        rate = self.seen / max(SLOT_S, now - self.slot_began)
        self.share = 1 if rate <= ALL_UNTIL else min(MOST_SHARE, round(rate / OF_MORE))
        self.seen = 0
        self.slot_began = now
        self.slot_ends = now + SLOT_S

    def handler(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Return *handle*, telling when it begins."""
        begun = self.begun

        def traced(request: Request) -> Response:
            if begun and (note := begun.pop(id(request), None)):
                note()
            return handle(request)

        return traced

    def write(self, records: list[bytes]) -> None:
        """Write *records*, as many together as the pipe takes whole."""
        for start in range(0, len(records), AT_ONCE):
            try:
                os.write(self.fd, b"".join(records[start : start + AT_ONCE]))
            except OSError:  # it is full, or nobody reads it any more: they are lost
                return


Note = Callable[[], None]


def traced_connection(tracer: Tracer, kind: type[Connection] = Connection) -> type[Connection]:
    """Return the *kind* that traces by *tracer*, in this process and its children."""
    # As names of this function: `super()` costs a call, and every request would pay for it.
    feed, next_request, respond = kind.feed, kind.next_request, kind.respond
    sent, time_left = kind.sent, kind.time_left

    class Seen(kind):  # type: ignore[misc, valid-type]  # mypy knows no base that is a value
        """A conversation of which no request is traced at present."""

        __slots__ = (
            "due",
            "holder",
            "is_complete",
            "kept",
            "key",
            "name",
            "number",
            "opened_ns",
            "was_closed",
            "was_told",
        )

        def __init__(
            self,
            parser: Parser,
            date_line: Callable[[], bytes],
            wants_body: Callable[[Request], bool] = lambda _: True,
        ) -> None:
            super().__init__(parser, date_line, wants_body)
            tracer.connections_made += 1
            self.name = tracer.pid << 32 | tracer.connections_made  # no other connection's
            self.opened_ns = monotonic_ns()
            self.number = 0  # of the request that is traced
            self.is_complete = True  # it has come out, and what comes now begins another
            self.key = 0  # under which the tracer finds us when its handler begins
            self.due: list[int] = []  # numbers of those whose response is not written yet
            self.kept: list[bytes] = [b""]  # events until `flush`; OPENED first, which that writes
            self.holder = 0  # the thread of the last event
            self.was_told = False  # whether anything of us has been written
            self.was_closed = False

        def feed(self, data: bytes) -> Request | None:
            """Take in *data*, as `Connection.feed`; choose what is traced."""
            tracer.seen += 1
            if tracer.seen % tracer.share or self.state is not IDLE or not data:
                request: Request | None = feed(self, data)
                return request
            self.__class__ = Traced  # pyright: ignore[reportAttributeAccessIssue] - same slots
            return self.feed(data)

        def time_left(self, now: float) -> float:
            """Return the seconds left, as `Connection.time_left`: whoever asks is about to wait."""
            if now >= tracer.slot_ends:
                tracer.begin_slot(now)
            if self.was_told and tracer.share == 1 and self.holder != tracer.thread.number:
                self.keep(HELD, 0)  # it was handed over: to a thread, to a child
            if self.kept:
                self.flush()
            left: float = time_left(self, now)
            return left

        @property
        def finished(self) -> bool:
            """Whether all is said, as `Connection.finished`; noted the first time."""
            if self.state is not CLOSED:
                return False
            if not self.was_closed:
                self.was_closed = True
                tracer.begun.pop(self.key, None)
                if self.was_told:  # else nobody has heard of it
                    self.keep(CLOSED_EVENT, 0)
                    self.flush()
            return True

        def keep(self, kind: int, number: int) -> None:
            """Keep an event until `flush`."""
            self.kept.append(self.record(monotonic_ns(), kind, number))

        def record(self, moment: int, kind: int, number: int) -> bytes:
            """Return an event of the thread that calls."""
            self.holder = thread = tracer.thread.number
            share = tracer.share if number else 1
            return pack(moment, self.name, tracer.pid, thread, number, share, kind)

        def flush(self) -> None:
            """Write the events that were kept."""
            if not self.was_told:
                # Only now: of a silent client nothing else tells who waits for it.
                self.kept[0] = self.record(self.opened_ns, OPENED, 0)
                self.was_told = True
            tracer.write(self.kept)
            self.kept.clear()

    class Traced(Seen):
        """A conversation with a request that is traced."""

        __slots__ = ()

        def feed(self, data: bytes) -> Request | None:
            """Take in *data*, as `Connection.feed`; note what it begins and what it completes."""
            if data and self.is_complete and self.state is IDLE:
                self.begin(self.requests_out + 1)
            request: Request | None = feed(self, data)
            if request is not None and not self.is_complete:  # else `next_request` has noted it
                self.complete(request)
            return request

        def next_request(self) -> Request | None:
            """Return the next request, as `Connection.next_request`; note it."""
            request: Request | None = next_request(self)
            if self.is_complete and (request or (self.buffer and self.state is not HANDLING)):
                # Pipelined: its octets came with an earlier one's.
                self.begin(self.requests_out + (request is None))
            if request is not None:
                self.complete(request)
            return request

        def respond(self, response: Response) -> None:
            """Respond, as `Connection.respond`; note that the handler is done."""
            respond(self, response)
            self.keep(HANDLED, self.number)
            self.due.append(self.number)

        def sent(self, count: int) -> None:
            """Drop what was sent, as `Connection.sent`; note whose response is written."""
            sent(self, count)
            if self.output:
                return
            for number in self.due:
                self.keep(WRITTEN, number)
            self.due.clear()
            if not self.is_complete and self.state in (CLOSING, CLOSED):
                self.keep(WRITTEN, self.number)  # it was refused before it was complete
                self.is_complete = True
            if self.kept:
                self.flush()
            if self.is_complete and self.state is not HANDLING:  # else one behind is under way
                self.__class__ = Seen  # pyright: ignore[reportAttributeAccessIssue] - same slots

        def begin(self, number: int) -> None:
            """Note that the request with this *number* has begun."""
            self.number = number
            self.is_complete = False
            self.keep(FIRST_OCTET, self.number)

        def complete(self, request: Request) -> None:
            """Note that *request* is complete, and have it noted when its handler begins."""
            self.is_complete = True
            self.keep(PARSED, self.number)
            self.key = id(request)
            tracer.begun[self.key] = self.note_begin

        def note_begin(self) -> None:
            """Note that the handler has begun; at once, as it may take its time."""
            self.keep(BEGUN, self.number)
            if tracer.share == 1:  # where there are many, handlers are quick
                self.flush()

    return Seen
