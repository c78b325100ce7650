"""What is left of a server after a fault: who is still served, what still runs, does it stop.

Beside each fault there are bystanders, clients who were served before and want to be again, as
many as the strategy has room for without holding up the others.
"""

import resource
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import killpg
from pathlib import Path
from time import monotonic, sleep

from calcbench.bench.system.procfs import PROC
from calcbench.core.options import describe
from calcbench.core.serving.catalogue import load
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from soak.crowd import Client, Crowd
from soak.faulty import interpreter
from soak.footprint import Footprint, count, footprint
from soak.outcome import Column, Row, Table, change, wrong_end

GET = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\n\r\n"
GET_ONCE = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n"
RAISE = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\nFault: %b\r\n\r\n"
# The strategies' own caps are lowered, so that whatever a fault costs of them is soon felt.
CAP = 8
TIMES = 3 * CAP  # that a fault happens
FRESH = 32  # clients who come afterwards
BYSTANDERS = 4
ROOM = 3  # descriptors that are left when they run out
MANY = 400  # clients at once: more than the wake-ups that a socket pair holds unread, 278
PATIENCE_S = 5.0  # that a client waits for a response
BRIEFLY_S = 0.5  # for whatever happens at once, or not at all
STALL_S = 2.5  # longer than the deadlines in SHORT
SHORT = ("head_timeout=1", "body_timeout=1", "idle_timeout=1")
# A silent client must not cost a pool its workers for the rest of the test.
LONG = ("head_timeout=2", "idle_timeout=60", "linger_timeout=0.5")
COLUMNS = (
    Column("strategy", 18, words=True),
    Column("fault", 34, words=True),
    Column("those hit got", 24, words=True),
    Column("bystanders", 10),
    Column("fresh", 8),
    Column("processes", 9),
    Column("threads", 8),
    Column("stops in", 9),
    Column("ended", 12, words=True),
)
TITLE = f"""\
Survivors of a fault that happens {TIMES} times, where strategies have {CAP} workers at most.
Those hit are the clients whom it befell. Then bystanders, who had been served before, ask again,
and {FRESH} fresh clients come. Processes and threads: before the fault, and after all this."""


@dataclass
class Scene:
    """A server, its clients, and the switch with which nothing can be started."""

    server: Server
    crowd: Crowd
    switch: Path

    def come(self, count: int, data: bytes, asks: int = 1) -> list[Client]:
        """Return *count* new clients, connected, who have sent *data* with *asks* requests."""
        return self.crowd.gather(count, PATIENCE_S, data, asks)

    def await_responses(self, clients: Sequence[Client], seconds: float = PATIENCE_S) -> int:
        """Wait until each of *clients* has its responses or is closed; return how many have."""
        self.crowd.wait(lambda: not any(c.open and c.waiting for c in clients), seconds)
        return sum(not client.waiting for client in clients)


Hit = Callable[[Scene], list[Client]]


@dataclass(frozen=True)
class Fault:
    """A fault: *happen* makes it happen, and returns the clients who were hit.

    Those must each get *statuses* if there are any, and otherwise a response or a close; no
    demands are made for clients who have gone themselves.
    """

    name: str
    happen: Hit
    statuses: tuple[int, ...] = ()
    policy: tuple[str, ...] = LONG
    workload: str = "add"
    bystanders: bool = True


def raised(name: str) -> Hit:
    """Return what has a handler raise *name* for each of several clients."""

    def happen(scene: Scene) -> list[Client]:
        clients = scene.come(TIMES, RAISE % name.encode())
        scene.await_responses(clients)
        return clients

    return happen


