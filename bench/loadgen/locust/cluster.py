"""The load of several machines: a race's own Locust, seen from outside.

`Cluster` starts Locust's master, and workers beside it or waits for some from elsewhere, and then
drives as `calcbench.bench.loadgen.pool.Drivers` does. Locust itself is never imported here.
"""

# Longer than 300 lines: the life of one cluster, from its first process to its last; what a load
# needs is in `session`, and what is said between the processes in `messages`.

import contextlib
import dataclasses
import errno
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Self

from calcbench.bench.loadgen.locust.messages import (
    DIED,
    ENVELOPE,
    MASTER,
    Assigned,
    Gone,
    Joined,
    Listening,
    MasterMessage,
    Refused,
    Strangers,
    message_from_json,
    place,
    plain,
)
from calcbench.bench.loadgen.locust.secret import VARIABLE, given_secret, new_secret
from calcbench.bench.loadgen.locust.session import SPARE_S, LoadSession, needed_s
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.protocol import ReportError, send_line
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.plan import LOCUST, LOOPBACK, Plan
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.output import ProcessOutput

PYTHON = (sys.executable, "-P", "-m")
EVERYWHERE = "*"
START_S = 60.0  # for a master or a worker of this machine to be there
JOIN_S = 600.0  # for somebody to type a command on other machines
ASSIGN_S = 30.0  # for the users of a load to be there, and for their workers to be ready
SHUT_DOWN_S = 3.0  # for the master to shut the workers down, which takes it half a second


@dataclass
class WorkerProcess:
    """A worker of the race: what it is called, its process on its machine, and how it has gone."""

    name: str
    pid: int
    gone: str = ""


ON_THIS_MACHINE = "; it is on this machine, and takes time from a server here"


