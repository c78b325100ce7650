"""The driver's loop: one poller, all clients, and what time it is.

What the terms mean, and what counts, is said in `calcbench.bench.loadgen.driver.process`.
"""

# Longer than 300 lines: one loop with its states, where closed and open loops share each step. What
# is not of the loop stands in modules of its own; a cut through it would cost each request a call.

import errno
import heapq
import itertools
import os
import select
import socket as sockets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from socket import (
    AF_UNIX,
    IPPROTO_TCP,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    socket,
)
from typing import Any

from calcbench.bench.loadgen.driver.address import find
from calcbench.bench.loadgen.driver.background import KINDS, BackgroundClient
from calcbench.bench.loadgen.driver.client import (
    CLOSE_NS,
    CLOSING,
    CUT_OFF,
    IDLE,
    PAUSING,
    READING,
    SENDING,
    Client,
    is_connected,
    is_connecting,
    pause_after,
)
from calcbench.bench.loadgen.driver.framing import FramingError
from calcbench.bench.loadgen.driver.ledger import (
    Fault,
    Ledger,
    closed_early,
    fault_of_error,
    fault_of_framing,
    timed_out,
)
from calcbench.bench.loadgen.driver.open_loop import due_times, give_up, think_times
from calcbench.bench.loadgen.driver.poller import FORGETS_CLOSED, READABLE, WRITABLE, make_poller
from calcbench.bench.loadgen.driver.quoting import quote
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.driver.response import Checker
from calcbench.bench.loadgen.protocol import BATCH, PACKED, WAITED
from calcbench.bench.loadgen.spec import LoadSpec, Ring
from calcbench.bench.schema.outcomes import OK, REFUSED, RESET, TIMED_OUT, WRONG

NONBLOCKING = getattr(sockets, "SOCK_NONBLOCK", 0)  # spares Linux a call for each
clock = time.perf_counter_ns  # CLOCK_MONOTONIC: nanoseconds that never run backwards

READ_SIZE = 4096  # bytes asked of each recv: many times a response, and cheap to allocate
BODY_SIZE = 256 * 1024  # bytes asked where more of a response is known to come
SWEEPS = 8  # searches for requests that have timed out, in the time that one may take
SPIN_NS = 20_000  # about what it takes to fall asleep and to wake: for less we look again at once
NEVER = 1 << 62
CONNECT_AT_ONCE = 64  # connections before the load: half of the shortest backlog that is usual
CONNECT_NS = 2_000_000_000  # for all of them, at most: a lost SYN comes again after one second
LOOK_NS = 1_000_000  # between two looks whether they have come about
DRAIN_NS = 5_000_000  # between two looks whether all that was due in a window has ended
# What the poller watches of a client with a connection: only a new one, or one that sends.
EVENTS = {
    SENDING: READABLE | WRITABLE,
    CUT_OFF: READABLE,
    READING: READABLE,
}

# Any other error is ours, such as no descriptor or no port left, and fails the measurement.
FAILURES = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: RESET,
    errno.EPIPE: RESET,
    errno.ECONNABORTED: RESET,
    errno.ETIMEDOUT: TIMED_OUT,
    errno.ENOENT: REFUSED,  # no such Unix socket
    errno.EAGAIN: REFUSED,  # its backlog is full: connect(2) of a Unix socket does not wait
}


