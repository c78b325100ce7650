"""One load in one worker: its clients, when their requests are due, and its window."""

import gc
import itertools
import time
from collections import deque
from collections.abc import Iterator

import gevent
from gevent.event import Event

from calcbench.bench.loadgen.driver.address import find
from calcbench.bench.loadgen.driver.loop import NEVER, SWEEPS, clock
from calcbench.bench.loadgen.driver.open_loop import due_times, give_up
from calcbench.bench.loadgen.driver.process import DRAIN_NS, run_delay_ns
from calcbench.bench.loadgen.driver.response import Checker
from calcbench.bench.loadgen.locust.client import Client
from calcbench.bench.loadgen.locust.reporter import Reporter
from calcbench.bench.loadgen.locust.timerfd import Alarm
from calcbench.bench.loadgen.protocol import DriverError, DriverReport, Opened
from calcbench.bench.loadgen.spec import LoadSpec, Ring
from calcbench.bench.schema.outcomes import HTTP_ERROR, OK, TIMED_OUT, WRONG

TAIL_S = 0.1  # of load behind the window: that of another worker may close a little later


class Loop:
    """A *spec* and all who take part in it; `perform` it once. Raises OSError for no such host."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.target = find(spec)
        self.ring, self.checker = Ring(spec), Checker(spec.ask, keep_alive=spec.keep_alive)
        self.take = self.ring.take
        self.reporter = Reporter()
        self.begun, self.all_left = Event(), Event()
        self.is_over = False
        self.error: Exception | None = None
        self.clients = [Client(self, number) for number in range(spec.connections)]
        self.left = 0  # clients that have ended
        self.server_lingers = False  # whether it has once not closed what it should have
        self.never_begun = 0  # requests that were given up before they got a connection

        # Of an open loop: when requests are due, the next of them, those that wait for a
        # connection, and the clients that have one and no request, or neither.
        self.due: Iterator[int] | None = None
        self.next_due = NEVER
        self.waiting: deque[int] = deque()
        self.idle: list[Client] = []
        self.vacant: list[Client] = []
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
        self.begun.set()
        if self.alarm:
            self.alarm.set(self.next_due)
        self.all_left.wait(spec.warmup_s)

        reporter.tidy()
        reporter.counting = True
        self.checker.first_failures.clear()
        cpu, delay, opened = time.process_time_ns(), run_delay_ns(), clock()
        reporter.send(Opened(opened))
        self.all_left.wait(spec.duration_s)
        closed = clock()
        cpu, delay = time.process_time_ns() - cpu, run_delay_ns() - delay
        waited_ns = () if spec.rate else self.waited_ns(closed)
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
            in_flight_ns=waited_ns,
            begun=self.ring.begun(),
            ended=sum(ways) - self.never_begun,
            unfinished=self.unfinished(),
            responses=ways[OK] + ways[WRONG] + ways[HTTP_ERROR],
            first_failures=self.checker.first_failures,
        )

    def unfinished(self) -> int:
        """Return how many requests have been sent and have not ended."""
        return sum(client.intended != NEVER for client in self.clients)

    def waited_ns(self, now: int) -> tuple[int, ...]:
        """Return for how long each request that is sent and has not ended has waited at *now*."""
        busy = (client for client in self.clients if client.intended != NEVER)
        return tuple((client.done or now) - client.intended for client in busy)

    def owes(self, closed: int) -> bool:
        """Tell whether a request of an open loop that was due before *closed* has not ended."""
        if not self.spec.rate:
            return False
        first = self.waiting[0] if self.waiting else NEVER
        return min(self.next_due, first, *(client.intended for client in self.clients)) < closed

    def send_what_is_due(self) -> None:
        """Hand every request that is due to a client that is free, or let it wait for one."""
        assert self.due
        assert self.alarm
        while self.next_due <= clock() and not self.is_over:
            intended, self.next_due = self.next_due, next(self.due)
            if self.idle:
                self.idle.pop().waiter.switch(intended)
            elif self.vacant:
                self.vacant.pop().waiter.switch(intended)
            else:
                self.waiting.append(intended)
        if not self.is_over:  # or it would ring without end
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
            for sample in give_up(self.waiting, now, timeout_ns):
                self.reporter.add(sample, TIMED_OUT)
                self.never_begun += 1

    def fail(self, error: Exception) -> None:
        """End all of it because of *error*, which is ours and not the server's."""
        self.error = self.error or error
        self.end()

    def end(self) -> None:
        """Begin no more requests; what waits for a connection now was due after the window."""
        self.is_over = True
        for client in itertools.chain(self.idle, self.vacant):
            gevent.get_hub().loop.run_callback(client.waiter.switch, 0)
        self.idle.clear()
        self.vacant.clear()

    def leave(self) -> None:
        """Take note that one of the clients has ended."""
        self.left += 1
        if self.left == len(self.clients):
            self.all_left.set()