class Cluster:
    """Locust's master and its workers, for a whole race; leaving the ``with`` block ends them.

    It starts so many *workers* on this machine, or with *join* waits for as many from other ones.
    They reach the master at *address*, or where that is empty at any of this machine, and *port*,
    0 for a free one; they must know the *secret*, for which the run makes one if it has none.
    When all have joined, nobody else can. *announce* is called with what the user should know.
    Raises CalcbenchError when somebody does not come.
    """

    def __init__(
        self,
        workers: int = 1,
        join: int = 0,
        port: int = 0,
        address: str = "",
        announce: Callable[[str], None] = lambda _: None,
        secret: str = "",
    ) -> None:
        self.workers, self.join, self.wanted_port, self.announce = workers, join, port, announce
        self.address = address
        self.secret, self.is_known = secret or new_secret(), bool(secret)
        self.port = 0
        self.members: dict[int, WorkerProcess] = {}
        self.children: dict[int, subprocess.Popen[bytes]] = {}  # by a descriptor for its end
        self.last_status = 0  # of the worker of ours that ended last
        self.received = bytearray()
        self.session: LoadSession | None = None
        self.exits = contextlib.ExitStack()

    def drive(self, spec: LoadSpec) -> Observation:
        """Let them drive; return what they saw. Raises CalcbenchError when nobody could.

        Of a worker that dies or leaves, what it saw is lost, and the result says so.
        """
        if not self.present:
            gone = ", ".join(f"{one.name} {one.gone}" for one in self.members.values())
            raise CalcbenchError(f"no worker is left: {gone}")
        self.session = session = LoadSession(spec)
        try:
            send_line(self.master.stdin, dataclasses.asdict(spec))
            self.until(
                lambda: session.is_assigned and session.is_ready, ASSIGN_S, "the workers got ready"
            )
            send_line(self.master.stdin, "begin")
            session.begin()
            timeout_s = needed_s(spec) + SPARE_S
            self.until(lambda: session.is_over, timeout_s, "the workers had reported")
            if not session.readers:
                raise CalcbenchError(session.losses(self.names) or "no worker took a connection")
            self.until(lambda: len(session.cpu_readings) == 2, SPARE_S, "the window closed")
            return session.result(self.names)
        finally:
            self.session = None
            send_line(self.master.stdin, "stop")

    @property
    def versions(self) -> dict[str, str]:
        """Which Locust it is, here and on every machine that has joined."""
        return {LOCUST: metadata.version(LOCUST)}

    @property
    def names(self) -> dict[int, str]:
        """What the workers are called."""
        return {number: member.name for number, member in self.members.items()}

    @property
    def present(self) -> list[WorkerProcess]:
        """The workers that are there."""
        return [member for member in self.members.values() if not member.gone]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.output = starting.enter_context(ProcessOutput())
            host = place_to_join(self.address, self.wanted_port) if self.join else LOOPBACK
            workers = self.join or self.workers
            self.master = self.start("master", host, str(self.wanted_port), str(workers))
            starting.callback(self.shut_down)
            self.until(lambda: self.port > 0, START_S, "Locust's master was there")
            if self.join:
                self.wait_for_joining()
            else:
                self.start_workers()
            self.exits = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.exits.close()

    def start(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a program of Locust's, in a process group of its own: Ctrl-C reaches only us."""
        listens = module == "master"
        return subprocess.Popen(
            [*PYTHON, f"calcbench.bench.loadgen.locust.{module}", *arguments],
            stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
            stdout=subprocess.PIPE if listens else subprocess.DEVNULL,
            stderr=self.output.fileno(),
            env=os.environ | {VARIABLE: self.secret},
            process_group=0,
        )

    def start_workers(self) -> None:
        """Start our own workers, and return when all have joined."""
        for _ in range(self.workers):
            child = self.start("worker", LOOPBACK, str(self.port), f"{START_S:g}", str(os.getpid()))
            assert hasattr(os, "pidfd_open")  # see need_locust
            self.children[os.pidfd_open(child.pid)] = child

        def all_there() -> bool:
            if len(self.children) < self.workers:  # one has been reaped
                last = self.output.last_line(f"it {status_in_words(self.last_status)}")
                raise CalcbenchError(f"a worker of Locust's died: {last}")
            return len(self.members) >= self.workers

        self.until(all_there, START_S, "Locust's workers were there")

    def wait_for_joining(self) -> None:
        """Say what is to be typed on other machines, and return when it has been."""
        if self.join > 1:
            where = f"{self.join} workers; type on each machine, with the same version of calcbench"
        else:
            where = "a worker; type on its machine, with the same version of calcbench"
        if self.is_known:
            where += f" and with the same {VARIABLE}"
        master = place(self.address or socket.gethostname(), self.port)
        secret = "" if self.is_known else f"{VARIABLE}={self.secret} "
        self.announce(f"waiting for {where}: {secret}calcbench worker --master {master}")
        self.until(
            lambda: len(self.present) >= self.join, JOIN_S, f"{self.join} workers had joined"
        )

    def until(self, true: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Take in what comes until it is *true*; raises CalcbenchError if that takes too long.

        *what* says in words what should be true by then.
        """
        end = time.perf_counter_ns() + timeout_s * 1e9
        while not true():
            now = time.perf_counter_ns()
            if now >= end:
                raise CalcbenchError(f"{timeout_s:g} s passed before {what}")
            wake = min(end, self.session.next_reading if self.session else end)
            self.take_in(max(wake - now, 0) / 1e9)
            if self.session:
                self.session.read_cpu()

    def take_in(self, timeout_s: float) -> None:
        """Wait so long for the master's next message, or the end of a worker, and act on it."""
        assert self.master.stdout
        messages = self.master.stdout.fileno()
        ready, _, _ = select.select([messages, *self.children], (), (), timeout_s)
        for fd in set(ready) & set(self.children):
            self.reap(fd)
        if messages in ready:
            chunk = os.read(messages, 1 << 20)
            if not chunk:
                last = self.output.last_line(f"it {status_in_words(self.master.wait())}")
                raise CalcbenchError(f"Locust's master died: {last}")
            self.received += chunk
            for number, content in self.messages():
                if number == MASTER:
                    self.on_message(message_from_json(content))
                elif self.session:
                    self.take_report(self.session, number, content)

    def take_report(self, session: LoadSession, number: int, content: bytes) -> None:
        """Take in what worker *number* reports, and go on without it where that makes no sense.

        Raises CalcbenchError where it says that it cannot drive.
        """
        try:
            session.take(number, content)
        except ReportError as error:
            send_line(self.master.stdin, {"expel": number})
            self.lose(number, f"reported what cannot be understood ({error})")
        except CalcbenchError as error:
            raise CalcbenchError(f"{self.names[number]}: {error}") from None

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Take the whole messages that have come: the number of who sends, and the content."""
        while len(self.received) >= ENVELOPE.size:
            number, length = ENVELOPE.unpack_from(self.received)
            end = ENVELOPE.size + length
            if len(self.received) < end:
                return
            content = bytes(memoryview(self.received)[ENVELOPE.size : end])
            del self.received[:end]
            yield number, content

    def on_message(self, message: MasterMessage) -> None:
        """Act on *message* of the master's own."""
        match message:
            case Listening(port):
                self.port = port
            case Joined(number, host, pid):
                name = f"worker {number + 1} on {host} (process {pid})"
                self.members[number] = WorkerProcess(name, pid)
                if self.join:
                    here = host == plain(socket.gethostname())
                    self.announce(f"{name} has joined{ON_THIS_MACHINE if here else ''}")
            case Refused(host, why):
                self.announce(f"a worker on {host} was turned away: {why}")
            case Strangers(1):
                self.announce("somebody without the secret of this run was turned away")
            case Strangers(count):
                self.announce(f"{count:,} such attempts were turned away; nobody else can join now")
            case Gone(number, how):
                self.lose(number, how)
            case Assigned(connections) if self.session:
                self.session.assign(connections)
                for number, member in self.members.items():
                    if member.gone:
                        self.session.lose(number, member.gone)

    def reap(self, fd: int) -> None:
        """Take note that a worker of ours has ended."""
        child = self.children.pop(fd)
        os.close(fd)
        self.last_status = child.wait()
        for number, member in self.members.items():
            if member.pid == child.pid:
                self.lose(number, DIED)

    def lose(self, number: int, how: str) -> None:
        """Go on without worker *number*."""
        member = self.members[number]
        if not member.gone:
            member.gone = how
            self.announce(f"{member.name} {how}")
        if self.session:
            self.session.lose(number, member.gone)

    def shut_down(self) -> None:
        """End them all: the master when its input ends, and its workers because it says so."""
        assert self.master.stdin
        assert self.master.stdout
        timeout_s = SHUT_DOWN_S if self.present else 0
        try:
            with contextlib.suppress(BrokenPipeError):
                self.master.stdin.close()
            self.master.stdout.close()
            for process in (self.master, *self.children.values()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout_s)
        finally:
            for fd, child in self.children.items():
                os.close(fd)
                child.kill()
                child.wait()
            self.master.kill()
            self.master.wait()


def place_to_join(host: str, port: int) -> str:
    """Return where a master listens for workers that reach it at *host*, in numbers.

    Raises CalcbenchError where *host* is not of this machine, or *port* is somebody else's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        hint = "; --master-port takes another" if error.errno == errno.EADDRINUSE else ""
        why = (
            error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        )
        at = f"{host} port {port}" if host else f"port {port}"
        raise CalcbenchError(f"workers cannot join at {at}: {why}{hint}") from None
    return str(address[0]) if host else EVERYWHERE


@contextlib.contextmanager
def cluster_of(
    plan: Plan, announce: Callable[[str], None], address: str = ""
) -> Iterator[Cluster | None]:
    """Give the cluster that drives as *plan* says, if one is to.

    Workers from elsewhere reach it at *address*, or where that is empty at any of this machine.
    """
    if plan.engine != LOCUST:
        yield None
        return
    secret = given_secret() if plan.join else ""
    with Cluster(plan.drivers, plan.join, plan.master_port, address, announce, secret) as cluster:
        yield cluster