class Loop:
    """All clients of one driver, measured and in the background.

    `begin_all` once, then `run_until` again and again.
    """

    def __init__(self, spec: LoadSpec, recorder: Recorder) -> None:
        self.spec, self.recorder = spec, recorder
        self.family, self.address = find(spec)
        self.ring, self.checker = Ring(spec), Checker(spec.ask, keep_alive=spec.keep_alive)
        self.take, self.ledger = self.ring.take, Ledger()
        # Those of background clients are not counted, and have a checker of their own.
        self.request = itertools.cycle(self.ring.requests).__next__
        beside = Checker(spec.ask, keep_alive=spec.keep_alive)
        self.outcome_of, self.incoming = beside.outcome_of, beside.incoming
        self.timeout_ns = round(spec.timeout_s * 1e9)
        self.poller = make_poller()
        with socket() as none:
            self.everyone = [Client(index, none) for index in range(spec.connections)]
        # By descriptor, clients, measured and in the background; the loop tells them apart by
        # their state, for speed.
        self.clients: dict[int, Any] = {}
        self.timers: list[tuple[int, int, Callable[[], None]]] = []  # a heap: when, which, what
        self.order = itertools.count()
        self.next_sweep = self.next_check = 0
        self.tallies = {name: Counter[str]() for name, count in spec.background.items() if count}
        self.background = [
            KINDS[name](self, tally, number)
            for name, tally in self.tallies.items()
            for number in range(spec.background[name])
        ]
        self.stopped = False
        self.watches_closing = False  # whether a timer looks for servers that do not close
        self.server_lingers = False  # whether there was one
        self.never_begun = 0  # requests that were given up before they got a connection
        self.unopened = 0  # connections that could not be opened before the load began
        self.away = self.away_ns = 0  # clients that pause or think now; see `away_until`

        # Of an open loop, and of users who think: when the next request is due.
        self.open_loop, self.thinks = spec.rate > 0, spec.think_s > 0
        self.keeps_schedule = spec.keeps_schedule
        self.next_due = NEVER
        self.spun = 0  # nanoseconds in which it only looked again and again: it needs no such CPU
        # Of an open loop: the requests that wait for a connection, and the clients that have no
        # request, in the order of their turns. Those that are not IDLE have no connection either.
        self.waiting: deque[int] = deque()
        self.shifted_ns = 0  # by how much those have moved since the window opened
        self.free: deque[Client] = deque(self.everyone if self.open_loop else ())
        self.put_back = self.free.appendleft if spec.reuse_first else self.free.append
        # Users who think: a heap of when they will ask, and their clients.
        self.thinking: list[tuple[int, int, Client]] = []
        self.after_response, self.send_due = self.ask_again, self.send_what_is_due
        if self.open_loop:
            self.after_response = self.release
        elif self.thinks:
            self.after_response, self.send_due = self.think, self.wake_users

    def connect_all(self) -> None:
        """Open the connections that clients keep, before the load begins, as far as that is so.

        For a moment it waits until they have come about. Who is refused tries again with a request.
        """
        if not self.spec.opens_all:
            return
        until = clock() + CONNECT_NS
        for start in range(0, len(self.everyone), CONNECT_AT_ONCE):
            some = self.everyone[start : start + CONNECT_AT_ONCE]
            for client in some:
                self.connect(client)
            while any(is_connecting(client.sock) for client in some):
                if self.run_until(clock() + LOOK_NS) >= until or self.stopped:
                    break
        self.unopened = sum(not is_connected(client.sock) for client in self.everyone)

    def connect(self, client: Client) -> None:
        """Open a connection for *client*, who asks later."""
        try:
            sock = self.dial()
        except OSError as error:
            self.failure(error)
            return
        self.attach(client, sock)
        client.state = IDLE
        self.poller.register(sock.fileno(), READABLE)

    def attach(self, client: Client, sock: socket) -> None:
        """Give *client* its connection *sock*."""
        client.sock, client.recv, client.send = sock, sock.recv, sock.send
        self.clients[sock.fileno()] = client

    def begin_all(self, start_ns: int) -> None:
        """Let the background clients come, and at *start_ns*, of the clock, the load begin."""
        self.poller.register(sys.stdin.fileno(), READABLE)
        for background_client in self.background:
            background_client.come()
        self.run_until(start_ns)
        if self.open_loop:
            self.due = due_times(self.spec, start_ns)
            self.next_due = next(self.due)
        elif self.thinks:
            for client, times in zip(self.everyone, think_times(self.spec), strict=False):
                client.next_think = times.__next__
                self.think_from(client, start_ns)
        else:
            for client in self.everyone:
                self.begin_now(client)

    def unfinished(self) -> int:
        """Return how many requests have been sent and have not ended."""
        return len(self.busy())

    def busy(self) -> list[Client]:
        """Return the clients whose request is out."""
        return [client for client in self.everyone if client.state not in (PAUSING, IDLE)]

    def in_flight_ns(self, opened: int, now: int) -> tuple[int, ...]:
        """Return for how long each request that counts as being in flight has waited at *now*.

        That is each that is sent and has not ended. Of an open loop it is each that was due before
        the window *opened*: of the others it is waited for that they end.
        """
        out = (
            self.waited_ns(client, client.done if client.state == CLOSING else now)
            for client in self.busy()
            if client.intended < opened or not self.open_loop
        )
        return (*out, *(now - due for due in self.waiting if due - self.shifted_ns < opened))

    def away_until(self, now: int) -> int:
        """Return for how long clients have paused or thought until *now*, added up.

        Only the difference of two of them means something: of each who is away, *away_ns* holds
        minus the moment since when, and of each who is back the whole time.
        """
        return self.away_ns + self.away * now

    def owes(self, closed: int) -> bool:
        """Tell whether a request that was due before *closed* has not ended."""
        if self.waiting and self.waiting[0] < closed:
            return True
        return self.next_due < closed or any(one.intended < closed for one in self.busy())

    def await_flow(self, ended: int, now: int) -> int:
        """Go on until more than *ended* requests of an open loop have ended, or one timed out.

        Until then it only asks, and a window would show too low a rate. Returns when that was.
        """
        until = now + self.timeout_ns
        while self.open_loop and self.recorder.ended <= ended and now < until and not self.stopped:
            now = self.run_until(now + DRAIN_NS)
        return now

    def finish_window(self, closed: int) -> None:
        """Go on until all that a schedule had due before *closed* has ended, or timed out."""
        while self.keeps_schedule and not self.stopped and self.owes(closed):
            self.run_until(clock() + DRAIN_NS)

    def run_until(self, due: int) -> int:
        """Drive until a batch of events ends at *due* or later; return when that was."""
        poll, clients, after_response = self.poller.poll, self.clients, self.after_response
        send_due = self.send_due
        is_right_at_sight = self.checker.is_right_at_sight
        recorder, add, fresh = self.recorder, self.recorder.add, self.recorder.fresh
        pack = PACKED.pack
        pollers, most = [self.poller.fileno()], len(self.everyone) + len(self.background) + 1
        now = clock()
        while now < due and not self.stopped:
            if now >= self.next_due:
                send_due(now)
            looked = now
            wait_ns = min(due, self.next_check, self.next_due) - now
            if self.keeps_schedule:
                if wait_ns > SPIN_NS:
                    select.select(pollers, (), (), wait_ns / 1e9)  # epoll waits whole milliseconds
                batch = poll(0, most)
                if not batch and 0 < wait_ns <= SPIN_NS:
                    self.spun += clock() - now
            else:
                batch = poll(wait_ns / 1e9 if wait_ns > 0 else 0, most)
            for fd, events in batch:
                client = clients.get(fd)
                if client is None:
                    if fd == 0:
                        self.stopped = True  # standard input has ended
                elif events != READABLE or client.state != READING or client.incoming:
                    self.advance(client)
                else:
                    try:
                        data = client.recv(READ_SIZE)
                    except OSError as error:
                        self.broken(client, error)
                        continue
                    now = clock()
                    if is_right_at_sight(data, client.expected):
                        add(pack(client.intended, client.sent, now, now, client.tag))
                        after_response(client)
                    else:
                        self.read(client, data, now)
                    if now >= self.next_due:
                        send_due(now)
            if looked >= self.next_check:
                self.check_times(looked)  # whose response was there by then has had it
            if len(fresh) >= BATCH:
                recorder.tidy()
            now = clock()
        return now

    def send_what_is_due(self, now: int) -> None:
        """Send every request of an open loop that is due at *now*, as far as there are clients."""
        while self.waiting or self.next_due <= now:
            if not self.free:
                while self.next_due <= now:
                    self.waiting.append(self.next_due)
                    self.next_due = next(self.due)
                return
            client = self.free.popleft()
            begin = self.ask if client.state == IDLE else self.begin
            if self.waiting:
                client.tag = client.base | WAITED
                begin(client, self.waiting.popleft())
            else:
                client.tag = client.base
                intended, self.next_due = self.next_due, next(self.due)
                begin(client, intended)

    def release(self, client: Client) -> None:
        """Give a client of an open loop the request that has waited longest, if there is one."""
        if self.waiting:
            client.tag = client.base | WAITED
            self.ask(client, self.waiting.popleft())
            return
        client.state = IDLE
        self.put_back(client)

    def think(self, client: Client) -> None:
        """Have the user of *client* think before it asks again."""
        if client.state != PAUSING:
            client.state = IDLE
        self.think_from(client, clock())

    def think_from(self, client: Client, now: int) -> None:
        """Have the user of *client* think from *now* on."""
        self.away += 1
        self.away_ns -= now
        heapq.heappush(self.thinking, (now + client.next_think(), client.base, client))
        self.next_due = self.thinking[0][0]

    def wake_users(self, now: int) -> None:
        """Send the request of every user who has thought enough at *now*."""
        while self.next_due <= now:
            intended, _, client = heapq.heappop(self.thinking)
            self.next_due = self.thinking[0][0] if self.thinking else NEVER
            self.away -= 1
            self.away_ns += intended
            if client.state == IDLE:
                self.ask(client, intended)
            else:
                self.begin(client, intended)

    def start_over(self, client: Client) -> None:
        """Let *client* go on whose connection has ended, as it had to."""
        if self.open_loop:
            self.vacate(client)
        elif self.thinks:
            self.think(client)
        else:
            self.begin_now(client)

    def vacate(self, client: Client) -> None:
        """Have *client* without a connection ready for a request of an open loop."""
        self.free.append(client)
        if self.waiting:
            self.later(0, lambda: self.send_what_is_due(clock()))  # not here: it may fail again

    def dial(self, *buffers: tuple[int, int]) -> socket:
        """Return a socket that is connecting, with *buffers* as options; raises OSError."""
        sock = socket(self.family, SOCK_STREAM | NONBLOCKING)
        if not NONBLOCKING:
            sock.setblocking(False)
        for option, size in buffers:
            sock.setsockopt(SOL_SOCKET, option, size)
        if self.family != AF_UNIX:
            sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        error = sock.connect_ex(self.address)
        if error not in (0, errno.EINPROGRESS):
            sock.close()
            raise OSError(error, os.strerror(error))
        return sock

    def begin_now(self, client: Client) -> None:
        """Begin a request of a closed loop that needs a connection first."""
        self.begin(client, 0)

    def begin(self, client: Client, intended: int) -> None:
        """Begin a request that needs a connection first; *intended* 0: in a closed loop."""
        client.opened = client.sent = clock()
        client.intended = intended or client.sent
        client.incoming = None
        client.unsent, client.expected = self.take()
        try:
            sock = self.dial()
        except OSError as error:
            self.fail(client, self.fault_of(client, error), clock())
            return
        self.attach(client, sock)
        client.state = SENDING
        if self.push(client):  # on loopback the connection is mostly there by now
            self.poller.register(sock.fileno(), EVENTS[client.state])

    def ask_again(self, client: Client) -> None:
        """Begin a request of a closed loop on the connection that is there."""
        client.unsent, client.expected = self.take()
        client.intended = client.sent = clock()
        if self.push(client) and client.state == SENDING:
            self.poller.modify(client.sock.fileno(), EVENTS[SENDING])

    def ask(self, client: Client, intended: int) -> None:
        """Begin a request that was due, *intended*, on the connection that is there."""
        client.unsent, client.expected = self.take()
        client.intended = intended
        client.state = SENDING  # no more IDLE: what goes wrong now goes wrong with a request
        client.sent = clock()
        if self.push(client) and client.state == SENDING:
            self.poller.modify(client.sock.fileno(), EVENTS[SENDING])

    def push(self, client: Client) -> bool:
        """Send what is unsent of a request; tell whether the connection still stands."""
        try:
            sent = client.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            client.state = CUT_OFF
            return True
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self.broken(client, error)
                return False
            sent = 0  # no connection yet, as BSD and macOS say it
        client.unsent = client.unsent[sent:]
        client.state = SENDING if client.unsent else READING
        return True

    def advance(self, client: Client | BackgroundClient) -> None:
        """Do what *client* can do now, off the fast path."""
        if not isinstance(client, Client):
            client.ready()
            return
        if client.state == SENDING:
            if not self.push(client):
                return
            if client.state != SENDING:
                self.poller.modify(client.sock.fileno(), EVENTS[client.state])
                return
        head = client.incoming and client.incoming.head
        try:
            data = client.recv(BODY_SIZE if head else READ_SIZE)
        except OSError as error:
            self.broken(client, error)
        else:
            self.read(client, data, clock())

    def read(self, client: Client, data: bytes, now: int) -> None:
        """Take in *data*, what was read at *now*; empty: the server has closed."""
        if client.state == CLOSING:
            if data:
                self.fail(client, Fault(WRONG, "bytes follow its end", quote(data), data), now)
            else:
                self.finish(client)
            return
        if client.state == IDLE:  # closed, perhaps behind a 408: nobody has asked for anything
            self.disconnect(client)
            if self.spec.reuse_first:  # else it keeps its turn, and connects again when it has it
                self.free.remove(client)
                self.free.append(client)
            return
        incoming = client.incoming
        if incoming is None:
            if not data:
                self.fail(client, closed_early(), now)
                return
            client.first = now
            client.incoming = incoming = self.checker.incoming(client.expected)
        try:
            if data and not incoming.feed(data):
                return
            if not data and not incoming.ends_here():
                raise incoming.shortfall()
        except FramingError as error:
            self.fail(client, fault_of_framing(error), now)
            return
        assert incoming.head
        fault = self.checker.fault_of(incoming, client.expected)
        outcome = self.ledger.ending(fault, now, incoming) if fault else OK
        client.incoming = None
        whole_request = client.state == READING
        if incoming.head.keep_alive and self.spec.keep_alive and whole_request:
            self.record(client, outcome, now)
            self.after_response(client)
            return
        client.state, client.outcome, client.done = CLOSING, outcome, now
        if not data or not whole_request or self.server_lingers:
            self.finish(client)
        elif not self.watches_closing:
            self.watches_closing = True
            self.later(now + CLOSE_NS, self.check_closing)

    def finish(self, client: Client) -> None:
        """Close the connection of *client*, whose response is whole, and let it go on."""
        self.record(client, client.outcome, client.done)
        self.disconnect(client)
        client.failures = 0
        self.start_over(client)

    def check_closing(self) -> None:
        """Close, as a client must in the end, what the server does not (RFC 9112 §9.6)."""
        now = clock()
        closing = [client for client in self.everyone if client.state == CLOSING]
        overdue = any(now - client.done >= CLOSE_NS for client in closing)
        self.server_lingers = self.server_lingers or overdue
        self.watches_closing = bool(closing) and not overdue
        if self.watches_closing:
            self.later(now + CLOSE_NS, self.check_closing)
        elif overdue:
            for client in closing:
                self.finish(client)

    def record(self, client: Client, outcome: int, now: int) -> None:
        """Record when the request of *client* ended, and how: as the *outcome* of a tag says."""
        first = client.first if client.sent <= client.first <= now else now
        tag = client.tag | outcome
        self.recorder.add(PACKED.pack(client.intended, client.sent, first, now, tag))

    def broken(self, client: Client, error: OSError) -> None:
        """Take *error*, which a call on the socket of *client* has raised."""
        if isinstance(error, BlockingIOError):
            return  # nothing to read after all, as select(2) warns: the poller will tell
        fault = self.fault_of(client, error)
        if client.state == CLOSING:  # the response was whole: how the server closes is its affair
            self.finish(client)
        elif client.state == IDLE:
            self.read(client, b"", clock())
        else:
            self.fail(client, fault, clock())

    def fault_of(self, client: Client, error: OSError) -> Fault:
        """Return why the request of *client* fails; raises *error* where it is ours."""
        return fault_of_error(self.failure(error), error, client.incoming)

    def failure(self, error: OSError) -> int:
        """Return the outcome that *error* is; raises it where it is ours and not the server's."""
        if error.errno not in FAILURES:
            raise error
        return FAILURES[error.errno]

    def fail(self, client: Client, fault: Fault, now: int) -> None:
        """End the request and the connection of *client*, and let it go on.

        In a closed loop without thinks, it pauses before where it has failed again and again.
        """
        self.record(client, self.ledger.ending(fault, now, client.incoming), now)
        if client.state != PAUSING:
            self.disconnect(client)
        if self.keeps_schedule:
            self.start_over(client)
            return
        client.failures = client.failures + 1 if client.sent == client.opened else 1
        self.away += 1
        self.away_ns -= now
        self.later(now + pause_after(client.failures), lambda: self.come_back(client))

    def come_back(self, client: Client) -> None:
        """Begin the next request of *client*, which has failed and paused."""
        self.away -= 1
        self.away_ns += clock()
        self.begin_now(client)

    def disconnect(self, client: Client) -> None:
        """Close the socket of *client*."""
        client.incoming = None
        client.state = PAUSING
        self.depart(client.sock)

    def enter(self, client: BackgroundClient, sock: socket, events: int) -> None:
        """Call ``client.ready`` for *events* of *sock*."""
        self.clients[sock.fileno()] = client
        self.poller.register(sock.fileno(), events)

    def depart(self, sock: socket) -> None:
        """Close *sock*, and watch it no longer."""
        del self.clients[sock.fileno()]
        if not FORGETS_CLOSED:
            self.poller.unregister(sock)
        sock.close()

    def now(self) -> int:
        """Return the time of the clock by which everything here goes."""
        return clock()

    def later(self, when: int, call: Callable[[], None]) -> None:
        """Call *call* at *when*."""
        heapq.heappush(self.timers, (when, next(self.order), call))
        self.next_check = min(self.next_check, when)

    def waited_ns(self, client: Client, now: int) -> int:
        """Return for how long the request of *client* has waited at *now*."""
        return now - client.intended

    def check_times(self, now: int) -> None:
        """Give up the requests that have timed out; wake those who have paused enough."""
        if now >= self.next_sweep:
            self.next_sweep = now + self.timeout_ns // SWEEPS
            for client in self.everyone:
                busy = client.state not in (PAUSING, IDLE, CLOSING)
                if busy and self.waited_ns(client, now) >= self.timeout_ns:
                    self.fail(client, timed_out(client.incoming), now)
            for sample in give_up(self.waiting, now, self.timeout_ns, self.ledger):
                self.recorder.add(PACKED.pack(*sample))
                self.never_begun += 1
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        self.next_check = self.next_sweep
        if self.timers:
            self.next_check = min(self.next_check, self.timers[0][0])
