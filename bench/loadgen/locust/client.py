"""One connection of a load, in a greenlet of its own: ask, wait for the whole response, record.

What the outcomes and the moments mean is said in `calcbench.bench.loadgen.driver.process`. A
greenlet may be written as if it were alone: where it waits, gevent's hub runs the others.
"""

import errno
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter
from gevent.monkey import get_original

from calcbench.bench.loadgen.driver.client import CLOSE_NS, pause_after
from calcbench.bench.loadgen.driver.framing import FramingError, Incoming
from calcbench.bench.loadgen.driver.ledger import Fault, fault_of_error, fault_of_framing
from calcbench.bench.loadgen.driver.loop import FAILURES, NEVER, READ_SIZE, clock
from calcbench.bench.loadgen.driver.quoting import quote
from calcbench.bench.loadgen.locust.client_loop import ClientLoop
from calcbench.bench.loadgen.locust.timerfd import READABLE
from calcbench.bench.loadgen.protocol import TAG_BITS, WAITED
from calcbench.bench.schema.outcomes import OK

# The plain socket, which Locust has replaced: we wait ourselves, before we read and not after.
Socket = get_original("socket", "socket")
SOCK_STREAM, SOCK_NONBLOCK = 1, os.O_NONBLOCK
IPPROTO_TCP, TCP_NODELAY, MSG_PEEK = 6, 1, 2
WRITABLE = 2  # of gevent's watchers


