"""What a server is doing, put together from its trace and its kernel: who holds whom, who waits.

Pure: samples in, state out. `calcbench.bench.cli.watch_screen` takes the samples.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calcbench.bench.system.backlog import Queue
from calcbench.bench.system.threads import Doing, ThreadState
from calcbench.core.serving.lifecycle import Event, Kind

SECOND_NS = 1_000_000_000
RATE_NS = 2 * SECOND_NS  # over which responses are counted
LOST_NS = 5 * SECOND_NS  # for which a connection is shown whose worker is gone
IN_REQUEST = (Kind.FIRST_OCTET, Kind.PARSED, Kind.BEGUN, Kind.HANDLED)


@dataclass(frozen=True)
class Sample:
    """What was seen of a server by *now_ns*; None is what the system does not tell.

    The look began at *began_ns*: first at the *queue* and the *threads*. Then *events* were read,
    so who was gone by then has been told of. A thread that tells of itself may be younger than the
    look at *threads*, though the connection that it tells of is older: a forked child is.
    """

    now_ns: int
    events: Sequence[Event] = ()
    queue: Queue | None = None
    began_ns: int = 0
    threads: Sequence[ThreadState] | None = None


@dataclass
class Open:
    """An open connection: the last that was heard of it (*kind*), since when, and on which thread.

    *request* is the number of its last request that was traced.
    """

    number: int
    opened_ns: int
    kind: Kind
    since_ns: int
    pid: int
    thread: int
    request: int = 0


class Watched:
    """One server, whose first process is *pid*, as far as it was watched."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.now_ns = 0
        self.connections: dict[int, Open] = {}
        self.lost: dict[int, tuple[int, str]] = {}  # connection → when, and the worker it had
        self.last_number = 0  # of all connections that have been told
        self.backlog: dict[bytes, int] = {}  # address of who waits there → since when
        self.queued: list[int] = []  # since when those wait who are accepted, and have no worker
        self.untold = 0  # accepted and not told, at the last look
        self.threads: dict[int, ThreadState] | None = None
        self.names: dict[int, str] = {}  # thread → what we call it
        self.named = 0  # threads that have been given a number
        self.loops: set[int] = set()  # threads that have several clients at once
        self.at: Counter[int] = Counter()  # thread → how many open connections were last there
        self.written: deque[tuple[int, int]] = deque()  # responses: when, and for how many
        self.knows_backlog = True

    def update(self, sample: Sample) -> None:
        """Take in what was seen by now."""
        self.now_ns = sample.now_ns
        before = {number: one.pid for number, one in self.connections.items()}
        gone = [
            one
            for event in sample.events
            if (one := self.take(event)) and event.moment_ns > sample.began_ns
        ]
        while self.written and self.written[0][0] < self.now_ns - RATE_NS:
            self.written.popleft()
        self.take_threads(sample.threads, before)
        self.at = Counter(one.thread for one in self.connections.values())
        self.loops |= {thread for thread, count in self.at.items() if count > 1}
        known = (*self.connections.values(), *gone)
        told = sum(one.opened_ns <= sample.began_ns for one in known)
        self.take_queue(sample.queue, told, len(known) - told)
        for number, (moment, _) in list(self.lost.items()):
            if self.now_ns - moment > LOST_NS:
                del self.lost[number]

    def take(self, event: Event) -> Open | None:
        """Take in one *event*; return the connection that it ends, if it does."""
        number = event.connection
        self.last_number = max(self.last_number, number)
        if event.kind is Kind.CLOSED:
            return self.connections.pop(number, None)
        if event.kind is Kind.WRITTEN:
            self.written.append((event.moment_ns, event.share))
        one = self.connections.get(number)
        if one is None:
            moment = event.moment_ns
            one = self.connections[number] = Open(number, moment, event.kind, moment, 0, 0)
        one.pid, one.thread = event.pid, event.thread
        if event.kind is Kind.HELD:  # by another worker now; what the client does is as before
            return None
        one.kind, one.since_ns = event.kind, event.moment_ns
        one.request = event.request or one.request
        return None

    def take_threads(
        self, threads: Sequence[ThreadState] | None, before: Mapping[int, int]
    ) -> None:
        """Take in what each of *threads* is doing; let go of clients whose process is gone.

        That is, of those that were known *before* the look, with the process that they had.
        """
        if threads is None:
            self.threads = None
        else:
            self.threads = {thread.number: thread for thread in threads}
            self.loops |= {t.number for t in threads if t.doing is Doing.WAITS_FOR_ANY}
            pids = {thread.pid for thread in threads}
            for one in list(self.connections.values()):
                if one.pid not in pids and before.get(one.number) == one.pid:
                    self.lose(one)
        there = set(self.threads or ()) | {one.thread for one in self.connections.values()}
        for number in set(self.names) - there:
            del self.names[number]
        self.loops &= there
        for thread in threads or ():
            self.name_of(thread.pid, thread.number)

    def take_queue(self, queue: Queue | None, told: int, since: int) -> None:
        """Take in who waits to be accepted, and how many have been, of whom so many were *told*.

        So many were accepted *since*: those who wait longest, and wait no more.
        """
        self.knows_backlog = queue is not None
        if queue is None:
            self.backlog, self.queued = {}, []
            return
        waiting = set(queue.waiting)
        here = {address: since for address, since in self.backlog.items() if address in waiting}
        here |= {address: self.now_ns for address in queue.waiting if address not in here}
        self.backlog = dict(list(here.items())[since:])
        # One look alone may have come between an accept and its being told; the next agrees.
        before, self.untold = self.untold, queue.accepted - told
        untold = min(before, self.untold)
        while len(self.queued) < untold:
            self.queued.append(self.now_ns)
        self.queued = self.queued[len(self.queued) - max(untold, 0) :]
        for _ in range(min(-max(before, self.untold), len(self.connections))):
            self.lose(min(self.connections.values(), key=self.by_likely_gone))
            self.untold += 1

    def by_likely_gone(self, one: Open) -> tuple[bool, int]:
        """Return what sorts connections: first whose thread has ended, then who was silent most."""
        return one.thread in (self.threads or ()), one.since_ns

    def lose(self, one: Open) -> None:
        """Take note that a connection is gone with nobody telling.

        Its worker has died. Or else that was told when nobody could listen, and is no news.
        """
        del self.connections[one.number]
        if one.thread not in (self.threads or ()):
            self.lost[one.number] = (self.now_ns, self.name_of(one.pid, one.thread))

    def name_of(self, pid: int, thread: int) -> str:
        """Return what we call a thread: main, thread-2, or its process where that is a child."""
        name = self.names.get(thread)
        if name is None:
            process = "" if pid == self.pid else f"child {pid}"
            if thread == pid:
                name = process or "main"
            else:
                self.named += 1
                name = f"{process} thread-{self.named}".strip()
            self.names[thread] = name
        return name

    def holds(self, one: Open) -> bool:
        """Tell whether connection *one* keeps its thread from serving anybody else."""
        several = one.thread in self.loops
        if self.threads is None:  # what the trace alone shows: a request that is at work
            return one.kind in IN_REQUEST and not several
        thread = self.threads.get(one.thread)
        if thread is None or thread.doing in (Doing.ACCEPTS, Doing.WAITS_FOR_ANY):
            return False
        if not several:
            return True
        if thread.doing is Doing.WAITS_FOR_ONE or one.kind not in IN_REQUEST:
            return False
        others = [o for o in self.connections.values() if o.thread == one.thread]
        latest = max(others, key=lambda other: (other.kind is Kind.BEGUN, other.since_ns))
        return latest is one

    def holders(self) -> Mapping[int, Open]:
        """Return the connections that hold a thread, by that thread."""
        return {one.thread: one for one in self.connections.values() if self.holds(one)}

    def doing(self, thread: int) -> Doing | None:
        """Return what *thread* is doing; None where it is gone, or that is not told."""
        state = (self.threads or {}).get(thread)
        return state.doing if state else None

    @property
    def share(self) -> int:
        """Of how many requests one was traced lately: 1 where all of them were."""
        return max((share for _, share in self.written), default=1)

    @property
    def per_second(self) -> float:
        """How many responses were written in a second, lately."""
        return sum(share for _, share in self.written) / (RATE_NS / SECOND_NS)
