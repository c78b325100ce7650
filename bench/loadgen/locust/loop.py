"""One load in one worker: its clients, when their requests are due, and its window."""

import gc
import heapq
import time
from collections import deque
from collections.abc import Iterator

import gevent
from gevent.event import Event

from calcbench.bench.loadgen.driver.address import find
from calcbench.bench.loadgen.driver.client import is_connected, is_connecting
from calcbench.bench.loadgen.driver.ledger import Ledger
from calcbench.bench.loadgen.driver.loop import (
    CONNECT_AT_ONCE,
    CONNECT_NS,
    DRAIN_NS,
    LOOK_NS,
    NEVER,
    SWEEPS,
    clock,
)
from calcbench.bench.loadgen.driver.open_loop import due_times, give_up, think_times
from calcbench.bench.loadgen.driver.response import Checker
from calcbench.bench.loadgen.locust.client import Client
from calcbench.bench.loadgen.locust.reporter import Reporter
from calcbench.bench.loadgen.locust.timerfd import Alarm
from calcbench.bench.loadgen.protocol import DriverError, DriverReport, Opened
from calcbench.bench.loadgen.spec import LoadSpec, Ring
from calcbench.bench.schema.outcomes import HTTP_ERROR, OK, TIMED_OUT, WRONG
from calcbench.bench.system.procfs import own_run_delay_ns

TAIL_S = 0.1  # of load behind the window: that of another worker may close a little later