class Client:
    """Connection *number* of a *loop*; `run` it once."""

    def __init__(self, loop: ClientLoop, number: int) -> None:
        self.loop = loop
        self.base = number << TAG_BITS
        self.hub = gevent.get_hub()
        self.sock: Any = None  # there are no sockets and watchers between two connections
        self.readable: Any = None
        self.either: Any = None
        self.waits_for: Any = None
        self.first = self.done = 0  # done: of a whole response, whose connection is still there
        self.incoming: Incoming | None = None  # what has come of the response
        self.intended = NEVER  # when the request that is out was due; NEVER between two
        self.waiter = Waiter(self.hub)
        self.next_think: Callable[[], int] = int  # how long its user thinks, in nanoseconds

    def run(self) -> None:
        """Ask until the load is over; an error that is ours ends it for everybody."""
        loop = self.loop
        try:
            loop.begun.wait()
            if loop.due is not None:
                self.ask_when_due()
            elif loop.spec.think_s:
                self.ask_after_thinking()
            else:
                self.ask_again_and_again()
        except OSError as error:
            loop.fail(error)
        except Exception as error:  # a mistake of ours: Locust would go on without it
            loop.fail(error)
            raise
        finally:
            self.hang_up()
            loop.leave()

    def ask_again_and_again(self) -> None:
        """Be a client of a closed loop, which pauses where it fails again and again."""
        loop, failures = self.loop, 0
        while not loop.is_over:
            failures = 0 if self.ask(0) else failures + 1
            if failures:
                loop.away += 1
                loop.away_ns -= clock()
                gevent.sleep(pause_after(failures) / 1e9)
                loop.away -= 1
                loop.away_ns += clock()

    def ask_after_thinking(self) -> None:
        """Be a user, who thinks before each request."""
        while not self.loop.is_over:
            self.loop.think(self, clock())
            due = self.waiter.get()
            self.waiter.clear()
            if due:
                self.ask_afresh(due)

    def ask_when_due(self) -> None:
        """Be a client of an open loop."""
        loop = self.loop
        while not loop.is_over:
            if loop.waiting:
                self.ask(loop.waiting.popleft(), WAITED)
                continue
            if self.sock and loop.spec.reuse_first:
                loop.free.appendleft(self)
            else:
                loop.free.append(self)
            due = self.waiter.get()
            self.waiter.clear()
            if due:
                self.ask_afresh(due)

    def ask_afresh(self, due: int) -> None:
        """Ask what was *due*, on the connection that there is unless the server has closed it."""
        if self.sock and not self.is_quiet():
            self.hang_up()
        self.ask(due)

    def ask(self, intended: int, waited: int = 0) -> bool:
        """Ask one request and record it; tell whether the connection has not failed.

        It was *intended* for then, 0: for now; *waited* says that it had to wait for us.
        """
        loop = self.loop
        request, expected = loop.take()
        sent = clock()
        self.intended, self.first, self.done, self.incoming = intended or sent, 0, 0, None
        fault, failed = None, False
        try:
            sock = self.sock or self.dial()
            whole_request = self.send(request)
            self.wait(self.readable)
            data = sock.recv(READ_SIZE)
            done = clock()
            if whole_request and loop.checker.is_right_at_sight(data, expected):
                self.first = done
            else:
                fault, done = self.read(data, done, expected, whole_request)
        except FramingError as error:
            fault, done, failed = fault_of_framing(error), clock(), True
        except OSError as error:
            if error.errno not in FAILURES:
                raise
            fault = fault_of_error(FAILURES[error.errno], error, self.incoming)
            done, failed = clock(), True
        if failed:
            self.hang_up()
        ending = loop.ledger.ending(fault, done, self.incoming) if fault else OK
        tag = self.base | waited | ending
        outcome = fault.outcome if fault else OK
        loop.reporter.add((self.intended, sent, self.first or done, done, tag), outcome)
        self.intended = NEVER
        return not failed

    def read(
        self, data: bytes, now: int, expected: bytes | None, whole_request: bool
    ) -> tuple[Fault | None, int]:
        """Read a response of which *data* came at *now*; return its fault and when it was whole.

        Closes a connection that is not to be kept; so is one without *whole_request* on it. Raises
        OSError and FramingError.
        """
        loop = self.loop
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "connection closed")
        self.first = now
        self.incoming = incoming = loop.checker.incoming(expected)
        while data and not incoming.feed(data):
            data, now = self.receive()
        if not data and not incoming.ends_here():
            raise incoming.shortfall()
        assert incoming.head
        fault, self.done = loop.checker.fault_of(incoming, expected), now
        if not (incoming.head.keep_alive and loop.spec.keep_alive and whole_request):
            if data and whole_request and not loop.server_lingers:
                self.wait_for_close()
            self.hang_up()
        return fault, now

    def wait_for_close(self) -> None:
        """Leave it for a moment to the server to close (RFC 9112 §9.6)."""
        try:
            with gevent.Timeout(CLOSE_NS / 1e9, TimeoutError(errno.ETIMEDOUT, "still open")):
                if data := self.receive()[0]:
                    self.incoming = None
                    raise FramingError("bytes follow its end", quote(data), data)
        except OSError as error:  # the response was whole: how the server closes is its affair
            self.loop.server_lingers |= error.errno == errno.ETIMEDOUT

    def connect(self) -> None:
        """Open a connection for later; it is none where the server refuses."""
        try:
            self.dial()
        except OSError as error:
            self.hang_up()
            if error.errno not in FAILURES:
                raise

    def dial(self) -> Any:
        """Return a socket that is connecting; what is sent waits for that. Raises OSError."""
        family, address = self.loop.target
        self.sock = Socket(family, SOCK_STREAM | SOCK_NONBLOCK)
        loop, fd = self.hub.loop, self.sock.fileno()
        self.readable, self.either = loop.io(fd, READABLE), loop.io(fd, READABLE | WRITABLE)
        self.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        error = self.sock.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        return self.sock

    def send(self, octets: bytes) -> bool:
        """Send all *octets*, unless the server answers before; tell which. Raises OSError."""
        while octets:
            try:
                octets = octets[self.sock.send(octets) :]
            except BlockingIOError:
                if self.can_read():
                    return False
                self.wait(self.either)
            except (BrokenPipeError, ConnectionResetError):
                return False  # what the server said before that may still be read
        return True

    def can_read(self) -> bool:
        """Tell whether something has come, be it the end; raises OSError."""
        try:
            self.sock.recv(1, MSG_PEEK)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> tuple[bytes, int]:
        """Wait for octets; return them, none at the end, and when they were read."""
        while True:
            self.wait(self.readable)
            try:
                return self.sock.recv(READ_SIZE), clock()
            except BlockingIOError:
                continue  # nothing to read after all, as select(2) warns

    def wait(self, watcher: Any) -> None:
        """Let the others run until *watcher* sees something; raises TimeoutError for `expire`."""
        self.waits_for = watcher
        self.hub.wait(watcher)

    def expire(self) -> None:
        """Have the request time out that is out."""
        self.hub.cancel_wait(self.waits_for, TimeoutError(errno.ETIMEDOUT, "timed out"))

    def is_quiet(self) -> bool:
        """Tell whether the connection stands and nothing has come on it unasked."""
        try:
            return not self.can_read()
        except OSError:
            return False

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self.sock is not None:
            for watcher in (self.readable, self.either):
                if watcher is not None:
                    watcher.stop()
                    watcher.close()
            self.sock.close()
            self.sock = self.readable = self.either = None