def reset_in_request(scene: Scene) -> list[Client]:
    """Reset connections in the middle of a head, and while a response is due or half sent."""
    halves = scene.come(TIMES // 3, GET[:20], 0)
    wholes = scene.come(TIMES // 3, GET)
    many = scene.come(TIMES // 3, GET * 100, 100)
    scene.crowd.wait(lambda: False, 0.05)
    for client in (*halves, *wholes, *many):
        scene.crowd.reset(client)
    return []


def exhaust_descriptors(scene: Scene) -> list[Client]:
    """Have more clients than the server has descriptors, for a while."""
    pid = scene.server.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count(PROC / str(pid) / "fd") + ROOM, hard))
    clients = scene.come(MANY, GET)
    for half in (clients[::2], clients[1::2]):
        scene.await_responses(clients, BRIEFLY_S)
        for client in half:
            scene.crowd.leave(client)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return []


def start_nothing(scene: Scene) -> list[Client]:
    """Let no thread and no process be started for a while, in which many ask in one moment."""
    here = scene.come(MANY, b"", 0)
    scene.crowd.wait(lambda: False, BRIEFLY_S)
    scene.switch.touch()
    killpg(scene.server.pid, signal.SIGSTOP)
    for client in here:
        scene.crowd.say(client, GET, 1)
    new = scene.come(MANY, GET)
    killpg(scene.server.pid, signal.SIGCONT)
    scene.await_responses(here, BRIEFLY_S)
    for client in (*here, *new):
        scene.crowd.leave(client)
    scene.crowd.wait(lambda: False, BRIEFLY_S)  # else a process is started for each in the backlog
    scene.switch.unlink()
    return []


def stall(scene: Scene) -> list[Client]:
    """Stop the server's processes for longer than its deadlines, while clients ask in time."""
    kept = scene.come(CAP // 2, GET)
    scene.await_responses(kept, BRIEFLY_S / 2)
    held = [client for client in kept if client.open and client.whole and not client.dismissed]
    for client in set(kept).difference(held):
        scene.crowd.leave(client)  # there is no room for it
    begun = scene.come(CAP // 2, GET_ONCE[:20], 0)
    killpg(scene.server.pid, signal.SIGSTOP)
    for client in held:
        scene.crowd.say(client, GET_ONCE, 1)
    for client in begun:
        scene.crowd.say(client, GET_ONCE[20:], 1)
    scene.crowd.wait(lambda: False, STALL_S)
    killpg(scene.server.pid, signal.SIGCONT)
    scene.await_responses([*held, *begun])
    return [*held, *begun]


FAULTS = (
    Fault("a handler raises ValueError", raised("ValueError"), (500,)),
    Fault("a handler raises MemoryError", raised("MemoryError")),
    Fault("a handler raises SystemExit", raised("SystemExit")),
    Fault("a handler raises KeyboardInterrupt", raised("KeyboardInterrupt")),
    Fault("resets in mid-request", reset_in_request, workload="block=10ms"),
    Fault("no descriptors for 1 s", exhaust_descriptors),
    Fault("no threads, no processes", start_nothing),
    Fault(f"stalled for {STALL_S:g} s", stall, (200,), SHORT, bystanders=False),
)


@dataclass(frozen=True)
class Aftermath:
    """What was seen after a fault."""

    strategy: str
    fault: str
    required: tuple[int, ...]  # statuses; () accepts a close as well
    statuses: tuple[int, ...]  # of those hit: 0 for a close, -1 for nothing at all
    bystanders: tuple[int, int]  # served, of how many
    fresh: tuple[int, int]
    before: Footprint
    after: Footprint
    died: bool
    seconds: float
    status: int
    killed: bool

    @property
    def broken(self) -> tuple[str, ...]:
        """A line for each requirement that this breaks."""
        found = []
        accepted = self.required or (*range(200, 600), 0)
        wrong = [status for status in self.statuses if status not in accepted]
        if wrong:
            found.append(f"of those hit {count_statuses(wrong)}")
        if self.died:
            found.append(f"the server died, with status {self.status}")
        else:
            for who, (served, of) in (("bystanders", self.bystanders), ("fresh", self.fresh)):
                if served < of:
                    found.append(f"{served} of {of} {who} were served")
            if self.after.threads < self.before.threads:
                found.append(f"{self.after.threads} of {self.before.threads} threads are left")
            # Whatever a handler raises is to be printed, so here it is nothing to complain of.
            found += wrong_end(self.status, self.killed, True, self.seconds)
        return tuple(f"{self.strategy}, {self.fault}: {what}" for what in found)

    @property
    def row(self) -> Row:
        """This as a line of the table."""
        ended = "killed" if self.killed else f"status {self.status}"
        cells = (
            self.strategy,
            self.fault,
            count_statuses(self.statuses) if self.statuses else "-",
            of(*self.bystanders),
            of(*self.fresh),
            change(self.before.processes, self.after.processes),
            change(self.before.threads, self.after.threads),
            "died" if self.died else f"{self.seconds:.2f} s",
            ended,
        )
        return Row(cells, self.broken)


def count_statuses(statuses: Sequence[int]) -> str:
    """Return how often each of *statuses* came: ``24 500``, ``3 closed, 1 nothing``."""
    names = {0: "closed", -1: "nothing"}
    counted = sorted((statuses.count(status), status) for status in set(statuses))
    return ", ".join(f"{times}x {names.get(status, status)}" for times, status in counted[::-1])


def of(some: int, all_of_them: int) -> str:
    """Return ``3 of 4``, or that there was nobody."""
    return f"{some} of {all_of_them}" if all_of_them else "-"


def table(strategies: Sequence[str], faults: Sequence[Fault] = FAULTS) -> Table:
    """Return the table of each of *faults* in each of *strategies*."""
    return Table(TITLE, COLUMNS, rows(strategies, faults))


def rows(strategies: Sequence[str], faults: Sequence[Fault]) -> Iterator[Row]:
    """Have each of *faults* happen to each of *strategies*."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        python, switch = interpreter(Path(folder))
        for strategy in strategies:
            for fault in faults:
                yield observe(strategy, fault, str(python), switch).row


def small_options(strategy: str) -> tuple[str, ...]:
    """Return the options of *strategy* that are numbers, none larger than CAP if it may be less."""
    return tuple(
        f"{field.name}={max(min(CAP, field.default), int(field.least or 0))}"
        for field in describe(load(strategy).options_type)
        if field.type_name == "int"
    )


def observe(strategy: str, fault: Fault, python: str, switch: Path) -> Aftermath:
    """Have *fault* happen to a server of *strategy*, and look at what is left of it."""
    spec = ServerSpec(
        strategy,
        options=small_options(strategy),
        workload=fault.workload,
        policy=fault.policy,
        python=python,
    )
    with launch(spec) as server, Crowd(server.host, server.port) as crowd:
        scene = Scene(server, crowd, switch)
        try:
            return look(scene, fault)
        finally:
            switch.unlink(missing_ok=True)
            with suppress(ProcessLookupError):
                killpg(server.pid, signal.SIGCONT)


def look(scene: Scene, fault: Fault) -> Aftermath:
    """Have *fault* happen in *scene*, then see who is served, what runs, and how it stops."""
    server, crowd = scene.server, scene.crowd
    scene.await_responses(scene.come(1, GET_ONCE))  # whatever is made for the first, is there
    bystanders = scene.come(BYSTANDERS, GET) if fault.bystanders and has_room(scene) else []
    scene.await_responses(bystanders)
    before = steady(server.pid)
    hit = fault.happen(scene)
    statuses = tuple(outcome(client) for client in hit)
    for client in hit:
        crowd.leave(client)
    for client in bystanders:
        crowd.say(client, GET, 1)
    survivors = scene.await_responses(bystanders)
    fresh = scene.await_responses(scene.come(FRESH, GET_ONCE))
    after = steady(server.pid)
    died = server.died()
    began = monotonic()
    stopped = server.stop()
    return Aftermath(
        strategy=server.spec.strategy,
        fault=fault.name,
        required=fault.statuses,
        statuses=statuses,
        bystanders=(survivors, len(bystanders)),
        fresh=(fresh, FRESH),
        before=before,
        after=after,
        died=died,
        seconds=monotonic() - began,
        status=stopped.status,
        killed=stopped.killed and not died,
    )


def has_room(scene: Scene) -> bool:
    """Tell whether a second client is served while the first stays."""
    first, second = scene.come(1, GET), scene.come(1, GET)
    scene.await_responses(first)
    served = scene.await_responses(second, BRIEFLY_S) == 1
    for client in (*first, *second):
        scene.crowd.leave(client)
    return served


def steady(group: int) -> Footprint:
    """Return the footprint of *group* when its threads have ended that will, within a second."""
    end, seen = monotonic() + 1.0, footprint(group)
    while monotonic() < end:
        sleep(0.1)
        last, seen = seen, footprint(group)
        if (last.threads, last.processes) == (seen.threads, seen.processes):
            break
    return seen


def outcome(client: Client) -> int:
    """Return the status of the last response of *client*, 0 for a close, -1 for nothing."""
    if not client.waiting:
        return client.statuses[-1]
    return 0 if client.closed_at is not None else -1
