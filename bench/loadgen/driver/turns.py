"""Drive several servers by turns: slices of some milliseconds, in an order drawn anew each cycle.

What disturbs a machine mostly lasts longer than a slice, so it disturbs all servers alike, and what
differs between them is theirs: «duet» measurements (Bulej et al. 2020, doi:10.1145/3358960.3379132)
and randomised multiple interleaved trials (Abedi & Brecht 2017, doi:10.1145/3030207.3030229) do the
same with whole programs. Each server has a `TurnLoop` of its own; only one at a time asks.

A turn has four parts:

1. *lead-in*, not counted: all clients begin at once, on caches that hold another server. It is
   `LEAD_IN_NS` long, or the usual response time where that is longer, and up to one more at
   random, so that what is counted does not begin in step with the requests. Where requests are due
   at a constant rate, it is up to one gap between two of them, `MOST_RANDOM_NS` at most.
2. The *slice*, which is counted: a whole number of usual response times, `LEAST_LATENCIES` at
   least. A request belongs to the slice in which it was begun (in an open loop: for which it was
   intended), and its latency is all that it waited, wherever its end lies.
3. *lead-out*, not counted: one usual response time, in which the clients go on asking, so that a
   request at the end of the slice has as many beside it as one in the middle.
4. The *drain*: nobody asks any more, and what was begun in this turn is waited for, for a bounded
   time. What is still out then stays out: its client waits on, does not ask, is not waited for
   again, and its response is read and timed at once when it comes, whoever's turn it is then.
   Between turns its patience stands still: it is given up after the time-out in its own turns, and
   has waited for so long.

The schedule of an open loop runs in the first three and stands still from there to the next turn.

A server that is so slow that its slices would take more than a `LONGEST_SHARE` of what is to be
measured has a single turn at the end, as long as all of it: that is a window. As any window of an
open loop, it does not open before a request that was sent in this turn has ended.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median_low

from calcbench.bench.loadgen.driver.loop import NEVER, clock
from calcbench.bench.loadgen.driver.poller import READABLE
from calcbench.bench.loadgen.driver.turn_loop import Neighbour, TurnLoop
from calcbench.bench.loadgen.protocol import PACKED, DriverReport, Opened, Turn, TurnsReport
from calcbench.bench.schema.arrivals import CONSTANT
from calcbench.bench.schema.turns import LEAST_LATENCIES, LONGEST_SHARE
from calcbench.bench.system.procfs import own_run_delay_ns

LEAD_IN_NS = 1_500_000  # from there on responses take as long as later, seen on five servers
DRAIN_NS, DRAIN_LATENCIES = 10_000_000, 4  # the bound: the longer of the two
FIRST_NS = 5_000_000  # the first turn of the warm-up; each is twice as long until responses come
MOST_RANDOM_NS = 10_000_000  # of a lead-in: half a slice; those of all turns add up to any phase


@dataclass
class Member:
    """One of the servers that take turns, with what its turns have shown until now.

    *turns* are those of its report. *server* tells the CPU time that the server has used; what it
    used in its turns is *server_cpu_ns*, and in those of others *idle_cpu_ns*. *usual_ns* is its
    usual response time, 0 while none is known.
    """

    loop: TurnLoop
    server: Callable[[], int]
    turns: list[Turn] = field(default_factory=list)
    usual_ns: int = 0
    warmed_ns: int = 0
    counted_ns: int = 0
    server_cpu_ns: int = 0
    idle_cpu_ns: int = 0
    driver_cpu_ns: int = 0
    driver_delay_ns: int = 0
    cpu_until_ns: int = 0
    in_flight_ns: tuple[int, ...] = ()
    away_ns: int = 0
    opened: int = 0

    def open(self) -> None:
        """Forget the warm-up, and begin to record."""
        recorder = self.loop.recorder
        recorder.tidy()
        recorder.counting = True
        self.turns.clear()
        self.counted_ns = self.server_cpu_ns = self.idle_cpu_ns = 0
        self.driver_cpu_ns = self.driver_delay_ns = self.away_ns = 0
        self.loop.ledger.renew()
        recorder.send(Opened(clock()))

    def report(self, closed: int, cpu_ns: int) -> DriverReport:
        """Return what all the turns showed until *closed*, in which the driver used *cpu_ns*."""
        loop, recorder = self.loop, self.loop.recorder
        recorder.tidy()
        self.idle_cpu_ns += self.server() - self.cpu_until_ns
        is_window = len(self.turns) == 1
        in_flight_ns = self.in_flight_ns  # when the window closed; slices wait for more
        if not (is_window or loop.open_loop):
            in_flight_ns = loop.in_flight_ns(self.opened, loop.left)
        return DriverReport(
            elapsed_ns=self.counted_ns,
            driver_cpu_ns=max(self.driver_cpu_ns, 0),
            driver_delay_ns=self.driver_delay_ns,
            server_cpu_ns=max(self.server_cpu_ns, 0),
            in_flight_ns=in_flight_ns,
            failures=tuple(loop.ledger.firsts),
            begun=loop.ring.begun(),
            ended=recorder.recorded - loop.never_begun,
            unfinished=loop.unfinished(),
            unopened=loop.unopened,
            away_ns=self.away_ns,
            warmup_ns=self.turns[0][1] - self.turns[0][0] if is_window else 0,
            turns=TurnsReport(tuple(self.turns), closed, cpu_ns, max(self.idle_cpu_ns, 0)),
        )

    def learn(self) -> None:
        """Take the usual response time from the last turn: the least median until now.

        What is not yet warm, and what a disturbance delays, takes longer. Of a server that queues
        its clients only the first have a response by the end of a short turn: who is still out will
        have waited for longer than all of them.
        """
        began, samples = self.turns[-1][0], map(PACKED.unpack, self.loop.recorder.fresh)
        waits = [done - intended for intended, sent, _, done, _ in samples if sent >= began]
        waits += [NEVER for client in self.loop.busy() if client.sent >= began]
        usual_ns = max(median_low(waits or [NEVER]), 1)
        if usual_ns < (self.usual_ns or NEVER):
            self.usual_ns = usual_ns

    @property
    def random_ns(self) -> int:
        """How much longer a lead-in is at most, by chance."""
        spec = self.loop.spec
        in_step = spec.rate and spec.arrivals == CONSTANT
        return max(self.usual_ns, min(round(1e9 / spec.rate), MOST_RANDOM_NS) if in_step else 0)

    def slice_ns(self, least_ns: int) -> int:
        """Return how long a slice of at least *least_ns* is, in whole usual response times."""
        usual = self.usual_ns
        return max(round(least_ns / usual), LEAST_LATENCIES) * usual if usual else least_ns


class Turns:
    """All the turns of one measurement of several servers; a slice takes *slice_ns* at least."""

    def __init__(self, members: Sequence[Member], slice_ns: int, seed: str) -> None:
        self.members = members
        self.slice_ns = slice_ns
        self.draw = random.Random(seed)
        spec = members[0].loop.spec
        self.warmup_ns = round(spec.warmup_s * 1e9)
        self.duration_ns = round(spec.duration_s * 1e9)

    @property
    def stopped(self) -> bool:
        """Whether nobody wants any more."""
        return any(member.loop.stopped for member in self.members)

    def warm_up(self) -> None:
        """Give each the turns of a warm-up, and find its usual response time."""
        length = FIRST_NS
        while not self.stopped:
            cold = [member for member in self.members if member.warmed_ns < self.warmup_ns]
            if not cold:
                return
            for member in self.shuffled(cold):
                member.loop.recorder.tidy()
                left = self.warmup_ns - member.warmed_ns
                usual = member.slice_ns(self.slice_ns) if member.usual_ns else length
                self.turn(member, 0, min(usual, left), 0)
                member.warmed_ns += member.loop.left - member.turns[-1][0]
                member.learn()
            length = min(2 * length, self.warmup_ns)

    def measure(self) -> None:
        """Give each its slices until they are as long as what is to be measured."""
        longest = LONGEST_SHARE * self.duration_ns
        fast = [m for m in self.members if m.usual_ns and m.slice_ns(self.slice_ns) <= longest]
        slow = [member for member in self.members if member not in fast]
        while fast and not self.stopped:
            least = min(member.counted_ns for member in fast)
            for member in self.shuffled([m for m in fast if m.counted_ns - least < self.slice_ns]):
                left = self.duration_ns - member.counted_ns
                length = member.slice_ns(self.slice_ns)
                if left < length * 3 // 2:  # what would be left is too short for a slice
                    length = left
                lead_in = max(LEAD_IN_NS, member.usual_ns)
                lead_in += self.draw.randrange(member.random_ns)
                self.turn(member, lead_in, length, member.usual_ns)
            fast = [member for member in fast if member.counted_ns < self.duration_ns]
        for member in self.shuffled(slow):
            if not self.stopped:
                self.turn(member, self.warmup_ns, self.duration_ns, None)

    def shuffled(self, members: Sequence[Member]) -> list[Member]:
        """Return *members* in an order of its own."""
        return self.draw.sample(members, len(members))

    def turn(
        self, member: Member, lead_in_ns: int, counted_ns: int, lead_out_ns: int | None
    ) -> None:
        """Give *member* a turn; without a lead-out it is a window."""
        loop = member.loop
        still_out, ended = len(loop.busy()), loop.recorder.ended
        cpu = member.server()
        member.idle_cpu_ns += cpu - member.cpu_until_ns
        driver, delay, spun, began = time.process_time_ns(), own_run_delay_ns(), loop.spun, clock()
        with self.heard(loop):
            loop.resume()
            opened = loop.run_until(began + lead_in_ns)
            if lead_out_ns is None:
                opened = loop.await_flow(ended + still_out, opened)
            if not member.turns:
                member.opened, loop.shifted_ns = opened, 0
            away = loop.away_until(opened)
            closed = loop.run_until(opened + counted_ns)
            member.away_ns += loop.away_until(closed) - away
            complete = member.counted_ns + closed - opened >= self.duration_ns
            is_last = complete and loop.recorder.counting
            if is_last:
                member.in_flight_ns = loop.in_flight_ns(member.opened, closed)
            if lead_out_ns is not None:
                loop.run_until(closed + lead_out_ns)
            if is_last:
                loop.finish_window(closed)  # an open loop leaves nothing out that was due
            bound = max(DRAIN_NS, DRAIN_LATENCIES * member.usual_ns)
            loop.drain(began, clock() + bound)
        member.turns.append((began, opened, closed, loop.rested))
        member.counted_ns += closed - opened
        member.driver_cpu_ns += time.process_time_ns() - driver - (loop.spun - spun)
        member.driver_delay_ns += own_run_delay_ns() - delay
        member.cpu_until_ns = member.server()
        member.server_cpu_ns += member.cpu_until_ns - cpu

    @contextmanager
    def heard(self, loop: TurnLoop) -> Iterator[None]:
        """Have *loop* also hear the others of whom something is still out."""
        others = [m.loop for m in self.members if m.loop is not loop and m.loop.busy()]
        for other in others:
            loop.clients[other.poller.fileno()] = Neighbour(other)
            loop.poller.register(other.poller.fileno(), READABLE)
        try:
            yield
        finally:
            for other in others:
                loop.poller.unregister(other.poller.fileno())
                del loop.clients[other.poller.fileno()]


def drive_in_turns(members: Sequence[Member], slice_ns: int, seed: str) -> list[DriverReport]:
    """Drive all of *members*; return what was seen of each, apart from the samples themselves."""
    turns = Turns(members, slice_ns, seed)
    for member in members:
        member.cpu_until_ns = member.server()
    turns.warm_up()
    driver_cpu = time.process_time_ns()
    for member in members:
        member.open()
    turns.measure()
    closed, driver_cpu = clock(), time.process_time_ns() - driver_cpu
    return [] if turns.stopped else [member.report(closed, driver_cpu) for member in members]