class Loop:
    """A *spec* and all who take part in it; `perform` it once. Raises OSError for no such host."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.target = find(spec)
        self.ring, self.checker = Ring(spec), Checker(spec.ask, keep_alive=spec.keep_alive)
        self.take, self.ledger = self.ring.take, Ledger()
        self.reporter = Reporter()
        self.begun, self.all_left = Event(), Event()
        self.is_over = False
        self.error: Exception | None = None
        self.clients = [Client(self, number) for number in range(spec.connections)]
        self.left = 0  # clients that have ended
        self.server_lingers = False  # whether it has once not closed what it should have
        self.never_begun = 0  # requests that were given up before they got a connection

        self.unopened = 0  # connections that could not be opened before the load began
        self.away = self.away_ns = 0  # clients that pause or think now, as in our driver's loop

        # Of an open loop: when requests are due, the next of them, those that wait for a
        # connection, and the clients that have no request, in the order of their turns. Of users:
        # a heap of when they will have thought, and their clients.
        self.due: Iterator[int] | None = None
        self.next_due = NEVER
        self.waiting: deque[int] = deque()
        self.free: deque[Client] = deque()
        self.thinking: list[tuple[int, int, Client]] = []
        self.alarm: Alarm | None = None

    def perform(self) -> None:
        """Drive, and send the reporter what the window showed."""
        gc.collect()
        gc.freeze()
        gc.disable()  # as in our driver: a collection would be in somebody's latency
        sweeper = gevent.spawn(self.sweep)
        try:
            report = self.run(clock())
            if self.error:
                raise self.error
            self.reporter.send(report)
        except OSError as error:
            self.reporter.send(DriverError(str(error)))
        except Exception as error:  # whoever waits for us is to know of it
            self.reporter.send(DriverError(repr(error)))
            raise
        finally:
            sweeper.kill()
            if self.alarm:
                self.alarm.close()
            gc.unfreeze()
            gc.enable()

    def run(self, start_ns: int) -> DriverReport:
        """Drive from *start_ns*; return what `run` of the driver's process does, and the outcomes.

        Whoever started all this samples the server, which may be on another machine. In the end
        every request that was begun has ended, so that ours and the server's counts can agree.
        """
        spec, reporter = self.spec, self.reporter
        if spec.rate:
            self.due = due_times(spec, start_ns)
            self.next_due = next(self.due)
            self.alarm = Alarm(self.send_what_is_due)
        elif spec.think_s:
            self.alarm = Alarm(self.wake_users)
            for client, times in zip(self.clients, think_times(spec), strict=False):
                client.next_think = times.__next__
        self.begun.set()
        if self.due:
            assert self.alarm
            self.alarm.set(self.next_due)
        self.all_left.wait(spec.warmup_s)

        reporter.counting = True
        self.ledger.renew()
        cpu, delay, opened = time.process_time_ns(), own_run_delay_ns(), clock()
        reporter.send(Opened(opened))
        away = self.away_until(opened)
        self.all_left.wait(spec.duration_s)
        closed = clock()
        cpu, delay = time.process_time_ns() - cpu, own_run_delay_ns() - delay
        in_flight_ns = self.in_flight_ns(opened, closed)
        away = self.away_until(closed) - away
        self.all_left.wait(TAIL_S)
        while self.owes(closed) and not self.is_over:
            gevent.sleep(DRAIN_NS / 1e9)
        self.end()
        self.all_left.wait()
        ways = reporter.ways
        return DriverReport(
            elapsed_ns=closed - opened,
            driver_cpu_ns=cpu,
            driver_delay_ns=delay,
            server_cpu_ns=0,
            in_flight_ns=in_flight_ns,
            begun=self.ring.begun(),
            ended=sum(ways) - self.never_begun,
            unfinished=self.unfinished(),
            responses=ways[OK] + ways[WRONG] + ways[HTTP_ERROR],
            failures=tuple(self.ledger.firsts),
            unopened=self.unopened,
            away_ns=away,
        )

    def connect_all(self) -> None:
        """Open the connections that clients keep, as `connect_all` of our driver's loop does."""
        if not self.spec.opens_all:
            return
        until = clock() + CONNECT_NS
        for start in range(0, len(self.clients), CONNECT_AT_ONCE):
            some = self.clients[start : start + CONNECT_AT_ONCE]
            for client in some:
                client.connect()
            while any(client.sock and is_connecting(client.sock) for client in some):
                if clock() >= until:
                    break
                gevent.sleep(LOOK_NS / 1e9)
        opened = [client for client in self.clients if client.sock and is_connected(client.sock)]
        self.unopened = len(self.clients) - len(opened)

    def unfinished(self) -> int:
        """Return how many requests have been sent and have not ended."""
        return sum(client.intended != NEVER for client in self.clients)

    def in_flight_ns(self, opened: int, now: int) -> tuple[int, ...]:
        """Return for how long each request in flight has waited, as our driver's loop does."""
        before = opened if self.spec.rate else NEVER
        busy = (client for client in self.clients if client.intended < before)
        queued = (now - due for due in self.waiting if due < opened)
        return (*((client.done or now) - client.intended for client in busy), *queued)

    def away_until(self, now: int) -> int:
        """Return for how long clients have paused or thought, as our driver's loop does."""
        return self.away_ns + self.away * now

    def owes(self, closed: int) -> bool:
        """Tell whether a request that was due before *closed* has not ended, and must have."""
        if not self.spec.keeps_schedule:
            return False
        first = self.waiting[0] if self.waiting else NEVER
        return min(self.next_due, first, *(client.intended for client in self.clients)) < closed

    def send_what_is_due(self) -> None:
        """Hand every request that is due to a client that is free, or let it wait for one."""
        assert self.due
        assert self.alarm
        while self.next_due <= clock() and not self.is_over:
            intended, self.next_due = self.next_due, next(self.due)
            if self.free:
                self.free.popleft().waiter.switch(intended)
            else:
                self.waiting.append(intended)
        if not self.is_over:  # or it would ring without end
            self.alarm.set(self.next_due)

    def think(self, client: Client, now: int) -> None:
        """Have the user of *client* think from *now* on: its waiter gets the moment of the end."""
        assert self.alarm
        self.away += 1
        self.away_ns -= now
        heapq.heappush(self.thinking, (now + client.next_think(), client.base, client))
        if self.thinking[0][0] != self.next_due:
            self.next_due = self.thinking[0][0]
            self.alarm.set(self.next_due)

    def wake_users(self) -> None:
        """Have every user ask who has thought enough."""
        assert self.alarm
        while self.next_due <= clock() and not self.is_over:
            intended, _, client = heapq.heappop(self.thinking)
            self.next_due = self.thinking[0][0] if self.thinking else NEVER
            self.away -= 1
            self.away_ns += intended
            client.waiter.switch(intended)
        if not self.is_over:
            self.alarm.set(self.next_due)

    def sweep(self) -> None:
        """Give up, again and again, the requests that have timed out."""
        timeout_ns = round(self.spec.timeout_s * 1e9)
        while True:
            gevent.sleep(self.spec.timeout_s / SWEEPS)
            now = clock()
            for client in self.clients:
                if now - client.intended >= timeout_ns:
                    client.expire()
            for sample in give_up(self.waiting, now, timeout_ns, self.ledger):
                self.reporter.add(sample, TIMED_OUT)
                self.never_begun += 1

    def fail(self, error: Exception) -> None:
        """End all of it because of *error*, which is ours and not the server's."""
        self.error = self.error or error
        self.end()

    def end(self) -> None:
        """Begin no more requests; what waits for a connection now was due after the window."""
        self.is_over = True
        for client in (*self.free, *(client for _, _, client in self.thinking)):
            gevent.get_hub().loop.run_callback(client.waiter.switch, 0)
        self.free.clear()
        self.thinking.clear()

    def leave(self) -> None:
        """Take note that one of the clients has ended."""
        self.left += 1
        if self.left == len(self.clients):
            self.all_left.set()
